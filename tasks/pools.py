"""Which kinds of machine there are, and which of them this one is: the pools that dvc.yaml names."""

import os
import re
from pathlib import Path

from kdmodels.errors import BadInputError
from tasks.config import GRAPH_FILE, read_yaml

SERVED = "DISTILINGUA_POOLS"  # names with commas between; unset: this machine serves every pool
ROOT = "DISTILINGUA_ROOT"  # the project of a worker
_NAME = re.compile(r"[a-z][a-z0-9-]*")


def served() -> frozenset[str] | None:
    """Return the pools that this machine serves; none: every one.

    Raises:
        BadInputError: where the variable holds something else than names.
    """
    given = os.environ.get(SERVED, "").strip()
    if not given:
        return None
    names = [name.strip() for name in given.split(",")]
    for name in names:
        if not _NAME.fullmatch(name):
            raise BadInputError(f"{SERVED}={given!r}: {name!r} is no name of a pool; expected: names such as cpu,gpu")
    return frozenset(names)


def is_served(pool: str | None) -> bool:
    """Say whether stages of a pool may run here; those that name none may run anywhere."""
    here = served()
    return pool is None or here is None or pool in here


def pool_of(root: Path, stage: str) -> str | None:
    """Return the pool that dvc.yaml names for a stage, given without its language; none: it may run anywhere.

    Raises:
        BadInputError: where dvc.yaml is missing or no YAML.
    """
    declared = (read_yaml(root / GRAPH_FILE).get("stages") or {}).get(stage) or {}
    pool: str | None = (declared.get("meta") or {}).get("pool")
    return pool


def check(root: Path, stage: str) -> None:
    """Refuse a stage that wants another machine.

    Args:
        root: the project
        stage: its name in dvc.yaml, without its language

    Raises:
        BadInputError: with the pool it wants, and what would run it.
    """
    pool = pool_of(root, stage)
    if not is_served(pool):
        raise BadInputError(
            f"{stage} wants a machine of the pool {pool!r}, and this one serves {', '.join(sorted(served() or ()))} "
            f"({SERVED}). A worker runs it: distilingua worker --pool {pool}, on a machine that has what it takes; or let "
            f"this machine serve every pool: unset {SERVED}"
        )


def worker_root() -> Path:
    """Return the project that the runs of a worker belong to.

    Raises:
        BadInputError: where the worker does not say.
    """
    given = os.environ.get(ROOT)
    if not given:
        raise BadInputError(f"{ROOT} is not set: start the worker with distilingua worker, in the project's folder")
    return Path(given).absolute()
