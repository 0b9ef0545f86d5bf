"""Who may import whom: flows -> tasks -> kdmodels, never back; each foreign tool lives in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("flows", "tasks", "kdmodels")
FILES = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
STAGES = {
    "sources",
    "labelled",
    "corpus",
    "encoder",
    "tokens",
    "teacher",
    "labelling",
    "soft_labels",
    "student",
    "control",
    "joint",
    "evaluation",
}
ALLOWED_ROOMS = {"flows": {"flows", "tasks", "kdmodels"}, "tasks": {"tasks", "kdmodels"}, "kdmodels": {"kdmodels"}}
HOMES = {
    "prefect": ["flows/", "tasks/stage.py"],
    "dvc": ["tasks/stage.py", "tasks/experiments.py"],
    "mlflow": ["tasks/tracking.py", "tasks/packing.py", "tasks/packed_student.py"],
    "ruamel": ["tasks/config.py"],
    "yaml": [],
}
SCRIPTS = {Path("tasks/packed_student.py")}  # which MLflow runs and nobody imports
HEAVY = {"torch", "transformers", "mlflow", "prefect", "dvc", "datasets", "pandas", "sklearn", "scipy", "matplotlib"}


def imports(path: Path, *, only_top: bool = False) -> Iterator[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for node in tree.body if only_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_the_rooms_are_there_and_their_files_are_seen() -> None:
    assert {path.parts[0] for path in FILES} == {"flows", "tasks", "kdmodels"}
    assert {path.stem for path in FILES if path.parts[0] == "tasks"} >= STAGES


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_downward(path: Path) -> None:
    rooms = {name.split(".")[0] for name in imports(path)} & set(ALLOWED_ROOMS)
    assert rooms <= ALLOWED_ROOMS[path.parts[0]]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_each_foreign_tool_is_imported_in_its_one_place(path: Path) -> None:
    for name in imports(path):
        for tool, homes in HOMES.items():
            if name.split(".")[0] == tool:
                assert any(path.as_posix().startswith(home) for home in homes), f"{tool} belongs in {homes}"


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stages_meet_only_through_files(stage: str) -> None:
    others = {f"tasks.{other}" for other in STAGES - {stage}}
    assert not others & set(imports(Path(f"tasks/{stage}.py")))


@pytest.mark.parametrize("path", ["tasks/__main__.py", "tasks/config.py", "flows/cli.py", "kdmodels/choice.py"])
def test_what_only_reads_imports_nothing_heavy(path: str) -> None:
    assert not {name.split(".")[0] for name in imports(Path(path), only_top=True)} & HEAVY


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_happens_on_import(path: Path) -> None:
    if path in SCRIPTS:
        return
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    calls = [node for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    assert not calls, f"{path}:{calls[0].lineno if calls else 0}: a call at the top of a file"
