"""Batches are worked on in order, a few ahead, whatever the number of processes."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kdmodels.workers import in_order


class Doubling:
    """The work: in a class at the top of a module, so that other processes find it."""

    def __init__(self, fail_at: int) -> None:
        self._fail_at = fail_at

    def __call__(self, batch: int) -> tuple[int, int]:
        if batch == self._fail_at:
            raise ValueError(f"batch {batch} is bad")
        return 2 * batch, os.getpid()


class Begin:
    """Leaves a trace of each process that began."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self) -> None:
        (self._folder / str(os.getpid())).touch()


def counted(most: int, taken: list[int]) -> Iterator[int]:
    for number in range(most):
        taken.append(number)
        yield number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_batches(tmp_path: Path, workers: int) -> None:
    found = list(in_order(range(30), Doubling, {"fail_at": -1}, begin=Begin(tmp_path), workers=workers))
    assert [(batch, result[0]) for batch, result in found] == [(number, 2 * number) for number in range(30)]
    others = {result[1] for _, result in found} - {os.getpid()}
    assert len(others) == (0 if workers == 1 else len(others))
    assert others <= {int(path.name) for path in tmp_path.iterdir()}, "each process was begun"


def test_a_lone_batch_starts_no_process(tmp_path: Path) -> None:
    [(_, (_, process))] = in_order([1], Doubling, {"fail_at": -1}, begin=Begin(tmp_path), workers=2)
    assert process == os.getpid()


def test_the_input_is_not_read_far_ahead(tmp_path: Path) -> None:
    taken: list[int] = []
    coming = in_order(counted(1000, taken), Doubling, {"fail_at": -1}, begin=Begin(tmp_path), workers=2)
    next(coming)
    assert len(taken) < 20
    coming.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_reaches_the_caller_and_leaves_no_process(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ValueError, match="batch 7 is bad"):
        list(in_order(range(30), Doubling, {"fail_at": 7}, begin=Begin(tmp_path), workers=workers))
    begun = [int(path.name) for path in tmp_path.iterdir()]
    assert not [number for number in begun if psutil.pid_exists(number)]
