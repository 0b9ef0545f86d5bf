"""Every command in the README is one that exists, with options that exist; its Python is Python; its files are there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from flows.cli import app
from tasks.config import load_params

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.strip().split("\n")
]


def test_the_first_commands_are_the_two() -> None:
    assert COMMANDS[:2] == ["make run", "make test"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_understood_by_its_program(command: str) -> None:
    program, *words = shlex.split(command)
    if program == "make":
        subprocess.run(["make", "--dry-run", *words], cwd=ROOT, check=True, capture_output=True)
    elif program == "distilingua":
        group = typer.main.get_command(app)
        name, *rest = words
        group.commands[name].make_context(name, rest)  # type: ignore[attr-defined]
    elif program in {"prefect", "mlflow"}:
        subprocess.run([sys.executable, "-m", program, *words, "--help"], check=True, capture_output=True)
    elif program == "export":
        name, _, value = words[0].partition("=")
        expected = {
            "MLFLOW_TRACKING_URI": r"sqlite:///\.distilingua/mlflow\.db",
            "PREFECT_API_URL": r"http://127\.0\.0\.1:\d+/api",
            "PREFECT_API_DATABASE_CONNECTION_URL": r"postgresql\+asyncpg://prefect@127\.0\.0\.1:\d+/prefect",
        }
        assert re.fullmatch(expected[name], value)
    else:
        from dvc.cli import parse_args

        assert program == "dvc"
        assert parse_args(words).func


def test_its_python_is_python() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")


def test_its_keys_and_files_are_there() -> None:
    values = load_params(ROOT).model_dump()
    for key in re.findall(r"`((?:labelled|corpus|teacher|student)\.[a-z_.0-9]+)", README):
        section = values
        for part in key.split("."):
            assert part in section, key
            section = section[part]
    tree = README.split("```text\n")[1].split("```")[0]
    for name in re.findall(r"^([\w/.]+)  ", tree, re.MULTILINE):
        assert (ROOT / name).exists(), name
