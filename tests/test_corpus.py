"""Pairs are read as they were written, never shifted, and known by ids and hashes."""

import json
from hashlib import blake2b
from pathlib import Path

import pytest

from kdmodels.errors import BadInputError
from kdmodels.pairs import pair_hash, text_hash
from tasks.config import load_params
from tasks.sections import Slot
from tests.text_project import PAIR_OPTIONS, ROOT, make_corpus, write

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


PLANTED = {
    "empty": ("Where is my parcel?", " "),
    "words": ("one " * 300, "eins " * 300),
    "word_characters": (f"Look at {'a' * 80} for me", f"Sieh dir {'a' * 80} an"),
    "length_ratio": ("I would like to cancel this.", "Ich möchte das hier kündigen, und zwar sofort. " * 9),
    "html": ("<b>Where is my parcel now?</b>", "<b>Wo ist denn mein Paket?</b>"),
    "similarity": ("This text was never translated by anybody.", "This text was never translated by anybody."),
    "script": ("The children are playing in the yard.", "Дети играют во дворе перед домом."),
    "numbers": ("I paid 482 euros on 17 March 1999.", "Ich habe am 23. März 2011 ganze 977 Euro bezahlt."),
    "language": ("The children are playing in the yard.", "Les enfants jouent dans la cour avec leurs parents."),
    "swapped": ("Ich habe gestern eine Rechnung bekommen.", "I received an invoice from you yesterday."),
}


def sample_lines() -> list[str]:
    lines = (ROOT / "data/sample/parallel.en-de.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
    return ["id\ten\tde", *lines[1:401]]


def everything_on() -> dict[str, object]:
    return load_params(ROOT).corpus.cleaning.model_dump() | {"maximum_loss": 0.5}


def test_every_planted_fault_is_found_and_nothing_in_clean_text(tmp_path: Path) -> None:
    lines = sample_lines()
    old = lines[100].split("\t")
    long = " ".join(line.split("\t")[1] for line in lines[1:5]), " ".join(line.split("\t")[2] for line in lines[1:5])
    planted = {name: f"{name}\t{source}\t{target}" for name, (source, target) in PLANTED.items()}
    planted |= {
        "repeated": f"repeated\t{old[1].upper()}\t{old[2]}",
        "original": f"original\t{long[0]}\t{long[1]}",
        "near_repeated": f"near_repeated\t{long[0]} Indeed.\t{long[1]} Wirklich.",
        "leak_normalised": "leak_normalised\tA TEST text, it is\tEin Text zum Prüfen",
    }
    write(tmp_path / "parallel.en-de.tsv", [*lines, *planted.values()])
    pairs = make_corpus(tmp_path, tested=["A test text it is!"], cleaning=everything_on())
    report = json.loads((tmp_path / "out/report.json").read_text())
    found = {name.removeprefix("dropped/"): count for name, count in report.items() if "dropped" in name and count}
    assert found == dict.fromkeys(set(planted) - {"original"}, 1)
    assert set(pairs["id"]) == {line.split("\t")[0] for line in lines[1:]} | {"original"}
    page = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert "### the sides are swapped" in page and "Rechnung bekommen" in page
    assert {path.name for path in (tmp_path / "out/pictures").iterdir()} == {"dropped.png", "lengths.png", "scores.png"}


def test_control_characters_and_broken_encodings_are_mended(tmp_path: Path) -> None:
    write(
        tmp_path / "parallel.en-de.tsv",
        [*sample_lines(), "x\tThe dinner\x07 is ready\u2028now.\tDas Abendessen fÃ¼r GÃ¤ste"],
    )
    pairs = make_corpus(tmp_path, cleaning=everything_on()).set_index("id")
    assert pairs.loc["x", ["source", "target"]].tolist() == ["The dinner is ready now.", "Das Abendessen für Gäste"]


def test_a_pair_of_a_test_set_stops_a_strict_stage(tmp_path: Path) -> None:
    write(tmp_path / "parallel.en-de.tsv", [*LINES, "t\tA test text\tein Text"])
    with pytest.raises(BadInputError, match=r"1 pairs stand in a test set(.|\n)*leak_normalised, t: 'A test text'"):
        make_corpus(tmp_path, tested=["a  TEST text"], corpus={"leaks": "strict"})


def test_too_large_a_loss_stops_with_what_was_dropped(tmp_path: Path) -> None:
    write(tmp_path / "parallel.en-de.tsv", [*LINES, *(f"e{i}\tx\t " for i in range(30))])
    with pytest.raises(BadInputError, match=r"20 pairs kept of 50 read \(30 empty\): more than the share of 0\.5"):
        make_corpus(tmp_path, cleaning={"maximum_loss": 0.5})


def test_sources_are_combined_each_with_its_cap_and_weight(tmp_path: Path) -> None:
    write(tmp_path / "parallel.en-de.tsv", LINES)
    write(tmp_path / "more.en-de.tsv", ["id\ten\tde", *(f"p{i}\tother {i}\tanders {i}" for i in range(50))])
    second = Slot(source="files", cap=12, weight=0.5, options=PAIR_OPTIONS | {"paths": ["more.{source}-{target}.tsv"]})
    pairs = make_corpus(tmp_path, corpus={"second": second})
    ours, theirs = pairs[pairs["weight"] == 1.0], pairs[pairs["weight"] == 0.5]
    assert ours["id"].tolist() == [f"p{i}" for i in range(20)]
    assert len(theirs) == 12
    assert all(name.startswith("second:p") for name in theirs["id"]), "ids of two sources do not meet"
    assert theirs["source"].tolist() != [f"other {i}" for i in range(12)], "drawn from all of it"


def test_the_number_of_processes_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "parallel.en-de.tsv", sample_lines())
    monkeypatch.setattr("kdmodels.cleaning.passes.BATCH", 150)
    found = []
    for workers in (1, 2):
        monkeypatch.setattr("tasks.cleaning.cores", lambda workers=workers: workers)
        make_corpus(tmp_path, cleaning={"near_duplicates": 0.85, "translation_score": 0.1})
        found.append((tmp_path / "out/pairs.parquet").read_bytes())
    assert found[0] == found[1]
