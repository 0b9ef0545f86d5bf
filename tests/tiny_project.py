"""The real pipeline on tiny numbers, in a scratch copy of the project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests import loaded_python, tiny

ROOT = Path(__file__).parents[1]
TINY: dict[str, Any] = {
    "targets": ["de"],
    "tokens": {"vocabulary_size": 400, "maximum_length": 32},
    "teacher": {"weights_sha256": "none", "epochs": 2, "batch_size": 16, "learning_rate": 1e-4, "frozen_layers": 0},
    "labelling": {"batch_rows": 8},
    "soft_labels": {"shard_rows": 16},
    "student": {"options": {"layers": [0, 2]}, "epochs": 2, "batch_size": 8, "evaluations_per_epoch": 2},
    "evaluation": {"resamples": 100, "speed_repeats": 1},
    "corpus": {"cleaning": {"language": "none"}},  # its models take seconds to load, and have tests of their own
}


class TinyProject:
    """A scratch copy: the same code and dvc.yaml, a tiny random teacher, few texts.

    Attributes:
        server: in which its stages find their libraries loaded; None: each is a Python of its own
    """

    server: str | None = "first"

    def __init__(self, root: Path, teacher: Path) -> None:
        self.root = root
        for name in ("kdmodels", "tasks", "flows"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("dvc.yaml", "params.yaml", "corpora.lock", "feedback.json", ".gitignore", ".dvcignore"):
            shutil.copy(ROOT / name, root / name)
        self._shorten()
        self.set(**TINY)
        self.set(teacher={"init": str(teacher)})
        self.run("git", "init", "--quiet")
        self.dvc("init", "--quiet")
        self.dvc("config", "core.check_update", "false")
        self.commit("start")

    def _shorten(self) -> None:
        """Copy the first lines of the sample, which has its classes mixed."""
        (self.root / "data/sample").mkdir(parents=True)
        lines = {"labelled": 90, "parallel": 60, "test": 40}
        for path in sorted((ROOT / "data/sample").glob("*.tsv")):
            kept = path.read_text(encoding="utf-8").split("\n")[: lines[path.name.split(".")[0]] + 1]
            (self.root / "data/sample" / path.name).write_text("\n".join(kept) + "\n", encoding="utf-8")

    def set(self, **sections: Any) -> None:
        """Change values in params.yaml, keeping its comments."""
        yaml = YAML()
        path = self.root / "params.yaml"
        values = yaml.load(path.read_text(encoding="utf-8"))
        for name, change in sections.items():
            _change(values, name, change)
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(values, file)

    def copied_to(self, folder: Path) -> "TinyProject":
        """Return a copy that a test may spoil."""
        shutil.copytree(self.root, folder, symlinks=True)
        return TinyProject.at(folder)

    @classmethod
    def at(cls, folder: Path) -> "TinyProject":
        """Return a scratch project that is there already."""
        project = object.__new__(cls)
        project.root = folder
        return project

    def put(self, section: str, key: str, value: Any) -> None:
        """Replace a whole mapping of params.yaml."""
        yaml = YAML()
        path = self.root / "params.yaml"
        values = yaml.load(path.read_text(encoding="utf-8"))
        values[section][key] = value
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(values, file)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables of its processes; nothing is recorded, which takes a third of a tiny stage's time."""
        found = {"DISTILINGUA_RECORDING": "off", **os.environ}
        found.pop("PYTHONPATH", None)
        folders = [Path(sys.executable).parent, os.environ["PATH"]]
        if self.server:
            folders.insert(0, loaded_python.start(self.server))
        return {**found, "PATH": os.pathsep.join(map(str, folders))}

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the project."""
        ended = subprocess.run(words, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        assert not check or ended.returncode == 0, f"{words}:\n{ended.stdout}\n{ended.stderr}"
        return ended

    def dvc(self, *words: str, check: bool = True) -> str:
        """Run DVC and return what it said."""
        ended = self.run("python", "-m", "dvc", *words, check=check)
        return ended.stdout + ended.stderr

    def repro(self, *words: str) -> list[str]:
        """Run `dvc repro` and return the stages that really ran."""
        said = self.dvc("repro", *words)
        return [line.split("'")[1] for line in said.split("\n") if line.startswith("Running stage")]

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def outputs(self) -> dict[str, str]:
        """Return the hash of each output in dvc.lock, speeds left out: path -> md5."""
        yaml = YAML(typ="safe")
        stages = yaml.load((self.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
        return {
            out["path"]: out["md5"]
            for stage in stages.values()
            for out in stage["outs"]
            if not out["path"].endswith(("speed.json", "/speed"))
        }


def _change(values: Any, name: str, change: Any) -> None:
    if isinstance(change, dict):
        for key, value in change.items():
            _change(values[name], key, value)
    else:
        values[name] = change


def make(root: Path) -> TinyProject:
    """Make a scratch project below a folder, with a teacher beside it."""
    teacher = tiny.bert_teacher(root / "encoder")
    (root / "project").mkdir()
    return TinyProject(root / "project", teacher)
