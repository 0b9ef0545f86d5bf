"""What a recorded run was made from, walked backwards: by the hash of each input to the run that made it."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kdmodels.errors import BadInputError
from tasks import tracking

_SHORT = 8  # characters of a run's id that are shown


@dataclass(frozen=True)
class Outside:
    """A file that came from outside: its use, its name, where from, under which licence, with which hash."""

    use: str
    name: str
    where: str
    licence: str
    sha256: str


@dataclass(frozen=True)
class Ancestor:
    """A run, and what it was made from.

    Attributes:
        run: its id
        name: of the stage, such as `student@de`
        when: it started, ISO 8601
        commit: of the code, with `+edits` where it had some; empty where it is not known
        flow: id of the run above it; none: it stood alone
        parents: the runs that made its inputs, each once
        unknown: inputs of which no run is recorded
        outside: files from elsewhere that it read
    """

    run: str
    name: str
    when: str
    commit: str
    flow: str | None
    parents: tuple["Ancestor", ...]
    unknown: tuple[str, ...]
    outside: tuple[Outside, ...]


def ancestry(root: Path, run: str) -> Ancestor:
    """Walk back from a run.

    Args:
        run: its id; or the name of a registered model, of which the newest version is taken

    Raises:
        BadInputError: where there is no such run or model, or the runs cannot be read.
    """
    client = tracking.reader(root)
    identity = _identity(client, run)
    return _walk(client, identity, {})


def _identity(client: Any, name: str) -> str:
    try:
        return str(client.get_run(name).info.run_id)
    except Exception:  # of MLflow's own kinds, which only tracking.py knows
        versions = client.search_model_versions(f"name = '{name}'") if "'" not in name else []
    if not versions:
        known = sorted(model.name for model in client.search_registered_models())
        raise BadInputError(
            f"{name!r}: no run of this id is recorded, and no model of this name registered; there are: "
            f"{', '.join(known) or 'none'}"
        )
    newest = max(versions, key=lambda version: int(version.version))
    return str(newest.run_id)


def _walk(client: Any, run: str, seen: dict[str, Ancestor]) -> Ancestor:
    if run in seen:
        return seen[run]
    found = client.get_run(run)
    read: dict[str, list[str]] = {}
    unknown: list[str] = []
    outside: list[Outside] = []
    for entry in found.inputs.dataset_inputs:
        tags = {tag.key: tag.value for tag in entry.tags}
        where = json.loads(entry.dataset.source).get("uri", "")
        if "sha256" in tags:
            use = tags.get("mlflow.data.context", "")
            outside.append(Outside(use, entry.dataset.name, where, tags["licence"], tags["sha256"]))
            continue
        makers = [one for one in tracking.makers(client, {where: entry.dataset.digest}) if one != run]
        if makers:
            read[where] = makers
        else:
            unknown.append(where)
    tags = found.data.tags
    edits = "+edits" if tags.get("code_dirty") == "true" else ""
    started = datetime.fromtimestamp(found.info.start_time / 1000, UTC)
    seen[run] = Ancestor(
        run=run,
        name=found.info.run_name,
        when=started.isoformat(timespec="seconds"),
        commit=f"{tags['git_commit'][:12]}{edits}" if "git_commit" in tags else "",
        flow=tags.get("mlflow.parentRunId"),
        parents=tuple(_walk(client, maker, seen) for maker in _fewest(read)),
        unknown=tuple(unknown),
        outside=tuple(outside),
    )
    return seen[run]


def _fewest(read: dict[str, list[str]]) -> list[str]:
    """Return runs that made all inputs, as few as there are, the newest first.

    Several runs make the same bytes, of an empty folder for one; those that made other inputs too are the likelier.
    """
    left = dict(read)
    chosen: list[str] = []
    while left:
        counts = Counter(maker for makers in left.values() for maker in makers)
        order = [maker for makers in left.values() for maker in makers]
        best = max(counts, key=lambda maker: (counts[maker], -order.index(maker)))
        chosen.append(best)
        left = {where: makers for where, makers in left.items() if best not in makers}
    return chosen


def as_tree(top: Ancestor) -> str:
    """Return a walk as lines of text, what a run was made from below it; what stands there already is only named."""
    return "\n".join(_lines(top, "", "", set()))


def _lines(one: Ancestor, first: str, rest: str, shown: set[str]) -> Iterator[str]:
    again = one.run in shown
    shown.add(one.run)
    told = "above" if again else " ".join(filter(None, [one.when, one.commit and f"code {one.commit}"]))
    yield f"{first}{one.name}  {one.run[:_SHORT]}  {told}"
    if again:
        return
    below: list[Ancestor | str] = [
        *one.parents,
        *(f"{file.use}: {file.where}  {file.licence}  sha256 {file.sha256[:12]}" for file in one.outside),
        *(f"{where}  {_of_nobody(where)}" for where in one.unknown),
    ]
    for place, entry in enumerate(below):
        branch, further = ("└─ ", "   ") if place == len(below) - 1 else ("├─ ", "│  ")
        if isinstance(entry, Ancestor):
            yield from _lines(entry, rest + branch, rest + further, shown)
        else:
            yield f"{rest}{branch}{entry}"


def _of_nobody(where: str) -> str:
    return "no run of it is recorded" if where.startswith("data/") else "of the project itself, as git has it"


def as_mermaid(top: Ancestor) -> str:
    """Return a walk as a mermaid graph, from what is outside to the run."""
    nodes: dict[str, str] = {}
    edges: dict[str, None] = {}
    _draw(top, nodes, edges, {})
    return "\n".join(["graph LR", *(f"  {node}" for node in nodes.values()), *(f"  {edge}" for edge in edges)])


def _draw(one: Ancestor, nodes: dict[str, str], edges: dict[str, None], numbers: dict[str, str]) -> str:
    if one.run in numbers:
        return numbers[one.run]
    me = numbers.setdefault(one.run, f"n{len(numbers)}")
    nodes[me] = f'{me}["{_quoted(one.name)}<br/>{one.run[:_SHORT]}"]'
    for parent in one.parents:
        edges[f"{_draw(parent, nodes, edges, numbers)} --> {me}"] = None
    for file in one.outside:
        other = numbers.setdefault(f"outside {file.where} {file.sha256}", f"n{len(numbers)}")
        nodes[other] = f'{other}[("{_quoted(file.name)}<br/>{_quoted(file.licence)}")]'
        edges[f"{other} --> {me}"] = None
    return me


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
