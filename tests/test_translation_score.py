"""Pairs whose words do not translate each other sink, and no pair is explained by itself."""

import pickle
from pathlib import Path

import numpy as np

from kdmodels.pairs import pair_hash
from kdmodels.translation_score import Scorer, fit

ROOT = Path(__file__).parents[1]


def toy(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Return sentences of six of thirty words, and their translation word by word."""
    random = np.random.default_rng(seed)
    rows = random.integers(0, 30, size=(count, 6)).tolist()
    return [" ".join(f"word{n}" for n in row) for row in rows], [" ".join(f"wort{n}" for n in row) for row in rows]


def hashes(source: list[str], target: list[str]) -> list[str]:
    return [pair_hash(*pair) for pair in zip(source, target, strict=True)]


def fitted(source: list[str], target: list[str]) -> Scorer:
    return fit(source, target, hashes(source, target), iterations=5)


def test_translations_are_above_and_random_pairs_spread_evenly() -> None:
    source, target = toy(400, seed=0)
    scorer = fitted(source, target)
    scores, covered = scorer.judge(source, target, hashes(source, target))
    assert scores.min() > 0.99
    assert covered.min() > 0.99
    other = target[7:] + target[:7]
    random, _ = scorer.judge(source, other, hashes(source, other))
    assert 0.35 < np.median(random) < 0.65, "a score is the share of random pairs below it"


def test_pairs_outside_the_sample_are_scored_too() -> None:
    scorer = fitted(*toy(400, seed=0))
    source, target = toy(50, seed=1)
    assert scorer.judge(source, target, hashes(source, target))[0].min() > 0.95


def test_a_pair_is_not_explained_by_its_own_rare_words() -> None:
    source, target = toy(400, seed=0)
    source += [f"odd{i} queer{i} strange{i} {source[i]}" for i in range(40)]
    target += [f"fremd{i} seltsam{i} eigen{i} {target[i + 50]}" for i in range(40)]
    scorer = fitted(source, target)
    scores, _ = scorer.judge(source[400:], target[400:], hashes(source[400:], target[400:]))
    assert np.median(scores) < 0.8, "were it so, they would look like translations of each other"


def test_unknown_words_give_no_evidence_and_too_few_known_ones_no_score() -> None:
    scorer = fitted(*toy(400, seed=0))
    scores, covered = scorer.judge(["nothing known here", ""], ["nichts bekannt", ""], ["00", "01"])
    assert np.isnan(scores).all()
    assert np.isnan(covered).all()


def test_numbers_and_case_do_not_matter() -> None:
    source, target = toy(400, seed=0)
    scorer = fitted(source, target)
    plain, _ = scorer.judge(source[:5], target[:5], hashes(source, target)[:5])
    shouted = [f"{text.upper()} 1984 !" for text in source[:5]]
    assert np.array_equal(scorer.judge(shouted, target[:5], hashes(source, target)[:5])[0], plain)


def test_a_handful_of_pairs_is_not_judged() -> None:
    source, target = toy(6, seed=0)
    assert np.isnan(fitted(source, target).judge(source, target, hashes(source, target))[0]).all()


def test_it_is_the_same_in_another_process() -> None:
    source, target = toy(200, seed=0)
    scorer = fitted(source, target)
    again = pickle.loads(pickle.dumps(scorer))
    for one, other in zip(
        scorer.judge(source, target, hashes(source, target)),
        again.judge(source, target, hashes(source, target)),
        strict=True,
    ):
        assert np.array_equal(one, other)


def test_of_the_sample_translations_and_joined_pairs_are_told_apart() -> None:
    lines = (ROOT / "data/sample/parallel.en-zh.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")[1:]
    source, target = ([line.split("\t")[column] for line in lines] for column in (1, 2))
    scorer = fitted(source, target)
    true, _ = scorer.judge(source, target, hashes(source, target))
    moved = target[40:] + target[:40]
    false, _ = scorer.judge(source, moved, hashes(source, moved))
    assert (true >= 0.9).mean() > 0.9
    assert (false < 0.9).mean() > 0.85
