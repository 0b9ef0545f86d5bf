"""CC-CEDICT is read as pairs of words, and what is none of it is refused."""

import gzip
from pathlib import Path

import pytest

from kdmodels.corpora import cedict
from kdmodels.errors import BadInputError
from kdmodels.pairs import Pair
from kdmodels.provenance import Found

TEXT = """# CC-CEDICT
#! version=1
殷紅 殷红 [yan1 hong2] /dark red/
殸 殸 [qing4] /variant of 磬[qing4]/
殺 杀 [sha1] /to kill/to murder; to attack/(used after a verb) extremely/to murder/
看病 看病 [kan4 bing4] /to visit a doctor/to see a patient/used in cooking/see 看[kan4]/also pr. [kan1]/
殺人鯨 杀人鲸 [sha1 ren2 jing1] /killer whale (Orcinus orca)/CL:條|条[tiao2]/
"""
ENGLISH = ["dark red", "kill", "murder", "attack", "extremely"]
VISIT = ["visit a doctor", "see a patient", "used in cooking"]
ENGLISH += [*VISIT, "killer whale"]
SIMPLIFIED = ["殷红", "杀", "杀", "杀", "杀", *(["看病"] * 3), "杀人鲸"]


def read(
    folder: Path, content: bytes, *, source: str = "en", target: str = "zh", traditional: bool = False
) -> list[Pair]:
    """Return the pairs of a file, found as the stage finds it."""
    name = "cedict.txt.gz" if content.startswith(b"\x1f\x8b") else "cedict.txt"
    (folder / name).write_bytes(content)
    options = {"path": name, "traditional": traditional}
    (one,) = cedict.pair_files(folder=folder, source=source, target=target, **options)
    found = [Found(Path(one.where), one.where, one.name, "", 0, one.licence, None, None)]
    return list(cedict.read_pairs(found, source=source, target=target, **options))


@pytest.mark.parametrize("packed", [False, True])
def test_a_word_stands_beside_each_of_its_meanings_without_what_only_explains_them(
    tmp_path: Path, packed: bool
) -> None:
    content = gzip.compress(TEXT.encode()) if packed else TEXT.encode()
    pairs = read(tmp_path, content)
    assert [pair.source for pair in pairs] == ENGLISH
    assert [pair.target for pair in pairs] == SIMPLIFIED
    assert len({pair.id for pair in pairs}) == len(pairs) and pairs[1].id.endswith(":5.0")


def test_traditional_characters_and_the_other_direction(tmp_path: Path) -> None:
    pairs = read(tmp_path, TEXT.encode(), source="zh-Hant", target="en", traditional=True)
    assert [pair.source for pair in pairs] == ["殷紅", "殺", "殺", "殺", "殺", *(["看病"] * 3), "殺人鯨"]
    assert [pair.target for pair in pairs] == ENGLISH


def test_what_is_no_entry_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"cedict.txt: line 2 is no entry of CC-CEDICT.*'house\\tHaus'"):
        read(tmp_path, b"# a comment\nhouse\tHaus\n")


def test_other_languages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="not en and de; for others: freedict"):
        read(tmp_path, TEXT.encode(), target="de")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such file"):
        cedict.pair_files(folder=tmp_path, source="en", target="zh", path="no.txt", traditional=False)
