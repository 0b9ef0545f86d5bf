"""How far a download is, for whoever waits for it."""

import sys
import time
from collections.abc import Callable
from typing import Any

_BETWEEN_LINES = 10.0  # seconds


class Meter:
    """How far it is: a bar on a terminal, lines elsewhere."""

    def __init__(self, name: str, say: Callable[[str], None] | None) -> None:
        self._name, self._say = name, say
        self._terminal = say is not None and sys.stderr.isatty()
        self._bar: Any = None
        self._began = self._last = time.monotonic()
        self._first = self._count = 0
        self._size: int | None = None
        self._came = 0

    def begin(self, start: int, size: int | None) -> None:
        """Start at a byte of so many in all; none: not known."""
        self.close()
        self._count, self._size = start, size
        if self._terminal:
            from tqdm import tqdm

            self._bar = tqdm(
                total=size, initial=start, desc=self._name, unit="B", unit_scale=True, file=sys.stderr, leave=False
            )

    def show(self, count: int) -> None:
        """Say that so many bytes are there."""
        self._came += count - self._count
        if self._bar is not None:
            self._bar.update(count - self._count)
        self._count = count
        if not self._terminal and time.monotonic() >= self._last + _BETWEEN_LINES:
            self._last = time.monotonic()
            self._line(f"{_bytes(count)}{f' of {_bytes(self._size)}' if self._size else ''}")

    def finish(self, size: int) -> None:
        """Say that it is whole."""
        self._line(f"whole, {_bytes(size)}")

    def _line(self, words: str) -> None:
        if self._say is not None:
            seconds = time.monotonic() - self._began
            self._say(f"{self._name}: {words}, {_bytes(self._came / max(seconds, 1e-3))}/s")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.{0 if unit == 'B' else 1}f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
