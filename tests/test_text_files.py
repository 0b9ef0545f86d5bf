"""No character inside a text ends a line: what is written as a pair is read as that pair, in every format."""

import csv
import io
import json
import string
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdmodels import text_files
from kdmodels.errors import BadInputError
from kdmodels.text_files import read_lines
from tests.incoming import memory, read_pairs, sides, table, write

# Everything that some reader or other takes for the end of a line, among other odd characters.
LINE = st.text(
    st.one_of(
        st.sampled_from("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ufeff\u200b\"',;\\ aä中"),
        st.characters(codec="utf-8", exclude_characters="\t\n\0"),
    ),
    max_size=12,
)
QUOTED = st.text(
    st.one_of(
        st.sampled_from('\r\n\t\x0b\x0c\x1c\x85\u2028\u2029\ufeff",\\ aä'),
        st.characters(codec="utf-8", exclude_characters="\0"),
    ),
    max_size=12,
)
CONTROLS = "".join(chr(code) for code in range(32) if chr(code) not in "\t\n\r") + "\0\ufffe\uffff"
XML = st.text(
    st.one_of(
        st.sampled_from("\r\t\x85\u2028\ufeff&<>]\"' aä"), st.characters(codec="utf-8", exclude_characters=CONTROLS)
    ),
    max_size=12,
)

quick = settings(
    max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def pairs_of(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.lists(st.tuples(text, text), min_size=1, max_size=8)


def _expected(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(source.strip(), target.strip()) for source, target in pairs]


@quick
@given(pairs=pairs_of(LINE))
def test_no_character_shifts_a_pair_of_a_table(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    rows = [(str(number), *pair) for number, pair in enumerate(pairs)]
    write(tmp_path / "pairs.tsv", table(("id", "en", "de"), *rows))
    found = read_pairs(tmp_path, id_column="id")
    assert [pair.id for pair in found] == [name for name, *_ in rows]
    assert sides(found) == _expected(pairs)


@quick
@given(pairs=pairs_of(LINE), block=st.integers(1, 9))
def test_no_character_shifts_a_pair_of_two_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pairs: list[tuple[str, str]], block: int
) -> None:
    # With a mark before it, a mark at the start of the first text is the text's own.
    for number, name in enumerate(("en.txt", "de.txt")):
        write(tmp_path / name, "\ufeff" + "".join(pair[number] + "\n" for pair in pairs))
    monkeypatch.setattr(text_files, "_BLOCK", block)  # wherever a block is cut, also inside a character
    found = read_pairs(tmp_path, paths=["{source}.txt", "{target}.txt"])
    assert sides(found) == _expected(pairs)
    assert [pair.id for pair in found] == [f"en.txt:{number}" for number in range(1, len(pairs) + 1)]


@quick
@given(pairs=pairs_of(QUOTED), end=st.sampled_from(["\n", "\r\n"]))
def test_no_character_shifts_a_pair_of_a_quoted_table(tmp_path: Path, pairs: list[tuple[str, str]], end: str) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=end).writerows([("en", "de"), *pairs])
    write(tmp_path / "pairs.csv", "\ufeff" + out.getvalue())
    assert sides(read_pairs(tmp_path, paths=["pairs.csv"])) == _expected(pairs)


@quick
@given(pairs=pairs_of(QUOTED), escaped=st.booleans())
def test_no_character_shifts_a_pair_of_json_lines(tmp_path: Path, pairs: list[tuple[str, str]], escaped: bool) -> None:
    lines = [json.dumps({"en": en, "de": de}, ensure_ascii=escaped) + "\n" for en, de in pairs]
    write(tmp_path / "pairs.jsonl", "".join(lines))
    assert sides(read_pairs(tmp_path, paths=["pairs.jsonl"])) == _expected(pairs)


@quick
@given(pairs=pairs_of(QUOTED))
def test_no_character_shifts_a_pair_of_parquet(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    pq.write_table(pa.table({"en": [en for en, _ in pairs], "de": [de for _, de in pairs]}), tmp_path / "pairs.parquet")
    found = read_pairs(tmp_path, paths=["pairs.parquet"])
    assert sides(found) == _expected(pairs)
    assert [pair.id for pair in found] == [f"pairs.parquet:{number}" for number in range(1, len(pairs) + 1)]


@quick
@given(pairs=pairs_of(XML))
def test_no_character_shifts_a_pair_of_a_translation_memory(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    write(tmp_path / "pairs.tmx", memory(*({"en": en, "de": de} for en, de in pairs)))
    assert sides(read_pairs(tmp_path, paths=["pairs.tmx"])) == _expected(pairs)


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    write(tmp_path / "text", "\ufeffone\r\ntw\ro\nth\u2028ree\x0c\n\n five \x85")
    assert list(read_lines(tmp_path / "text")) == [
        (1, "one"),
        (2, "tw\ro"),
        (3, "th\u2028ree\x0c"),
        (4, ""),
        (5, " five \x85"),
    ]


@pytest.mark.parametrize("block", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("grün".encode("latin-1"), r"text:5: not UTF-8 at byte 2 of the line \(0xfc\). Convert"),
        ("ä".encode()[:1], r"text:5: not UTF-8 at byte 0"),
        (b"\xed\xa0\x80", r"text:5: not UTF-8 at byte 0"),
        (b"a\0b", r"text:5: holds a NUL"),
    ],
)
def test_bytes_that_are_no_text_are_named_with_their_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, line: bytes, message: str
) -> None:
    monkeypatch.setattr(text_files, "_BLOCK", block)
    write(
        tmp_path / "text",
        "".join(f"{letter}ä\r\n" for letter in string.ascii_lowercase[:4]).encode() + line + b"\nend\n",
    )
    with pytest.raises(BadInputError, match=message):
        list(read_lines(tmp_path / "text"))


def test_a_line_too_long_for_the_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "_BLOCK", 10)
    monkeypatch.setattr(text_files, "_LONGEST", 100)
    write(tmp_path / "text", "short\n" * 50 + "x" * 500)
    with pytest.raises(BadInputError, match=r"text:51: the line is longer than 100 bytes"):
        list(read_lines(tmp_path / "text"))


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "the file is empty"), (None, "no such file"), ("folder", "this is a folder")]
)
def test_what_is_no_file_of_lines_is_named(tmp_path: Path, content: bytes | str | None, message: str) -> None:
    if content == "folder":
        (tmp_path / "text").mkdir()
    elif isinstance(content, bytes):
        write(tmp_path / "text", content)
    with pytest.raises(BadInputError, match=rf"text: {message}|text: a file is expected, {message}"):
        list(read_lines(tmp_path / "text"))
