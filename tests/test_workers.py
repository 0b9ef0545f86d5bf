"""Batches are worked on in order, a few ahead, whatever the number of processes."""

import os
import signal
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psutil
import pytest

from kdmodels.errors import BadInputError
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


class Unmakable:
    """Work that cannot be made, for what the user gave."""

    def __init__(self, language: str) -> None:
        raise BadInputError(f"no model for the language {language!r}")

    def __call__(self, batch: int) -> int:
        return batch


class Dying:
    """Work whose process is killed, as where memory runs out."""

    def __call__(self, batch: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def begun(folder: Path) -> set[int]:
    return {int(path.name) for path in folder.iterdir()}


def alive(folder: Path) -> list[int]:
    return [process for process in begun(folder) if psutil.pid_exists(process)]


def counted(most: int, taken: list[int]) -> Iterator[int]:
    for number in range(most):
        taken.append(number)
        yield number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_batches(tmp_path: Path, workers: int) -> None:
    found = list(in_order(range(30), Doubling, {"fail_at": -1}, begin=Begin(tmp_path), workers=workers))
    assert [(batch, result[0]) for batch, result in found] == [(number, 2 * number) for number in range(30)]
    working = {result[1] for _, result in found}
    if workers == 1:
        assert working == {os.getpid()} and not begun(tmp_path)
    else:
        assert os.getpid() not in working and len(working) <= 2
        assert working <= begun(tmp_path), "each process was begun"
    assert not alive(tmp_path)


def test_a_lone_batch_starts_no_process(tmp_path: Path) -> None:
    [(_, (_, process))] = in_order([1], Doubling, {"fail_at": -1}, begin=Begin(tmp_path), workers=2)
    assert process == os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_no_batch_gives_nothing(tmp_path: Path, workers: int) -> None:
    assert not list(in_order([], Doubling, {"fail_at": -1}, begin=Begin(tmp_path), workers=workers))
    assert not begun(tmp_path)


@pytest.mark.parametrize(("workers", "ahead"), [(1, 2), (2, 6)])
def test_the_input_is_not_read_far_ahead(tmp_path: Path, workers: int, ahead: int) -> None:
    taken: list[int] = []
    coming = in_order(counted(1000, taken), Doubling, {"fail_at": -1}, begin=Begin(tmp_path), workers=workers)
    assert not taken, "nothing is read before the first result is wanted"
    for number, _ in enumerate(islice(coming, 10)):
        assert len(taken) <= number + ahead
    coming.close()  # type: ignore[attr-defined]
    assert len(taken) < 20 and not alive(tmp_path), "whoever stops in the middle leaves no process"


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_input_reaches_the_caller_after_no_result_is_made_up(tmp_path: Path, workers: int) -> None:
    def broken() -> Iterator[int]:
        yield from range(10)
        raise ValueError("line 11 is bad")

    with pytest.raises(ValueError, match="line 11 is bad"):
        list(in_order(broken(), Doubling, {"fail_at": -1}, begin=Begin(tmp_path), workers=workers))
    assert not alive(tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_what_makes_the_work_reaches_the_caller(tmp_path: Path, workers: int) -> None:
    with pytest.raises(BadInputError, match="no model for the language 'xx'"):
        list(in_order(range(30), Unmakable, {"language": "xx"}, begin=Begin(tmp_path), workers=workers))
    assert not alive(tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_reaches_the_caller_and_leaves_no_process(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ValueError, match="batch 7 is bad"):
        list(in_order(range(30), Doubling, {"fail_at": 7}, begin=Begin(tmp_path), workers=workers))
    assert not alive(tmp_path) and len(begun(tmp_path)) == (0 if workers == 1 else 2)


def test_a_process_that_is_killed_ends_the_work(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="was killed; is there memory enough"):
        list(in_order(range(30), Dying, {}, begin=Begin(tmp_path), workers=2))
    assert not alive(tmp_path)
