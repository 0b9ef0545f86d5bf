"""What was made from a data set or a run, walked forwards: by the hash of each output to the runs that read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kdmodels.errors import BadInputError
from tasks import tracking
from tasks.lineage import output_tag

_SHORT = 8  # characters of an id that are shown
_LEAST = 8  # characters of a hash that is asked for


@dataclass(frozen=True)
class Made:
    """A run, the models that it registered, and what was made from what it made."""

    run: str
    name: str
    when: str
    models: tuple[str, ...]
    children: tuple["Made", ...]


def descent(root: Path, what: str) -> tuple[Made, ...]:
    """Walk forwards.

    Args:
        root: the project.
        what: the sha256 of a file from outside, or its first characters; the name of a data set, such as
            `corpus/de/pairs`; or the id of a run.

    Raises:
        BadInputError: where nothing is recorded that read or is it.
    """
    client = tracking.reader(root)
    runs = _every(client)
    by_id = {run.info.run_id: run for run in runs}
    read: dict[str, list[Any]] = {}
    for run in runs:
        for digest in {entry.dataset.digest for entry in run.inputs.dataset_inputs}:
            read.setdefault(digest, []).append(run)
    seen: dict[str, Made] = {}
    if what in by_id:
        return (_walk(client, by_id[what], read, seen),)
    first = [run for run in runs if any(_is(entry, what) for entry in run.inputs.dataset_inputs)]
    if not first:
        names = sorted({entry.dataset.name for run in runs for entry in run.inputs.dataset_inputs})
        raise BadInputError(
            f"{what!r}: no recorded run read a data set of this name or hash, nor is it one; data sets are: "
            f"{', '.join(names) or 'none'}"
        )
    return tuple(_walk(client, run, read, seen) for run in first)


def _every(client: Any) -> list[Any]:
    """Return all runs, the earliest first."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found: list[Any] = []
    token = None
    while True:
        page = client.search_runs(experiments, order_by=["start_time ASC"], page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _is(entry: Any, what: str) -> bool:
    if entry.dataset.name == what:
        return True
    sha256 = {tag.key: tag.value for tag in entry.tags}.get("sha256", entry.dataset.digest)
    return len(what) >= _LEAST and str(sha256).startswith(what)


def _walk(client: Any, run: Any, read: dict[str, list[Any]], seen: dict[str, Made]) -> Made:
    identity = run.info.run_id
    if identity in seen:
        return seen[identity]
    prefix = output_tag("")
    made = {value for key, value in run.data.tags.items() if key.startswith(prefix)}
    after = {child.info.run_id: child for digest in made for child in read.get(digest, ())}
    after.pop(identity, None)
    children = tuple(
        _walk(client, child, read, seen) for child in sorted(after.values(), key=lambda one: one.info.start_time)
    )
    versions = client.search_model_versions(f"run_id = '{identity}'")
    seen[identity] = Made(
        run=identity,
        name=run.info.run_name,
        when=datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(timespec="seconds"),
        models=tuple(f"{one.name} version {one.version}" for one in versions),
        children=children,
    )
    return seen[identity]


def as_list(made: tuple[Made, ...]) -> str:
    """Return what was made as lines of text, each run once, below what it was first made from."""
    shown: set[str] = set()
    return "\n".join(line for one in made for line in _lines(one, 0, shown))


def _lines(one: Made, depth: int, shown: set[str]) -> Iterator[str]:
    if one.run in shown:
        return
    shown.add(one.run)
    models = f"  registered as {', '.join(one.models)}" if one.models else ""
    yield f"{'   ' * depth}{one.name}  {one.run[:_SHORT]}  {one.when}{models}"
    for child in one.children:
        yield from _lines(child, depth + 1, shown)
