"""A scratch DVC project of tiny stages: a diamond with a matrix in it, and a stage that stands alone.

first -> middle@de, middle@es -> last          lone
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

GRAPH = """
stages:
  first:
    cmd: exec python step.py first data/first in.txt
    deps: [in.txt]
    outs: [data/first]
    meta: {pool: cpu}
  middle:
    matrix: {target: '${targets}'}
    cmd: exec python step.py middle@${item.target} data/middle/${item.target} data/first
    deps: [data/first]
    params: [student.temperature]
    outs: ['data/middle/${item.target}']
    meta: {pool: gpu}
  last:
    cmd: exec python step.py last data/last data/middle/de data/middle/es
    deps: [data/middle/de, data/middle/es]
    outs: [data/last]
    meta: {pool: cpu}
  lone:
    cmd: exec python step.py lone data/lone other.txt
    deps: [other.txt]
    outs: [data/lone]
    meta: {pool: cpu}
"""

STEP = """
import json, os, signal, subprocess, sys, time
from pathlib import Path

name, out, *inputs = sys.argv[1:]
if os.environ.get("DISTILINGUA_POOLS") == "none":
    sys.exit("error: this machine serves no pool")
rule = json.loads(Path("rules.json").read_text()).get(name, "")
seen = Path("events.txt").read_text().split("\\n") if Path("events.txt").exists() else []

def note(what):
    with open("events.txt", "a") as events:
        events.write(f"{what} {name}\\n")

note("start")
print(f"{name} reads {inputs}")
print(f"{name} warns", file=sys.stderr)
Path(out).parent.mkdir(parents=True, exist_ok=True)
if rule.startswith("exit"):
    Path(out).write_text("half")
    print(f"error: {name} does not like it\\nand says why", file=sys.stderr)
    sys.exit(int(rule.split()[1]))
if rule == "killed once" and f"start {name}" not in seen or rule == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if rule.startswith("meet"):
    deadline = time.monotonic() + 60
    while f"start {rule.split()[1]}" not in Path("events.txt").read_text():
        if time.monotonic() > deadline:
            sys.exit("waited in vain")
        time.sleep(0.02)
if rule.startswith("say"):
    with open("events.txt", "a") as events:
        events.write(os.environ[rule.split()[1]] + "\\n")
if rule == "hang":
    Path(out).write_text("half")
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child.stdout.readline()
    Path("pids.txt").write_text(f"{os.getpid()} {child.pid} {os.getppid()}")
    time.sleep(600)
Path(out).write_text(name + "".join(Path(path).read_text() for path in inputs))
note("end")
"""


@cache
def initialised() -> Path:
    """Return an empty folder of git and DVC: having DVC make one takes seconds, copying it none."""
    folder = Path(tempfile.mkdtemp(prefix="initialised-", dir=Path.home()))  # the tests' own, removed at their end
    for words in (["git", "init"], ["-m", "dvc", "init"], ["-m", "dvc", "config", "core.check_update", "false"]):
        command = words if words[0] == "git" else [sys.executable, *words]
        subprocess.run([*command, "--quiet"], cwd=folder, check=True)
    return folder


class Scratch:
    """The project, and what its stages are told to do and did."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        params = (ROOT / "params.yaml").read_text(encoding="utf-8")
        params = params.replace("- de\n- es\n- zh\n", "- de\n- es\n").replace("retry_delay: 2.0", "retry_delay: 0.1")
        for name, text in {
            "params.yaml": params,
            "dvc.yaml": GRAPH,
            "step.py": STEP,
            "in.txt": "in\n",
            "other.txt": "other\n",
            ".gitignore": "/data/\n",
        }.items():
            (folder / name).write_text(text, encoding="utf-8")
        self.rules()
        shutil.copytree(initialised(), folder, dirs_exist_ok=True)

    def dvc(self, *words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "dvc", "--cd", str(self.root), *words], check=True, capture_output=True, text=True
        ).stdout

    def rules(self, **rules: str) -> None:
        """Say what stages do besides writing their output; `_` stands for `@`."""
        named = {name.replace("_", "@"): rule for name, rule in rules.items()}
        (self.root / "rules.json").write_text(json.dumps(named), encoding="utf-8")

    def change(self, name: str, text: str) -> None:
        (self.root / name).write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")

    def events(self) -> list[str]:
        """Return what happened since the last call, in its order."""
        path = self.root / "events.txt"
        found = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    def started(self) -> list[str]:
        return [event.removeprefix("start ") for event in self.events() if event.startswith("start ")]

    def flow(self, *, environment: dict[str, str] | None = None, **settings: Any) -> subprocess.Popen[str]:
        """Start the flow in a process of its own."""
        code = f"from flows.pipeline import pipeline; pipeline({str(self.root)!r})"
        return subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, **(environment or {})}, text=True, **settings
        )
