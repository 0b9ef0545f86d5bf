"""Several processes of one machine that train a model together: each has a rank, and what needs doing once the first does."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
from torch import distributed

Value = TypeVar("Value")

_PATIENCE = timedelta(days=7)  # for each other, since the first may score for long; who started them sees one that dies


class PartDone(Exception):  # noqa: N818 - a state, not an error
    """This process has done its part; what is left of the work is the first's alone."""


def join(folder: Path, rank: int, count: int) -> None:
    """Meet the others, through a file of this machine: no port is opened for it. On GPUs each takes that of its rank.

    Args:
        folder: empty before the first of them comes
        rank: 0 to count - 1
    """
    on_gpus = torch.cuda.is_available()
    if on_gpus:
        torch.cuda.set_device(rank)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpus else "gloo",
        store=distributed.FileStore(str(folder / "store"), count),  # type: ignore[attr-defined]
        rank=rank,
        world_size=count,
        timeout=_PATIENCE,
    )


def leave() -> None:
    """Part from the others, where there are any."""
    if _joined():
        distributed.destroy_process_group()


def rank() -> int:
    """Return the number of this process among those that train together; 0 where it is alone."""
    return distributed.get_rank() if _joined() else 0


def count() -> int:
    """Return how many processes train together; 1 where this one is alone."""
    return distributed.get_world_size() if _joined() else 1


def first(action: Callable[[], Value]) -> Value:
    """Return what the first process's action gives, which begins when all are here; the others wait for it."""
    if count() == 1:
        return action()
    distributed.barrier()
    given: list[Value | None] = [action() if rank() == 0 else None]
    distributed.broadcast_object_list(given, src=0)
    return given[0]  # type: ignore[return-value]


def first_goes_on() -> None:
    """Part from the others when all are here. The first goes on alone.

    Raises:
        PartDone: in every process but the first.
    """
    if count() == 1:
        return
    distributed.barrier()
    this = rank()
    leave()
    if this:
        raise PartDone


def _joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()
