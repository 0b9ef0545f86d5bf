"""What is kept of soft labels in less than float32 strays from them by no more than is said."""

import numpy as np
import pytest
from numpy.typing import NDArray

from kdmodels.errors import BadInputError
from kdmodels.label_storage import Storage, unpack

WHOLE = Storage("float32", None, "float32")


def logits(classes: int = 200, rows: int = 300, spread: float = 4.0, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(scale=spread, size=(rows, classes)).astype(np.float32)


def hidden(rows: int = 300) -> NDArray[np.float32]:
    return np.random.default_rng(2).normal(size=(rows, 12)).astype(np.float32)


def log_softmax(values_NC: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    scaled = values_NC.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def divergence(
    one_NC: NDArray[np.floating], other_NC: NDArray[np.floating], temperature: float = 1.0
) -> NDArray[np.float64]:
    one, other = log_softmax(one_NC, temperature), log_softmax(other_NC, temperature)
    return (np.exp(one) * (one - other)).sum(axis=1)


def test_float32_keeps_every_bit() -> None:
    kept, states = WHOLE.rounded(logits(), hidden())
    assert np.array_equal(kept, logits()) and np.array_equal(states, hidden())


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_float16_stays_within_its_bound(temperature: float) -> None:
    whole = logits()
    kept, states = Storage("float16", None, "float16").rounded(whole, hidden())
    largest_N = 2.0**-11 * np.abs(whole).max(axis=1)
    assert (np.abs(kept - whole).max(axis=1) <= largest_N).all()
    bound_N = (largest_N / temperature) ** 2 / 2
    for found_N in (divergence(whole, kept, temperature), divergence(kept, whole, temperature)):
        assert (found_N <= bound_N).all()
    assert np.abs(states - hidden()).max() <= 2.0**-11 * np.abs(hidden()).max()


@pytest.mark.parametrize("top", [1, 8, 50])
@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_top_classes_stay_within_their_bound(top: int, spread: float) -> None:
    whole = logits(spread=spread)
    kept, _ = Storage("float32", top, "none").rounded(whole, hidden())
    order = np.argsort(-whole, axis=1)
    best, others = order[:, :top], order[:, top:]
    assert np.array_equal(np.take_along_axis(kept, best, 1), np.take_along_axis(whole, best, 1))
    shares, of_kept = np.exp(log_softmax(whole)), np.exp(log_softmax(kept))
    assert np.take_along_axis(of_kept, best, 1) == pytest.approx(np.take_along_axis(shares, best, 1), rel=1e-5)
    rest_N = np.take_along_axis(shares, others, 1).sum(axis=1)
    assert (divergence(whole, kept) <= rest_N * np.log(whole.shape[1] - top) + 1e-6).all()
    assert (divergence(whole, kept).max() > 1e-3) == (rest_N.max() > 0.01), "the bound is not idle"
    warm, warm_kept = np.exp(log_softmax(whole, 4.0)), np.exp(log_softmax(kept, 4.0))
    more_N = np.take_along_axis(warm_kept, others, 1).sum(axis=1) - np.take_along_axis(warm, others, 1).sum(axis=1)
    assert (more_N > -1e-6).all(), "softened, the rest weighs more than it did, never less"


def test_what_is_shared_is_what_is_left_by_hand() -> None:
    shares = np.array([[0.5, 0.3, 0.15, 0.05]])
    kept, states = Storage("float32", 2, "none").rounded(np.log(shares).astype(np.float32), hidden(1))
    assert np.exp(kept) == pytest.approx(np.array([[0.5, 0.3, 0.1, 0.1]]), abs=1e-6)
    assert states.shape == (1, 0)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("top", [None, 1, 3, 7, 8, 9])
def test_what_was_kept_once_is_kept_again_bit_by_bit(dtype: str, top: int | None) -> None:
    whole = np.concatenate([logits(classes=8), np.zeros((1, 8), np.float32), np.float32([[1, 1, 1, 1, 0, 0, 0, 0]])])
    storage = Storage(dtype, top, dtype)
    once = storage.pack(whole, hidden(len(whole)))
    twice = storage.pack(*unpack(once))
    assert once.keys() == twice.keys()
    assert all(one.tobytes() == two.tobytes() for one, two in zip(once.values(), twice.values(), strict=True))
    assert ("classes" in once) == (top in (1, 3)), "of 8 classes, 7 leave one alone, which needs no sharing"


def test_a_number_too_large_for_float16_is_refused() -> None:
    with pytest.raises(
        BadInputError, match=r"logits reach 70000, and float16 ends at 65504.*soft_labels\.logits: float32"
    ):
        Storage("float16", None, "none").pack(np.array([[70000.0, 0.0]], np.float32), hidden(1))
    with pytest.raises(BadInputError, match=r"hidden reach 70000.*soft_labels\.hidden: float32"):
        Storage("float32", None, "float16").pack(logits(rows=1), np.array([[70000.0]], np.float32))


def test_sizes_of_a_text() -> None:
    def size(storage: Storage, classes: int) -> float:
        packed = storage.pack(logits(classes=classes), hidden())
        return sum(array.nbytes for name, array in packed.items() if name != "count") / 300

    assert size(WHOLE, 200) == 4 * 200 + 4 * 12
    assert size(Storage("float16", None, "float16"), 200) == 2 * 200 + 2 * 12
    assert size(Storage("float16", 8, "none"), 200) == 8 * (4 + 2) + 2
