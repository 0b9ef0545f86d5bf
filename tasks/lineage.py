"""What a run is made of: its name, its numbers, the version of the code, the names of its data."""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from kdmodels.redaction import redacted
from tasks.config import GRAPH_FILE, PARAMS_FILE, read_yaml
from tasks.hashes import dvc_md5
from tasks.sections import Params

LOCK_FILE = "dvc.lock"
STATE = "state"  # artifact of a stage's run: the small files it started from
STATE_FILES = (PARAMS_FILE, LOCK_FILE, "feedback.json", "corpora.lock")
_CODE = ("kdmodels", "tasks", "flows", GRAPH_FILE)
_LIMIT = 5000  # characters of a value
_NOT_IN_A_NAME = re.compile(r"[^\w\-. :/]")


class Made(NamedTuple):
    """A run that was found by what it made."""

    id: str
    parent: str | None
    model: str | None  # that it logged


def instance(stage: str, out: Path) -> str:
    """Return a stage's name as DVC writes it: `student@de`, or `teacher` where it has no language."""
    language = language_of(stage, out)
    return os.environ.get("DVC_STAGE") or (f"{stage}@{language}" if language else stage)


def description(root: Path, stage: str) -> str:
    """Return what dvc.yaml says of a stage, given without its language; empty where it says nothing."""
    if not (root / GRAPH_FILE).is_file():
        return ""
    declared = (read_yaml(root / GRAPH_FILE).get("stages") or {}).get(stage) or {}
    return str(declared.get("desc") or "")


def language_of(stage: str, out: Path) -> str | None:
    """Return the language a stage's output is for, or None where it is for all."""
    parts = out.parts
    below = parts[parts.index(stage) + 1 :] if stage in parts else ()
    return below[0] if below else None


def numbers(stage: str, params: Params) -> dict[str, str]:
    """Return the params of a stage as flat text: its section, and what concerns every stage."""
    section = getattr(params, stage, None)
    values = {} if section is None else section.model_dump(mode="json", by_alias=True)
    common = {"seed": params.seed, "threads": params.threads, "source": params.source}
    return {**_flat(values, f"{stage}."), **{name: str(value) for name, value in common.items()}}


def every_number(params: Params) -> dict[str, str]:
    """Return the whole of params.yaml as flat text."""
    return _flat(params.model_dump(mode="json", by_alias=True), "")


def _flat(values: dict[str, object], prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def versions(root: Path) -> dict[str, str]:
    """Return tags that say which code and which results a run started from.

    A run changes dvc.lock and a sweep changes params.yaml: both are told by content, and dirty means the code.
    """
    tags = {}
    lock = root / LOCK_FILE
    if lock.is_file():
        tags["dvc_lock"] = hashlib.sha256(lock.read_bytes()).hexdigest()
    experiment = os.environ.get("DVC_EXP_NAME")
    if experiment:
        tags["dvc_experiment"] = experiment
    command = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=all", "--", *_CODE]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # stages run side by side, and beside the user's own git
    try:
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return tags  # no git, or no repository
    lines = done.stdout.split("\n")
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid")), "(initial)")
    if commit != "(initial)":
        tags |= {"git_commit": commit, "mlflow.source.git.commit": commit}
    tags["code_dirty"] = str(any(line and not line.startswith("#") for line in lines)).lower()
    return tags


def pieces(root: Path, read: Mapping[str, Path], params: Params) -> dict[str, Path]:
    """Return what a stage reads, a folder above the outputs of several stages as those: their runs are known by them.

    Args:
        read: path of each key, such as data/labelling/de.

    Returns:
        `labelling/all`: data/labelling/de/all, and the rest as it was given
    """
    if not (root / GRAPH_FILE).is_file():
        return dict(read)
    made = _matrix_outputs(root, params)
    found: dict[str, Path] = {}
    for key, path in read.items():
        below = [out for out in made if path in out.parents and (root / out).exists()]
        found |= {f"{key}/{out.relative_to(path).as_posix()}": out for out in below} or {key: path}
    return found


def _matrix_outputs(root: Path, params: Params) -> list[Path]:
    """Return the folders that the stages of each matrix of dvc.yaml write, with these params."""
    values = params.model_dump(mode="json", by_alias=True)
    found = []
    for stage in (read_yaml(root / GRAPH_FILE).get("stages") or {}).values():
        matrix = stage.get("matrix")
        folder = next((word.removeprefix("out=") for word in stage["cmd"].split() if word.startswith("out=")), "")
        if not matrix or not folder:
            continue
        lists = [[(f"${{item.{name}}}", item) for item in _value(values, key)] for name, key in matrix.items()]
        for items in product(*lists):
            out = folder
            for word, item in items:
                out = out.replace(word, item)
            found.append(Path(out))
    return found


def _value(values: Any, reference: Any) -> Any:
    """Return what dvc.yaml writes as `${section.key}`; a list that stands there itself is its own value."""
    if isinstance(reference, str):
        for key in reference.removeprefix("${").removesuffix("}").split("."):
            values = values[key]
        return values
    return reference


def data_set(path: Path) -> str:
    """Return the name of a data set: `corpus/de/pairs` for data/corpus/de/pairs.parquet."""
    parts = path.with_suffix("").parts if path.suffix else path.parts
    return plain("/".join(parts[1:] if parts[0] == "data" and len(parts) > 1 else parts).strip("/"))


def source(path: Path) -> str:
    """Return where a data set lies, as MLflow keeps it."""
    return json.dumps({"uri": path.as_posix()})


def address(where: str) -> str:
    """Return where a file from outside comes from, as MLflow keeps it; `where` is without secrets."""
    return json.dumps({"url": where, "uri": where})


def plain(name: str) -> str:
    """Return a name of letters that MLflow takes for metrics, params and tags."""
    return _NOT_IN_A_NAME.sub("-", name)


def recordable(values: dict[str, str]) -> dict[str, str]:
    """Return params or tags as MLflow takes them, without secrets."""
    return {plain(key): redacted(value)[:_LIMIT] for key, value in values.items()}


def made(outputs: dict[str, str]) -> str:
    """Return MLflow's filter for the runs that made exactly these outputs (path -> md5)."""
    return " and ".join(f"tags.`{output_tag(path)}` = '{plain(md5)}'" for path, md5 in outputs.items())


def output_tag(path: str) -> str:
    """Return the tag under which a run keeps the hash of an output."""
    return plain(f"output.{path}")


def output_tags(out: Path) -> dict[str, str]:
    """Return the tags of an output: its hash, those of its pieces, and of theirs; dvc.yaml may declare each."""
    pieces = sorted(out.iterdir())
    inside = [path for piece in pieces if piece.is_dir() for path in sorted(piece.iterdir())]
    return {output_tag(path.as_posix()): dvc_md5(path) for path in [out, *pieces, *inside]}
