"""Work beside the work: tried, and given up without harm where it fails."""

import os
import random
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from kdmodels.redaction import redacted

_LOCKED_TRIES = 8

T = TypeVar("T")


class Attempts:
    """Attempts that go together: after the first that failed, no other is made."""

    def __init__(self, on: bool) -> None:
        self.on = self.wanted = on  # the first ends with a failure
        self._lock = threading.RLock()

    def attempt(self, action: Callable[[], T]) -> T | None:
        """Do something that may fail: then warn, and attempt nothing more."""
        with self._lock:
            if not self.on:
                return None
            try:
                with _quiet():
                    return action()
            except Exception as error:  # whatever goes wrong in recording, the computation goes on
                self.on = False
                said = redacted(str(error)).strip().split("\n")[0][:300] or type(error).__name__
                print(f"warning: from here on nothing is recorded in MLflow: {said}", file=sys.stderr, flush=True)
                return None


class Patient:
    """A client whose calls are tried again while another process holds the SQLite database."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            for number in range(_LOCKED_TRIES - 1):
                try:
                    return method(*arguments, **named)
                except Exception as error:
                    if "database is locked" not in str(error):
                        raise
                    time.sleep(0.05 * 2**number * (1 + os.getpid() % 8 / 8))  # the pid keeps processes apart
            return method(*arguments, **named)

        return call


def unless_there(create: Callable[[], object]) -> None:
    """Create something in MLflow that is there already, or that another process creates at the same time."""
    try:
        create()
    except Exception as error:
        if getattr(error, "error_code", None) != "RESOURCE_ALREADY_EXISTS":
            raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide warnings that are not the user's, and give back the random state that MLflow's random names use up."""
    state = random.getstate()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(state)
