"""Files of your own: which are read for what is written, how sides are joined, and what each text is called."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kdmodels.corpora import files, none, sample
from kdmodels.errors import BadInputError
from kdmodels.pairs import Pair
from kdmodels.provenance import Found
from tests.incoming import (
    PAIRS,
    TEXTS,
    as_found,
    packed,
    read_labelled,
    read_pairs,
    read_test,
    sides,
    table,
    write,
    zipped,
)

SHARED = Path(__file__).parents[2] / "shared" / "data"
MOSES = ["part-*.{source}", "part-*.{target}"]


def _lines(folder: Path, **contents: list[str]) -> None:
    for name, lines in contents.items():
        write(folder / name.replace("_", "."), "".join(f"{line}\n" for line in lines))


def test_a_glob_is_read_in_sorted_order_and_ids_name_file_and_line(tmp_path: Path) -> None:
    for number in ("2", "1"):
        write(tmp_path / f"in/part-{number}.en", f"one {number}\ntwo {number}\n")
        write(tmp_path / f"in/part-{number}.de.gz", packed("gz", f"eins {number}\nzwei {number}\n".encode()))
    pairs = read_pairs(tmp_path, paths=["in/part-*.{source}", "in/part-*.{target}.gz"])
    assert [(pair.id, pair.source, pair.target) for pair in pairs] == [
        (f"in/part-{number}.en:{line}", f"{en} {number}", f"{de} {number}")
        for number in ("1", "2")
        for line, en, de in ((1, "one", "eins"), (2, "two", "zwei"))
    ]


@pytest.mark.parametrize("packing", ["", ".gz"])
@pytest.mark.parametrize(("en", "de"), [(20, 19), (7, 20)])
def test_sides_of_different_length_are_refused_with_both_counts(tmp_path: Path, en: int, de: int, packing: str) -> None:
    for name, count in (("en", en), ("de", de)):
        write(tmp_path / f"side.{name}{packing}", packed(packing[1:], b"text\n" * count))
    message = rf"side\.en{packing} has {en} lines, .*side\.de{packing} has {de}"
    with pytest.raises(BadInputError, match=message):
        read_pairs(tmp_path, paths=[f"side.{{source}}{packing}", f"side.{{target}}{packing}"])


def test_two_globs_must_fit_the_same_files(tmp_path: Path) -> None:
    _lines(tmp_path, **{"part-1_en": ["a"], "part-2_en": ["b"], "part-1_de": ["A"]})
    with pytest.raises(
        BadInputError, match=r"2 files fit 'part-\*\.en', 1 fit 'part-\*\.de'; each needs its other side"
    ):
        read_pairs(tmp_path, paths=MOSES)
    _lines(tmp_path, **{"part-3_de": ["C"]})
    with pytest.raises(BadInputError, match=r"part-2\.en and .*part-3\.de would be read side by side, .*\(2; 3\)"):
        read_pairs(tmp_path, paths=MOSES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"paths": ["nowhere.tsv"]}, r"nowhere\.tsv: no such file\. Paths are relative to sources\.folder"),
        ({"paths": ["*.csv"]}, r"\*\.csv: no file fits this glob"),
        ({"paths": ["**/pairs.tsv"]}, r"'\*\*' is not understood"),
        ({"paths": ["../pairs.tsv"]}, r"'\.\./pairs\.tsv': a path below .* is expected"),
        ({"paths": ["a/../../pairs.tsv"]}, "a path below .* is expected, without"),
        ({"paths": ["/etc/passwd"]}, "'/etc/passwd': a path below .* is expected"),
        ({"paths": [""]}, "'': a path below .* is expected"),
        ({"paths": ["a\0b"]}, "a path below .* is expected"),
        ({"paths": ["pairs.{language}.tsv"]}, r"\{language\} stands for nothing here; allowed: \{source\}, \{target\}"),
        ({"paths": []}, "paths: 0 are given"),
        ({"paths": ["a", "b", "c"]}, "paths: 3 are given; one path is a file with both sides"),
        ({"members": ["a", "b", "c"]}, "members: 3 are given for 1 paths"),
        ({"members": ["pairs.tsv"]}, r"pairs\.tsv: members are named \(pairs\.tsv\), and this is no \.zip"),
        ({"paths": ["file:///etc/passwd"]}, r"file:///etc/passwd: an address starts with http://, https://, s3://, gs://"),
        ({"paths": ["https://u:secret@host.example/"]}, r"^https://\*\*\*@host\.example/: an address starts with"),
        ({"paths": ["s3://bucket/*.tsv"]}, "a glob fits local files only"),
        ({"source_column": "en,en2"}, "source_column 'en,en2' names 2 columns, target_column '{target}' names 1"),
        ({"target_column": "fr"}, r"pairs\.tsv:1: the column 'fr' is missing; the header has id, en, de, doc"),
        ({"id_column": "key"}, r"pairs\.tsv:1: the column 'key' is missing"),
        ({"header": ["en", "fr"]}, r"the column 'de' is missing; the header has en, fr"),
        ({"header": ["en", "de"]}, r"pairs\.tsv:1: 4 tab-separated fields, expected 2 \(en, de\)"),
        ({"paths": ["pairs.tsv", "pairs.txt"]}, "two tables or two files of lines are expected"),
        ({"paths": ["a.tmx", "a.tmx"]}, "a .tmx holds both sides and stands alone"),
        ({"paths": ["a.jsonl"], "header": ["en", "de"]}, "a header is given, and .jsonl names its columns itself"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_options_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path / "pairs.tsv", table(("id", "en", "de", "doc"), ("p1", "one", "eins", "d1")))
    for name in ("pairs.txt", "a.tmx", "a.jsonl"):
        write(tmp_path / name, "one\n")
    with pytest.raises(BadInputError, match=message):
        read_pairs(tmp_path, **changes)


def test_a_table_gives_ids_groups_and_a_licence(tmp_path: Path) -> None:
    rows = [("id", "en", "de", "doc"), ("p1", " one ", "eins", "d1"), ("p2", "two", "", "")]
    write(tmp_path / "pairs.tsv", table(*rows))
    options = PAIRS | {"id_column": "id", "group_column": "doc", "licence": "CC-BY-4.0"}
    (wanted,) = files.pair_files(folder=tmp_path, source="en", target="de", **options)
    assert (wanted.where, wanted.name, wanted.licence) == (str(tmp_path / "pairs.tsv"), "pairs.tsv", "CC-BY-4.0")
    assert list(files.read_pairs([as_found(wanted)], source="en", target="de", **options)) == [
        Pair("p1", "one", "eins", "d1"),
        Pair("p2", "two", "", None),
    ]
    assert [pair.id for pair in read_pairs(tmp_path)] == ["pairs.tsv:2", "pairs.tsv:3"]


def test_a_corpus_may_have_language_codes_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "eng/pairs-deu.tsv", table(("eng", "deu"), ("one", "eins")))
    codes = {"en": "eng", "de": "deu"}
    assert sides(read_pairs(tmp_path, paths=["{source}/pairs-{target}.tsv"], codes=codes)) == [("one", "eins")]


def test_an_address_is_wanted_as_it_is_and_its_ids_name_its_path(tmp_path: Path) -> None:
    address = "https://user:secret@host.example/v1/pairs.{target}.tsv?token=abc"
    options = PAIRS | {"paths": [address]}
    (wanted,) = files.pair_files(folder=tmp_path, source="en", target="de", **options)
    assert (wanted.where, wanted.name) == (address.replace("{target}", "de"), "pairs.de.tsv")
    path = write(tmp_path / "cache" / wanted.name, "en\tde\none\teins\ntwo\n")
    found = Found(path, "https://***@host.example/v1/pairs.de.tsv", wanted.name, "0" * 64, 9, None, "2026-01-01", None)
    pairs = files.read_pairs([found], source="en", target="de", **options)
    assert next(pairs).id == "v1/pairs.de.tsv:2"
    with pytest.raises(BadInputError, match=r"^https://\*\*\*@host\.example/v1/pairs\.de\.tsv:3: 1 tab-separated"):
        next(pairs)


def test_both_sides_may_lie_in_one_archive_or_in_two(tmp_path: Path) -> None:
    members = {"c.de-en.en": "one\ntwo\n", "c.de-en.de": "eins\nzwei\n", "README": "read me\n"}
    write(tmp_path / "c.zip", zipped(members))
    pairs = read_pairs(tmp_path, paths=["c.zip"], members=["*.{source}", "c.*.{target}"])
    assert [(pair.id, pair.source, pair.target) for pair in pairs] == [
        ("c.zip/c.de-en.en:1", "one", "eins"),
        ("c.zip/c.de-en.en:2", "two", "zwei"),
    ]
    for name in ("en", "de"):
        write(tmp_path / f"{name}.zip", zipped({f"c.de-en.{name}": members[f"c.de-en.{name}"]}))
    assert sides(read_pairs(tmp_path, paths=["{source}.zip", "{target}.zip"])) == sides(pairs)
    with pytest.raises(BadInputError, match=r"c\.zip: holds 3 members"):
        read_pairs(tmp_path, paths=["c.zip"])
    with pytest.raises(BadInputError, match=r"c\.zip: 1 members fit '\*\.en', 2 fit 'c\.\*'; each needs"):
        read_pairs(tmp_path, paths=["c.zip"], members=["*.en", "c.*"])


HEADER = ["sentence1", "sentence2", "score"]
TABLES: dict[str, Any] = {
    "paths": ["stsb-{source}.csv", "stsb-{target}.csv"],
    "header": HEADER,
    "source_column": "sentence1, sentence2",
    "target_column": "sentence1, sentence2",
}


def test_two_tables_are_joined_row_by_row_and_each_text_column_gives_a_pair(tmp_path: Path) -> None:
    write(tmp_path / "stsb-en.csv", 'a plane,"one, two",5.0\r\n"in\r\ntwo lines",b,1.0\r\nc,d,2.0\r\n')
    write(tmp_path / "stsb-de.csv", 'ein Flugzeug,"eins, zwei",5.0\nx,y,1.0\nz,w,2.0\n')
    pairs = read_pairs(tmp_path, **TABLES)
    assert [(pair.id, pair.source, pair.target) for pair in pairs] == [
        ("stsb-en.csv:1:sentence1", "a plane", "ein Flugzeug"),
        ("stsb-en.csv:1:sentence2", "one, two", "eins, zwei"),
        ("stsb-en.csv:2:sentence1", "in\r\ntwo lines", "x"),
        ("stsb-en.csv:2:sentence2", "b", "y"),
        ("stsb-en.csv:4:sentence1", "c", "z"),
        ("stsb-en.csv:4:sentence2", "d", "w"),
    ]


@pytest.mark.parametrize(("en", "de"), [(3, 2), (1, 4)])
def test_tables_of_different_length_are_refused_with_both_counts(tmp_path: Path, en: int, de: int) -> None:
    for name, count in (("en", en), ("de", de)):
        write(tmp_path / f"stsb-{name}.csv", "a,b,1.0\n" * count)
    with pytest.raises(BadInputError, match=rf"stsb-en\.csv has {en} rows, .*stsb-de\.csv has {de}"):
        read_pairs(tmp_path, **TABLES)


def test_tables_whose_ids_differ_came_apart(tmp_path: Path) -> None:
    for name, ids in (("en", "123"), ("de", "132")):
        write(tmp_path / f"{name}.tsv", table(("id", "text"), *((one, f"{name} {one}") for one in ids)))
    options = {"paths": ["{source}.tsv", "{target}.tsv"], "source_column": "text", "target_column": "text"}
    with pytest.raises(BadInputError, match=r"en\.tsv:3 has the id '2', .*de\.tsv:3 has '3', in row 2 of both"):
        read_pairs(tmp_path, id_column="id", **options)
    assert len(read_pairs(tmp_path, **options)) == 3, "without ids nothing tells"


LABELLED = table(("id", "split", "label", "text"), ("1", "train", "a", " first "), ("2", "valid", "b", "second"))


def test_labelled_texts_come_with_their_places(tmp_path: Path) -> None:
    write(tmp_path / "labelled.en.tsv", LABELLED)
    texts = read_labelled(tmp_path, split_column="split")
    place = tmp_path / "labelled.en.tsv"
    assert [(at, text.id, text.label, text.text, text.split, text.group) for at, text in texts] == [
        (f"{place}:2", "1", "a", "first", "train", None),
        (f"{place}:3", "2", "b", "second", "valid", None),
    ]
    texts = read_labelled(tmp_path, id_column=None, group_column="label")
    assert [(text.id, text.split, text.group) for _, text in texts] == [
        ("labelled.en.tsv:2", None, "a"),
        ("labelled.en.tsv:3", None, "b"),
    ]


def test_a_split_that_is_neither_train_nor_valid_is_named(tmp_path: Path) -> None:
    write(tmp_path / "labelled.en.tsv", LABELLED.replace("valid", "dev"))
    with pytest.raises(BadInputError, match=r"labelled\.en\.tsv:3: the split is 'dev', allowed: train, valid"):
        read_labelled(tmp_path, split_column="split")


def test_validation_may_have_a_file_of_its_own(tmp_path: Path) -> None:
    for name in ("train", "dev"):
        write(tmp_path / f"eng/{name}.tsv", table(("id", "label", "text"), (f"{name}1", "a", name)))
    options: dict[str, Any] = {"labelled": "{language}/train.tsv", "codes": {"en": "eng"}}
    texts = read_labelled(tmp_path, valid="{language}/dev.tsv", **options)
    assert [(text.id, text.split) for _, text in texts] == [("train1", "train"), ("dev1", "valid")]
    with pytest.raises(BadInputError, match=r"train\.tsv: fits labelled \('{language}/train\.tsv'\) and valid"):
        read_labelled(tmp_path, valid="{language}/t*.tsv", **options)
    with pytest.raises(BadInputError, match=r"valid is .* and split_column 'split': a split has files"):
        read_labelled(tmp_path, valid="{language}/dev.tsv", split_column="split", **options)


def test_the_name_of_a_file_may_be_the_label_of_its_lines(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        for label in ("neg", "pos"):
            write(tmp_path / f"{split}/en/{label}.txt", f"{label} in {split}\t\n{label} again\n")
    options: dict[str, Any] = {"labelled": "train/{language}/*.txt", "label_column": "{file}"}
    texts = read_labelled(tmp_path, valid="dev/{language}/*.txt", **options)
    assert [(text.id, text.label, text.text, text.split) for _, text in texts] == [
        (f"{folder}/en/{label}.txt:{line}", label, content, split)
        for folder, split in (("train", "train"), ("dev", "valid"))
        for label in ("neg", "pos")
        for line, content in ((1, f"{label} in {folder}"), (2, f"{label} again"))
    ]
    assert len(read_test(tmp_path, "en", test="test/{language}/*.txt", **options)) == 4
    assert read_test(tmp_path, "fr", test="test/{language}/*.txt", **options) == []


def test_a_language_without_test_files_has_no_test_set(tmp_path: Path) -> None:
    write(tmp_path / "test.de.tsv", table(("id", "label", "text"), ("1", "a", "erster")))
    assert [text.text for _, text in read_test(tmp_path)] == ["erster"]
    assert read_test(tmp_path, "fr") == []
    address = TEXTS | {"test": "https://host.example/test.{language}.tsv"}
    (wanted,) = files.test_files(folder=tmp_path, language="fr", **address)
    assert wanted.name == "test.fr.tsv", "whether an address is there only its host knows"
    with pytest.raises(BadInputError, match=r"without '\.\.'"):
        read_test(tmp_path, test="../test.{language}.tsv")


def test_the_sample_is_read_in_its_own_layout() -> None:
    folder = Path(__file__).parents[1] / "data" / "sample"
    found = [as_found(one) for one in sample.pair_files(folder=folder, source="en", target="de")]
    pairs = list(sample.read_pairs(found, source="en", target="de"))
    assert len(pairs) > 1500
    assert found[0].licence == "CC0-1.0"
    found = [as_found(one) for one in sample.labelled_files(folder=folder, language="en")]
    assert len(list(sample.read_labelled(found, language="en"))) == 760
    found = [as_found(one) for one in sample.test_files(folder=folder, language="es")]
    assert len(list(sample.read_test(found, language="es"))) == 240
    assert sample.test_files(folder=folder, language="fr") == []
    with pytest.raises(BadInputError, match=r"parallel\.en-fr\.tsv: no such file"):
        sample.pair_files(folder=folder, source="en", target="fr")


def test_none_has_no_files_and_no_pairs(tmp_path: Path) -> None:
    assert none.pair_files(folder=tmp_path, source="en", target="de") == []
    assert list(none.read_pairs([], source="en", target="de")) == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared corpora beside the repository")
@pytest.mark.parametrize(
    ("target", "changes", "count"),
    [
        ("sw", {"paths": ["lafand/train.{source}", "lafand/train.{target}"], "codes": {"sw": "swa"}}, 30_782),
        ("de", {"paths": ["multi30k/train.{source}.gz", "multi30k/train.{target}.gz"]}, 29_000),
        ("es", TABLES | {"paths": ["stsb/stsb-{source}-*.csv", "stsb/stsb-{target}-*.csv"]}, 2 * 8628),
        (
            "de",
            {
                "paths": ["sib200/{source}/train.tsv", "sib200/{target}/train.tsv"],
                "codes": {"en": "eng_Latn", "de": "deu_Latn"},
                "id_column": "index_id",
                "source_column": "text",
                "target_column": "text",
            },
            701,
        ),
    ],
)
def test_real_corpora_are_read_whole(target: str, changes: dict[str, Any], count: int) -> None:
    pairs = read_pairs(SHARED, target, **changes)
    assert len(pairs) == count
    assert len({pair.id for pair in pairs}) == count
    assert all(pair.source and pair.target for pair in pairs[:100])


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared corpora beside the repository")
def test_real_labelled_texts_are_read_whole() -> None:
    sib = {"labelled": "sib200/{language}/train.tsv", "valid": "sib200/{language}/dev.tsv", "id_column": "index_id"}
    columns = {"label_column": "category", "text_column": "text", "codes": {"en": "eng_Latn"}}
    assert len(read_labelled(SHARED, **sib, **columns)) == 701 + 99
    opener = {"labelled": "opener/{language}/train/*.txt", "valid": "opener/{language}/dev/*.txt"}
    texts = [text for _, text in read_labelled(SHARED, label_column="{file}", **opener)]
    assert {text.label for text in texts} >= {"neg", "pos", "strneg", "strpos"}
    assert len({replace(text, label="", text="", split=None, group=None) for text in texts}) == len(texts)
