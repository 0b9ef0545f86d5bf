"""Which pairs a student learns from, where it may not have all."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from kdmodels.label_rows import SoftLabels
from kdmodels.label_store import Identity, write_labels
from kdmodels.pairs import text_hash
from kdmodels.token_rows import TokenRows
from tasks.config import load_params
from tasks.learning_data import read_pairs

ROOT = Path(__file__).parents[1]
COUNT = 100


def table(weights: list[float], folder: Path) -> dict[str, Any]:
    """Return tokenized pairs whose target is their number, the last two held out, and write their soft labels."""
    hashes = sorted(text_hash(str(number)) for number in range(COUNT))
    labels = SoftLabels(
        np.array(hashes),
        np.zeros((COUNT, 2), np.float32),
        np.zeros((COUNT, 4), np.float32),
        np.full(COUNT, -1, np.int8),
    )
    identity = Identity("t", (), "k", 8, ("a", "b"), "mean", "torch", "float32", (8, 8), ("float32", 0, "float32"))
    folder.mkdir(exist_ok=True)
    write_labels(folder, identity, labels, 50)
    return {
        "source_hash": np.array(hashes),
        "target_ids": TokenRows.of([number] for number in range(COUNT)),
        "held_out": np.arange(COUNT) >= COUNT - 2,
        "weight": np.array(weights, dtype=np.float32),
        "translation_score": np.full(COUNT, np.nan, dtype=np.float32),
    }


def drawn(weights: list[float], folder: Path, seed: int) -> list[int]:
    section = load_params(ROOT).student.model_copy(update={"pairs": 10, "seed": seed})
    pairs, held_out = read_pairs(table(weights, folder), folder, section)
    assert [int(ids[0]) for ids in held_out.ids] == [COUNT - 2, COUNT - 1], "those held out are never drawn"
    return [int(ids[0]) for ids in pairs.ids]


def test_some_of_the_pairs_are_drawn_with_the_seed_each_once(tmp_path: Path) -> None:
    one, same, other = (drawn([1.0] * COUNT, tmp_path / "labels", seed) for seed in (1, 1, 2))
    assert one == same == sorted(set(one)) and len(one) == 10 and one != other


def test_pairs_that_weigh_more_are_drawn_more_often(tmp_path: Path) -> None:
    weights = [100.0] * 5 + [1.0] * (COUNT - 5)
    found = Counter(number for seed in range(20) for number in drawn(weights, tmp_path / "labels", seed))
    assert all(found[number] >= 18 for number in range(5)), "a hundred times as likely as each of the 93 others"
    assert sum(found.values()) == 20 * 10
