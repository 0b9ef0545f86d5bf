"""A bilingual dictionary is read, cleaned, and serves the vocabulary, the alignment and glosses, and nothing else."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from kdmodels.cleaning.leaks import Guard
from kdmodels.corpora import freedict
from kdmodels.dictd import read_entries, translations
from kdmodels.dictionary import entries
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.limits import Limits
from kdmodels.pairs import LabelledText, Pair
from kdmodels.provenance import Found
from kdmodels.token_table import read_dictionary
from tests.tiny_project import TinyProject
from tests.web import served

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
HOUSE = """house /haus/
Haus <neut>, Gebäude <neut> [arch.]
      "build a house (alone)"  - ein Haus bauen
      "or houses/homes"  - Häuser
         Note: of stone
 see: {houses}, {open house}
"""
WRITE = "write /rait/ <v>\n1. escribir, poner por escrito\n2. apuntar\n"
WOMAN = "woman  /wumn/ <n>\n\nmwanamke\n"
OPTIONS = {"dictionary": "dict/{source}-{target}.tar", "codes": {"en": "eng", "de": "deu"}, "examples": True}


def number(value: int) -> str:
    digits = DIGITS[value % 64]
    while value := value // 64:
        digits = DIGITS[value % 64] + digits
    return digits


def archive(path: Path, members: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz" if path.suffix == ".xz" else "w") as made:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return path


def dictd(*texts: str) -> dict[str, bytes]:
    """Return the members of a dictionary, with an entry about itself as dictfmt writes it."""
    text, index = b"", []
    for one in ("00database-info of itself", *texts):
        word = "00databaseinfo" if one.startswith("00") else one.split("/")[0].strip()
        index.append(f"{word}\t{number(len(text))}\t{number(len(one.encode()))}")
        text += one.encode()
    return {"./usr/x.index": "\n".join([*index, ""]).encode(), "./usr/x.dict.dz": gzip.compress(text)}


def found(path: Path) -> list[Found]:
    return [Found(path, "apt:dict-x", path.name, "", 0, None, None, None)]


def test_an_entry_gives_its_headword_with_each_translation_and_its_examples() -> None:
    assert translations(HOUSE) == ([("house", "Haus"), ("house", "Gebäude")], [("build a house", "ein Haus bauen")])
    assert translations(WRITE)[0] == [("write", "escribir"), ("write", "poner por escrito"), ("write", "apuntar")]
    assert translations(WOMAN) == ([("woman", "mwanamke")], [])
    assert translations("lonely /x/\n") == ([], [])


@pytest.mark.parametrize("name", ["eng-deu.tar", "eng-deu.tar.xz"])
def test_a_dictionary_is_read_with_ids_that_name_its_entries(tmp_path: Path, name: str) -> None:
    options = {**OPTIONS, "dictionary": f"dict/{name.replace('eng-deu', '{source}-{target}')}"}
    archive(tmp_path / "dict" / name, dictd(WOMAN, HOUSE))
    (wanted,) = freedict.pair_files(folder=tmp_path, source="en", target="de", **options)
    pairs = list(freedict.read_pairs(found(Path(wanted.where)), source="en", target="de", **options))
    assert [(pair.source, pair.target) for pair in pairs] == [
        ("woman", "mwanamke"), ("house", "Haus"), ("house", "Gebäude"), ("build a house", "ein Haus bauen")
    ]  # fmt: skip
    assert len({pair.id for pair in pairs}) == 4 and pairs[0].id == f"{name}:25.0"
    words = freedict.read_pairs(found(Path(wanted.where)), source="en", target="de", **{**options, "examples": False})
    assert [pair.source for pair in words] == ["woman", "house", "house"]


def spoiled(**changes: bytes) -> dict[str, bytes]:
    members = dictd(HOUSE)
    return {**members, **{f"./usr/x.{name.replace('_', '.')}": content for name, content in changes.items()}}


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ({"README": b"x"}, BadInputError, r"one member \.index and one \.dict\.dz are expected.*there are README"),
        ({**dictd(HOUSE), "y.index": b""}, BadInputError, r"one member \.index"),
        (spoiled(index=b"house\tA\n"), BadInputError, r"line 1 of the index is not word, offset and length"),
        (spoiled(index=b"house\tA\t-\n"), BadInputError, r"line 1 of the index"),
        (spoiled(index=b"house\tA\t////\n"), DamagedError, r"an entry ends at 16777215, the text at \d+\. Get it anew"),
        (
            spoiled(dict_dz=gzip.compress(b"x" * 100 + b"\xff" + b"x" * 300)),
            BadInputError,
            r"the entry at \d+ is not UTF-8",
        ),
        (spoiled(dict_dz=dictd(HOUSE)["./usr/x.dict.dz"][:-20]), DamagedError, r"its \.dict\.dz is truncated"),
        (spoiled(dict_dz=b"no gzip"), DamagedError, r"its \.dict\.dz is damaged"),
    ],
    ids=["none", "two", "fields", "digits", "outside", "encoding", "truncated", "no gzip"],
)
def test_what_is_no_dictionary_is_refused(
    tmp_path: Path, members: dict[str, bytes], error: type[Exception], message: str
) -> None:
    path = archive(tmp_path / "x.tar", members)
    with pytest.raises(error, match=message):
        list(read_entries(path, "apt:dict-x"))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"no archive at all" * 100)
    with pytest.raises(DamagedError, match=r"apt:dict-x: truncated, damaged or no tar archive"):
        list(read_entries(tmp_path / "x.tar", "apt:dict-x"))


def test_a_dictionary_unpacks_to_no_more_than_one_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdmodels.dictd._LARGEST", 100)
    with pytest.raises(BadInputError, match="a member has more than 100 bytes"):
        list(read_entries(archive(tmp_path / "x.tar", dictd(HOUSE)), "apt:dict-x"))


@pytest.mark.parametrize(("name", "message"), [("../x.tar", "a path below"), ("dict/no.tar", "no such file")])
def test_a_dictionary_that_is_not_there_is_named(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        freedict.pair_files(folder=tmp_path, source="en", target="de", **{**OPTIONS, "dictionary": name})


def test_a_dictionary_can_come_from_an_address(tmp_path: Path) -> None:
    content = archive(tmp_path / "x.tar.xz", dictd(WOMAN)).read_bytes()
    with served() as web:
        web.put("/eng-deu.tar.xz", content)
        options = {**OPTIONS, "dictionary": f"{web.address}/{{source}}-{{target}}.tar.xz"}
        (wanted,) = freedict.pair_files(folder=tmp_path, source="en", target="de", **options)
        freedict.fetch(wanted.where, tmp_path / wanted.name, limits=Limits(10**6, 200.0, 1, 5.0))
    assert (tmp_path / "eng-deu.tar.xz").read_bytes() == content


def pairs(*rows: tuple[str, str]) -> list[Pair]:
    return [Pair(str(place), *row, None) for place, row in enumerate(rows)]


def test_entries_are_kept_whose_words_the_labelled_text_has_and_no_test_text_is_among_them() -> None:
    guard = Guard(
        source_tests=[LabelledText("t", "a", "A big house", None, None)], target_tests=[], near=0.8, compare_ids=False
    )
    given = pairs(
        ("House", "Haus"), ("house", "HAUS"), ("aardvark", "Erdferkel"), ("build a house", "ein Haus bauen"),
        ("a big house", "ein großes Haus"), ("build", "дом"), ("", "nichts"), ("radio", "Radio"),
    )  # fmt: skip
    texts = ["They build a big HOUSE.", "The radio"]
    kept, counts = entries(given, texts, source="en", target="de", guard=guard, mend_encoding=True)
    assert kept == [("House", "Haus"), ("build a house", "ein Haus bauen"), ("radio", "Radio")]
    assert counts == {
        "read": 8, "kept": 3, "dropped/other_words": 1, "dropped/repeated": 1, "dropped/leak_normalised": 1,
        "dropped/script": 1, "dropped/empty": 1,
    }  # fmt: skip


def test_a_dictionary_serves_the_vocabulary_and_the_alignment_through_the_declared_stages(copy: TinyProject) -> None:
    project = copy
    entries = read_dictionary(project.root / "data/tokens/de")
    assert {name: len(rows) for name, rows in entries.items()} == {"source_ids": 0, "target_ids": 0}
    texts = pd.read_parquet(project.root / "data/labelled/train.parquet")["text"]
    word = next(word for word in " ".join(texts).split() if word.isalpha() and len(word) > 6)
    archive(project.root / "data/sample/eng-deu.tar.xz", dictd(f"{word} /x/\nQuirlwort\n", "qqq /x/\nUnsinn\n"))
    options = {"dictionary": "{source}-{target}.tar.xz", "codes": {"en": "eng", "de": "deu"}, "examples": True}
    project.put("corpus", "dictionary", {"source": "freedict", "options": options})
    before = (project.root / "data/soft_labels/de/folds.json").read_bytes()
    project.set(student={"epochs": 1, "glosses": {"loss": "cross_entropy", "copies": 1}})
    ran = project.repro("student@de")
    assert ran == ["sources", "corpus@de", "tokens@de", "labelling@de-all", "student@de"]
    table = pd.read_parquet(project.root / "data/corpus/de/dictionary.parquet")
    assert table.to_dict("records") == [{"source": word, "target": "Quirlwort"}]
    assert "Quirlwort" not in set(pd.read_parquet(project.root / "data/corpus/de/pairs.parquet")["target"])
    assert (project.root / "data/soft_labels/de/folds.json").read_bytes() == before, "no teacher pass over it"
    report = json.loads((project.root / "data/corpus/de/report.json").read_text())
    assert (report["read/dictionary"], report["kept/dictionary"], report["dictionary_dropped/other_words"]) == (2, 1, 1)
    page = (project.root / "data/corpus/de/report.md").read_text(encoding="utf-8")
    assert "| dictionary | 2 | 1 |" in page and "eng-deu.tar.xz" in page
    assert len(read_dictionary(project.root / "data/tokens/de")["target_ids"]) == 1
    options["codes"] = {"en": "deu", "de": "eng"}
    archive(project.root / "data/sample/deu-eng.tar.xz", dictd("Quirlwort /x/\nqqq\n"))
    project.put("corpus", "dictionary", {"source": "freedict", "options": options})
    said = project.dvc("repro", "corpus@de", check=False)
    assert "corpus.dictionary: no entry is left of 1 (1 read, 1 dropped/other_words)" in said
