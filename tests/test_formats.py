"""Whatever is wrong in a file is named with its place; nothing is skipped in silence, nothing shifted."""

import json
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdmodels.archives import entry
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.formats import tmx
from tests.incoming import memory, packed, read_pairs, sides, write, zipped

GOOD = {"en": ["one", "two"], "de": ["eins", "zwei"]}
EXPECTED = [("one", "eins"), ("two", "zwei")]


def _csv(*rows: str) -> str:
    return "".join(f"{row}\n" for row in ("en,de", *rows))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"pairs\.csv: the file is empty"),
        ("en,de\n", r"pairs\.csv: holds a header line and no rows"),
        ("en,fr\na,b\n", r"pairs\.csv:1: the column 'de' is missing; the header has en, fr"),
        ("en,de,en\na,b,c\n", r"pairs\.csv:1: the column 'en' stands twice"),
        (_csv("a,b", "c"), r"pairs\.csv:3: 1 comma-separated fields, expected 2 \(en, de\)"),
        (_csv("a,b", "c,d,e"), r"pairs\.csv:3: 3 comma-separated fields, expected 2"),
        (_csv("a,b", "", "c,d"), r"pairs\.csv:3: 0 comma-separated fields, expected 2"),
        (_csv('"a\nb",c', "d"), r"pairs\.csv:4: 1 comma-separated"),
        (_csv("a,b", '"c" d,e'), r"pairs\.csv:3: .* after '\"', in the row that begins here"),
        (
            _csv("a,b", '"never closed,c', "d,e"),
            r"pairs\.csv:3: .*, in the row that begins here and was read to line 4",
        ),
        (
            _csv("a,b\rc", "d,e"),
            r"pairs\.csv:2: new-line character seen in unquoted field.*in the row that begins here",
        ),
        (_csv("a,b", "c,\0"), r"pairs\.csv:3: holds a NUL"),
        (_csv("a,b").encode() + b"c,\xff\n", r"pairs\.csv:3: not UTF-8 at byte 2"),
    ],
)
def test_what_is_wrong_in_a_quoted_table_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    write(tmp_path / "pairs.csv", content)
    with pytest.raises(BadInputError, match=message):
        read_pairs(tmp_path, paths=["pairs.csv"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", r"not JSON \(Expecting value"),
        ('{"en": "a", "de": "b"', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["a", "b"]', "an object is expected, this is a list"),
        ('"a"', "an object is expected, this is text"),
        ("null", "an object is expected, this is null"),
        ('{"en": "a", "fr": "b"}', "the field 'de' is missing; the object has en, fr"),
        ('{"en": "a", "de": 5}', "the field 'de' is a whole number, expected text"),
        ('{"en": ["a"], "de": "b"}', "the field 'en' is a list, expected text"),
        ('{"en": {"a": 1}, "de": "b"}', "the field 'en' is an object, expected text"),
        ('{"en": true, "de": "b"}', "the field 'en' is a truth value, expected text"),
        ('{"en": "a\\u0000", "de": "b"}', "the field 'en' holds a NUL"),
        ('{"en": "\\ud83d", "de": "b"}', "the field 'en' holds half a surrogate pair"),
        ('{"en": "a\0", "de": "b"}', "holds a NUL"),
    ],
)
def test_what_is_wrong_in_json_lines_is_named(tmp_path: Path, line: str, message: str) -> None:
    write(tmp_path / "pairs.jsonl", f'{{"en": "one", "de": "eins"}}\n{line}\n')
    with pytest.raises(BadInputError, match=rf"pairs\.jsonl:2: {message}"):
        read_pairs(tmp_path, paths=["pairs.jsonl"])


def test_ids_of_json_lines_may_be_numbers_and_an_escaped_pair_of_surrogates_is_one_character(tmp_path: Path) -> None:
    write(
        tmp_path / "pairs.jsonl", '{"id": 7, "en": "\\ud83d\\ude00", "de": null}\n{"id": "x", "en": "a", "de": "b"}\n'
    )
    pairs = read_pairs(tmp_path, paths=["pairs.jsonl"], id_column="id")
    assert [(pair.id, pair.source, pair.target) for pair in pairs] == [("7", "😀", ""), ("x", "a", "b")]
    write(tmp_path / "pairs.jsonl", '{"id": 7.5, "en": "a", "de": "b"}\n')
    with pytest.raises(BadInputError, match="the field 'id' is a number, expected text or a whole number"):
        read_pairs(tmp_path, paths=["pairs.jsonl"], id_column="id")


def _columns(**columns: object) -> Callable[[Path], None]:
    return lambda path: pq.write_table(pa.table(columns), path)


def _not_utf8(path: Path) -> None:
    bad = pa.array([b"a", b"\xff"], pa.binary())
    pq.write_table(pa.table({"en": pa.array(["a", "b"]), "de": bad.view(pa.string())}), path)


def _cut(path: Path) -> None:
    pq.write_table(pa.table(GOOD), path)
    path.write_bytes(path.read_bytes()[:-20])


def _flipped(path: Path) -> None:
    pq.write_table(pa.table(GOOD), path, compression="zstd")
    content = bytearray(path.read_bytes())
    place = content.index(b"\x28\xb5\x2f\xfd")  # where a packed page begins
    content[place : place + 4] = b"\xff" * 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (_columns(en=["a"], fr=["b"]), BadInputError, "the column 'de' is missing; the file has en, fr"),
        (_columns(en=["a"], de=[5]), BadInputError, "the column 'de' holds int64, expected text"),
        (_columns(en=["a"], de=[["b"]]), BadInputError, "the column 'de' holds list<.*>, expected text"),
        (_columns(en=["a"], de=[0.5]), BadInputError, "the column 'de' holds double, expected text"),
        (_columns(en=pa.array([], pa.string()), de=pa.array([], pa.string())), BadInputError, "holds no rows"),
        (_not_utf8, BadInputError, "2: the column 'de' is not UTF-8"),
        (_columns(en=["a", "b"], de=["c", "d\0"]), BadInputError, "2: the column 'de' holds a NUL"),
        (_cut, DamagedError, "not readable as Parquet"),
        (_flipped, DamagedError, "not readable as Parquet"),
        (lambda path: write(path, b""), DamagedError, "not readable as Parquet"),
        (lambda path: write(path, b"<html>"), DamagedError, "not readable as Parquet"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_parquet_is_named(
    tmp_path: Path, make: Callable[[Path], object], kind: type[Exception], message: str
) -> None:
    make(tmp_path / "pairs.parquet")
    with pytest.raises(kind, match=rf"pairs\.parquet: ?{message}"):
        read_pairs(tmp_path, paths=["pairs.parquet"])


def test_parquet_inside_another_packing_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table(GOOD), tmp_path / "pairs.parquet")
    write(tmp_path / "pairs.parquet.gz", packed("gz", (tmp_path / "pairs.parquet").read_bytes()))
    with pytest.raises(BadInputError, match="Parquet is packed in itself"):
        read_pairs(tmp_path, paths=["pairs.parquet.gz"])


def test_parquet_is_read_in_batches_of_any_kind_of_text(tmp_path: Path) -> None:
    count = 10_000
    texts = [f"text {number}" for number in range(count)]
    columns = {
        "id": pa.array(range(count)),
        "en": pa.array(texts).dictionary_encode(),
        "de": pa.array([None, *texts[1:]], pa.large_string()),
    }
    pq.write_table(pa.table(columns), tmp_path / "pairs.parquet", row_group_size=3000)
    pairs = read_pairs(tmp_path, paths=["pairs.parquet"], id_column="id")
    assert [pair.id for pair in pairs] == [str(number) for number in range(count)]
    assert [pair.source for pair in pairs] == texts
    assert [pair.target for pair in pairs] == ["", *texts[1:]]


LAUGHS = '<!DOCTYPE tmx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>\n'
OUTSIDE = '<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n'
PARAMETER = '<!DOCTYPE tmx [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x.dtd"> %a;]>\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (memory({"en": "&", "de": "b"}, before=LAUGHS), "refused, for it declares or refers to entities"),
        (memory({"en": "a", "de": "b"}, before=OUTSIDE), "refused, for it declares or refers to entities"),
        (memory({"en": "a", "de": "b"}, before=PARAMETER), "refused, for it declares or refers to entities"),
        (memory({"en": "a", "fr": "b"}), "none of 1 translation units has both 'en' and 'de'; its languages are en, fr"),
        (memory(), "none of 0 translation units"),
        ("", r"1: not XML \(no element found"),
        ("en\tde\n", r"1: not XML \(syntax error"),
        ("<html><body>not found</body></html>", "its outermost element is 'html', expected 'tmx'"),
        (memory({"en": "a", "de": "b"}).replace("</body>", ""), r"8: not XML \(mismatched tag.* behind 1 whole"),
        (memory({"en": "a", "de": "b"})[:-30], r"\d: not XML .* behind"),
        (memory({"en": "a", "de": "b\0"}), r"6: not XML \(not well-formed"),
        (memory({"en": "a", "de": "grün"}).encode("latin-1"), r"6: not XML \(not well-formed"),
        (memory({"en": "a", "de": "b"}).replace(">b<", ">" + "<hi>" * 5000 + "</hi>" * 5000 + "<"), "nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_translation_memory_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    write(tmp_path / "pairs.tmx", content)
    with pytest.raises(BadInputError, match=rf"pairs\.tmx: ?.*{message}"):
        read_pairs(tmp_path, paths=["pairs.tmx"])


def test_languages_are_known_by_their_primary_code_and_units_lacking_a_side_are_passed_over(tmp_path: Path) -> None:
    units = [{"EN-us": "one", "DE_DE": "eins"}, {"en": "alone"}, {"fr": "deux", "de": "zwei", "en-GB": "two"}]
    write(tmp_path / "pairs.tmx", memory(*units))
    pairs = read_pairs(tmp_path, paths=["pairs.tmx"])
    assert [(pair.id, pair.source, pair.target) for pair in pairs] == [
        ("pairs.tmx:1", "one", "eins"),
        ("pairs.tmx:3", "two", "zwei"),
    ]
    write(tmp_path / "pairs.tmx", memory({"en": "one", "zh-TW": "壹", "zh-CN": "一"}))
    codes = {"zh": "zh_cn"}
    assert sides(read_pairs(tmp_path, "zh", paths=["pairs.tmx"], codes=codes)) == [("one", "一")], "just it, before any"


def test_markup_in_a_segment_goes_and_its_text_stays(tmp_path: Path) -> None:
    unit = (
        '<tu tuid="7"><prop type="document">manual</prop><tuv lang="en"><seg>press <bpt i="1">&lt;b&gt;</bpt>the '
        '<hi>red</hi><ept i="1">&lt;/b&gt;</ept> key<ph>{0}</ph>.</seg></tuv>'
        '<tuv xml:lang="de"><note>ok</note><seg>rote Taste</seg></tuv></tu>'
    )
    write(tmp_path / "pairs.tmx", memory({"en": "", "de": ""}).replace("<body>", f"<body>{unit}"))
    with pytest.raises(BadInputError, match="translation unit 2 has no attribute or prop 'tuid'; it has none"):
        read_pairs(tmp_path, paths=["pairs.tmx"], id_column="tuid")
    first = read_pairs(tmp_path, paths=["pairs.tmx"])[0]
    assert (first.source, first.target) == ("press the red key.", "rote Taste")
    write(tmp_path / "pairs.tmx", f'<tmx version="1.4"><body>{unit}</body></tmx>')
    (pair,) = read_pairs(tmp_path, paths=["pairs.tmx"], id_column="tuid", group_column="document")
    assert (pair.id, pair.group) == ("7", "manual")


def test_a_translation_memory_is_let_go_unit_by_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "pairs.tmx", memory(*({"en": f"{number}", "de": "x"} for number in range(3000))))
    met: list[weakref.ref[Any]] = []
    text = tmx._text
    monkeypatch.setattr(tmx, "_text", lambda variant: (met.append(weakref.ref(variant)), text(variant))[1])
    alive = [sum(one() is not None for one in met) for _ in tmx.read_tmx(entry(tmp_path / "pairs.tmx"), "en", "de")]
    assert len(alive) == 3000
    assert max(alive) <= 4


@pytest.mark.parametrize("ending", ["", ".gz", ".xz", ".zst", ".zip"])
@pytest.mark.parametrize("format_", ["tsv", "csv", "jsonl", "tmx"])
def test_every_format_is_read_in_every_packing(tmp_path: Path, format_: str, ending: str) -> None:
    rows = [dict(zip(GOOD, row, strict=True)) for row in EXPECTED]
    content = {
        "tsv": "en\tde\r\none\teins\r\ntwo\tzwei\r\n",
        "csv": '\ufeffen,de\r\n"one",eins\r\ntwo,"zwei"\r\n',
        "jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "tmx": memory(*rows),
    }[format_].encode()
    inside = zipped({f"in/pairs.{format_}": content}) if ending == ".zip" else packed(ending[1:], content)
    name = "pairs.zip" if ending == ".zip" else f"pairs.{format_}{ending}"
    write(tmp_path / name, inside)
    pairs = read_pairs(tmp_path, paths=[name])
    assert sides(pairs) == EXPECTED
    place = f"{name}/in/pairs.{format_}" if ending == ".zip" else name
    assert all(re.fullmatch(rf"{re.escape(place)}:[123]", pair.id) for pair in pairs)


@pytest.mark.parametrize("name", ["pairs.txt", "pairs", "pairs.xlsx", "pairs.txt.gz"])
def test_an_unknown_format_is_named_with_those_there_are(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, packed(name.rpartition(".")[2], b"en\tde\na\tb\n"))
    with pytest.raises(BadInputError, match=rf"{name}: the format is not known; .*\.tsv, .*\.parquet or \.tmx"):
        read_pairs(tmp_path, paths=[name])
