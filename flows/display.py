"""What a person sees of a running pipeline: a line a stage on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import TaskID


class Display(Protocol):
    """Something that is told how stages go; its methods are called from several threads."""

    def planned(self, fresh: list[str], due: list[str]) -> None:
        """Say which stages are fresh and which will be looked at."""

    def started(self, stage: str) -> None:
        """Say that a stage starts."""

    def line(self, stage: str, text: str) -> None:
        """Show a line of a stage's output."""

    def ended(self, stage: str, how: str) -> None:
        """Say that a stage has ended, and how: done, failed, not started."""

    def said(self, text: str) -> None:
        """Show what the flow itself says when its stages have ended."""


class Silent:
    """Shows nothing: where the run's log is read elsewhere."""

    def planned(self, fresh: list[str], due: list[str]) -> None:
        """Show nothing."""

    def started(self, stage: str) -> None:
        """Show nothing."""

    def line(self, stage: str, text: str) -> None:
        """Show nothing."""

    def ended(self, stage: str, how: str) -> None:
        """Show nothing."""

    def said(self, text: str) -> None:
        """Show nothing."""


class Plain:
    """Writes every line, with the time and the stage before it."""

    def planned(self, fresh: list[str], due: list[str]) -> None:
        """Write which stages will be looked at."""
        self._write(f"{len(fresh)} stages fresh, {len(due)} to look at: {', '.join(due) or 'none'}")

    def started(self, stage: str) -> None:
        """Write that a stage starts."""
        self._write(f"{stage}: starts")

    def line(self, stage: str, text: str) -> None:
        """Write a line of a stage's output."""
        self._write(f"{stage} | {text}")

    def ended(self, stage: str, how: str) -> None:
        """Write how a stage ended."""
        self._write(f"{stage}: {how}")

    def said(self, text: str) -> None:
        """Write it."""
        self._write(text)

    def _write(self, text: str) -> None:
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        sys.stdout.flush()


class Bars:
    """On a terminal: a bar over all stages, and for each that runs its time and its newest line."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console()
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=self._console,
        )
        self._all = self._progress.add_task("all stages", total=None, text="looking for what has changed")
        self._stages: dict[str, TaskID] = {}

    @contextmanager
    def live(self) -> Iterator[None]:
        """Draw the bars while the block runs."""
        with self._progress:
            yield

    def planned(self, fresh: list[str], due: list[str]) -> None:
        """Draw the bar over all stages."""
        self._progress.update(self._all, total=len(fresh) + len(due), completed=len(fresh), text=f"{len(fresh)} fresh")

    def started(self, stage: str) -> None:
        """Draw a line for a stage."""
        number = self._progress.add_task(stage, total=None, text="")
        self._stages[stage] = number

    def line(self, stage: str, text: str) -> None:
        """Show the stage's newest line behind its name."""
        if text.strip():
            self._progress.update(self._stages[stage], text=text.strip()[: self._console.width // 2])

    def ended(self, stage: str, how: str) -> None:
        """Leave a line about the stage above the bars."""
        number = self._stages.pop(stage, None)
        if number is not None:
            seconds = next(task.elapsed or 0.0 for task in self._progress.tasks if task.id == number)
            self._progress.remove_task(number)
            how = f"{how} after {seconds:.0f} s"
        self._progress.advance(self._all)
        self._console.print(f"{stage}: {how}", markup=False, highlight=False)

    def said(self, text: str) -> None:
        """Leave it above the bars."""
        self._console.print(text, markup=False, highlight=False)


shown: ContextVar[Display] = ContextVar("shown")


def current() -> Display:
    """Return the display that the flow is to tell, or one that shows nothing."""
    found = shown.get(None)
    return Silent() if found is None else found


@contextmanager
def displayed() -> Iterator[None]:
    """Show the flows of the block: bars on a terminal, plain lines elsewhere."""
    if sys.stdout.isatty():
        bars = Bars()
        token = shown.set(bars)
        try:
            with bars.live():
                yield
        finally:
            shown.reset(token)
        return
    token = shown.set(Plain())
    try:
        yield
    finally:
        shown.reset(token)
