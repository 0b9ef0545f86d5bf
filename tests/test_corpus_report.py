"""A cleaning is reported in full, in Markdown that no text can break, with pictures of the same bytes."""

from pathlib import Path

import numpy as np

from kdmodels.corpus_pictures import draw_dropped, draw_lengths, draw_translation_scores
from kdmodels.corpus_report import corpus_report, data_card
from kdmodels.model_card import model_card
from kdmodels.pairs import Pair
from kdmodels.provenance import Found

NUMBERS = {
    "read": 10, "kept": 7, "read/first": 10, "kept/first": 7, "held_out": 2, "in_labelled": 1, "tokens_covered": 0.5,
}  # fmt: skip
FOUND = Found(Path("x"), "https://example.org/a.gz", "a.gz", "ab" * 32, 1234, "CC0-1.0", "2026-11-25", "v8")


def page(pair: Pair) -> str:
    return corpus_report(
        source="en",
        target="de",
        reasons=["empty", "html"],
        dropped={"html": 3},
        examples={"html": [pair]},
        numbers=NUMBERS,
        languages=({"en": 9, "fr": 1}, {"de": 10}),
        files=[("first", FOUND)],
    )


def test_it_tells_what_was_dropped_and_why_and_where_all_came_from() -> None:
    text = page(Pair("p1", "a <b>text</b>", "ein Text", None))
    assert "10 pairs read, 7 kept (70.0%)" in text
    assert "| tags are left in the text (`html`) | 3 | 30.0% |" in text
    assert "| a side is empty (`empty`) | 0 | 0.0% |" in text
    assert "1 pairs (14.3%) have a source side that is also labelled training text" in text
    assert "en 90.0%, fr 10.0%" in text
    for part in ("https://example.org/a.gz", "CC0-1.0", "ab" * 32, "2026-11-25", "v8"):
        assert part in text


def test_no_text_breaks_a_table() -> None:
    text = page(Pair("p|1", "pipe | line\nbreak `code` *bold* [link](x) <tag>", "x" * 500, None))
    [row] = [line for line in text.split("\n") if "pipe" in line]
    assert row.replace("\\|", "").count("|") == 4
    assert "\\<tag\\>" in row and "\\*bold\\*" in row and "\\[link\\]" in row
    assert "x" * 161 not in row and "…" in row


def test_the_card_names_each_source_and_the_full_model_card_holds_it() -> None:
    card = data_card(source="en", target="de", numbers=NUMBERS, files=[("first", FOUND)], held_out=0.1)
    assert card.startswith("---\nlanguage:\n- en\n- de\n")
    full = model_card(
        student="---\nlanguage: de\n---\n\n# Student\n\nText.\n", evaluation="# Scores\n\n## One\n", data=card
    )
    assert full.startswith("---\nlanguage: de\n---\n")
    assert full.count("\n---\n") == 1, "one front matter"
    assert "\n## Results\n\n### One\n" in full
    assert "\n## Data\n\n7 sentence pairs of 10 read" in full
    assert "\n### Sources\n" in full


def test_the_same_numbers_give_the_same_pictures(tmp_path: Path) -> None:
    lengths = {"en": np.arange(20), "de": np.arange(20)[::-1]}
    scores = np.array([0.1, 0.9, np.nan, 1.0], dtype=np.float32)
    for name in ("one", "two"):
        draw_dropped({"html": 3}, ["empty", "html"], "en-de", tmp_path / name / "dropped.png")
        draw_lengths(lengths, "en-de", tmp_path / name / "lengths.png")
        draw_translation_scores(scores, 0.5, "en-de", tmp_path / name / "scores.png")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
        assert path.read_bytes().startswith(b"\x89PNG")
