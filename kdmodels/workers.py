"""Work on batches in several processes, in little memory, with the results in the order of the batches."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any, NoReturn, TypeVar

Batch = TypeVar("Batch")

_AHEAD = 3  # batches a process that wait or are worked on
_call: Callable[[Any], Any]


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    batches: Iterable[Batch], make: Callable[..., Callable[[Batch], Any]], arguments: dict[str, Any], *,
    begin: Callable[[], Any], workers: int,
) -> Iterator[tuple[Batch, Any]]:  # fmt: skip
    """Return each batch with what the work gives for it; the results do not depend on the number of processes.

    Args:
        make: called once in each process with `arguments`; returns the work on one batch.
        begin: called first in each process, to bind it to this one's life.
        workers: processes; a lone batch is worked on in this one.
    """
    coming = iter(batches)
    first = list(islice(coming, 2))
    if workers == 1 or len(first) < 2:
        work = make(**arguments)
        for batch in chain(first, coming):
            yield batch, work(batch)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, (begin, make, arguments)) as pool:
        waiting: deque[tuple[Batch, Future[Any]]] = deque()
        try:
            for batch in chain(first, coming):
                waiting.append((batch, pool.submit(_work, batch)))
                if len(waiting) >= _AHEAD * workers:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        except BrokenProcessPool:
            raise RuntimeError("a process that helped was killed; is there memory enough?") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start(begin: Callable[[], Any], make: Callable[..., Callable[[Any], Any]], arguments: dict[str, Any]) -> None:
    global _call
    begin()
    try:
        _call = make(**arguments)
    except Exception as error:  # of it the pool would only say that it is broken
        _call = partial(_fail, error)


def _fail(error: Exception, _: Any) -> NoReturn:
    raise error


def _work(batch: Any) -> Any:
    return _call(batch)
