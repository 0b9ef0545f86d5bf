"""Pairs are read as they were written, never shifted, and known by ids and hashes."""

import json
from hashlib import blake2b
from pathlib import Path

import pytest

from kdmodels.errors import BadInputError
from kdmodels.pairs import pair_hash, text_hash
from tests.text_project import make_corpus, write

LINES = ["id\ten\tde", *(f"p{i}\tsource {i}\tZiel {i}" for i in range(20))]
MOSES = {"paths": ["side.{source}", "side.{target}"], "id_column": None}


def test_pairs_keep_their_ids_and_carry_their_hashes(tmp_path: Path) -> None:
    write(tmp_path / "parallel.en-de.tsv", LINES)
    pairs = make_corpus(tmp_path)
    assert pairs["id"].tolist() == [f"p{i}" for i in range(20)]
    assert pairs["source_hash"][3] == blake2b(b"source 3", digest_size=16).hexdigest() == text_hash("source 3")
    assert pairs["content_hash"][3] == blake2b(b"source 3\0Ziel 3", digest_size=16).hexdigest()
    assert pair_hash("a", "b") != pair_hash("b", "a")
    assert 0 < pairs["held_out"].sum() < 20


def test_a_pair_stays_held_out_when_the_corpus_grows_and_in_another_language(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("few", "many")]
    for folder, count in zip(folders, (10, 21), strict=True):
        folder.mkdir()
        write(folder / "parallel.en-de.tsv", [LINES[0], *reversed(LINES[1:count])])
    few, many = (make_corpus(folder).set_index("source")["held_out"] for folder in folders)
    assert few.equals(many[few.index])


def test_dropped_pairs_are_counted_by_reason(tmp_path: Path) -> None:
    extra = ["e1\t\tleer", "e2\tempty\t ", "r\tsource 1\tZiel 1", "t\tA test text\tein Text"]
    write(tmp_path / "parallel.en-de.tsv", [*LINES, *extra])
    pairs = make_corpus(tmp_path, tested=["a  TEST text"])
    report = json.loads((tmp_path / "out/report.json").read_text())
    counted = {name.removeprefix("dropped/"): count for name, count in report.items() if "dropped" in name and count}
    assert counted == {"empty": 2, "leak_normalised": 1, "repeated": 1}
    assert (report["read"], report["kept"], report["held_out"]) == (24, 20, pairs["held_out"].sum())
    assert not {"e1", "e2", "r", "t"} & set(pairs["id"])


def test_moses_sides_are_read_line_by_line(tmp_path: Path) -> None:
    write(tmp_path / "side.en", [f"source {i}" for i in range(20)])
    write(tmp_path / "side.de", [f"Ziel {i}" for i in range(20)])
    pairs = make_corpus(tmp_path, pairs=MOSES)
    assert pairs["id"].tolist() == [f"side.en:{i + 1}" for i in range(20)]
    assert pairs["target"].tolist() == [f"Ziel {i}" for i in range(20)]


@pytest.mark.parametrize(("en", "de"), [(20, 19), (7, 20)])
def test_sides_of_different_length_are_refused_with_both_counts(tmp_path: Path, en: int, de: int) -> None:
    write(tmp_path / "side.en", [f"source {i}" for i in range(en)])
    write(tmp_path / "side.de", [f"Ziel {i}" for i in range(de)])
    with pytest.raises(BadInputError, match=rf"side\.en has {en} lines, .*side\.de has {de}"):
        make_corpus(tmp_path, pairs=MOSES)
    assert not (tmp_path / "out/pairs.parquet").exists()


@pytest.mark.parametrize("odd", ["\r", "\u2028", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_odd_characters_inside_a_line_shift_nothing(tmp_path: Path, odd: str) -> None:
    write(tmp_path / "side.en", [f"source{odd}{i}" for i in range(20)])
    write(tmp_path / "side.de", [f"Ziel {i}" for i in range(20)])
    pairs = make_corpus(tmp_path, pairs=MOSES)
    assert pairs["source"].tolist() == [f"source {i}" for i in range(20)], "normalised, each on its own row"
    assert pairs["target"].tolist() == [f"Ziel {i}" for i in range(20)]


def test_a_byte_order_mark_and_windows_line_ends_are_taken_off(tmp_path: Path) -> None:
    content = "\r\n".join(LINES) + "\r\n"
    (tmp_path / "parallel.en-de.tsv").write_bytes(b"\xef\xbb\xbf" + content.encode())
    pairs = make_corpus(tmp_path)
    assert pairs["target"].tolist() == [f"Ziel {i}" for i in range(20)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*LINES, "p3\tx\ty"], r"corpus\.first: the id 'p3' of pair 21 was used already by pair 4"),
        (["id\ten\tfr", "1\ta\tb"], r"the column 'de' is missing; the header has id, en, fr"),
        (LINES[:2], r"1 pairs kept of 1 read \(none dropped\), [01] of them held out"),
        (["id\ten\tde", "1\t\t"], r"0 pairs kept of 1 read \(1 empty\), 0 of them held out"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, lines: list[str], message: str) -> None:
    write(tmp_path / "parallel.en-de.tsv", lines)
    with pytest.raises(BadInputError, match=message):
        make_corpus(tmp_path)


def test_a_missing_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"parallel\.en-de\.tsv: no such file"):
        make_corpus(tmp_path)
