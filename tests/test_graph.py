"""dvc.yaml, params.yaml and the code say the same."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from kdmodels.choice import choices
from tasks.config import GRAPH_FILE, read_yaml
from tests.test_rooms import imports

ROOT = Path(__file__).parent.parent
STAGES: dict[str, Any] = read_yaml(ROOT / GRAPH_FILE)["stages"]
# What carries a stage without changing what it makes: reading paths and params, recording, ending with its parent.
FRAME = {"tasks/__init__.py", "tasks/config.py", "tasks/places.py", "tasks/recording.py", "tasks/sections.py"}
SLOTS = ("corpus.first", "corpus.second", "corpus.third")
CHECKED = ("source", "targets", "labelling.parts", "control.chosen")  # words that commands interpolate
CHOSEN = {
    "${labelled.source}": "corpora",
    "${corpus.first.source}": "corpora",
    "${corpus.second.source}": "corpora",
    "${corpus.third.source}": "corpora",
    "${corpus.dictionary.source}": "corpora",
    "${student.output_loss}": "losses",
    "${student.hidden_loss}": "losses",
    "${student.label_loss}": "losses",
    "${student.hidden_phase.loss}": "losses",
    "${student.glosses.loss}": "losses",
    "${student.architecture}": "students",
}


def own_files(path: str, seen: set[str]) -> set[str]:
    """Return a file with all of our own that it imports, however far."""
    if path in seen or path in FRAME:
        return seen
    seen.add(path)
    for name in imports(Path(path)):
        file = name.replace(".", "/") + ".py"
        if name.split(".")[0] in {"tasks", "kdmodels"} and (ROOT / file).is_file():
            own_files(file, seen)
    return seen


def code_deps(stage: str) -> set[str]:
    """Return the code among a stage's deps, with every choice of a file chosen by name."""
    found = set()
    for dep in STAGES[stage]["deps"]:
        if dep.startswith("kdmodels/") and not dep.endswith(".py"):
            found |= {path.relative_to(ROOT).as_posix() for path in (ROOT / dep).glob("[!_]*.py")}
        if not dep.endswith(".py"):
            continue
        for key, room in CHOSEN.items():
            if key in dep:
                found |= {dep.replace(key, name) for name in choices(room)}
                break
        else:
            found.add(dep)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_the_code_that_the_stage_imports(stage: str) -> None:
    imported = own_files(f"tasks/{stage}.py", set())
    for room in {room for key, room in CHOSEN.items() if any(key in dep for dep in STAGES[stage]["deps"])}:
        for name in choices(room):
            own_files(f"kdmodels/{room}/{name}.py", imported)
    assert code_deps(stage) == imported


def used_params(stage: str) -> set[str]:
    """Return the keys of params.yaml that a stage's code reads: `params.a.b` anywhere in its own file."""
    source = (ROOT / f"tasks/{stage}.py").read_text(encoding="utf-8")
    files = [source]
    for helper in ("distilling", "joint_learning", "training", "cleaning"):
        if any(f"from tasks.{helper} import" in text for text in files):
            files.append((ROOT / f"tasks/{helper}.py").read_text(encoding="utf-8"))
    found = set()
    for text in files:
        for node in ast.walk(ast.parse(text)):
            chain, inner = [], node
            while isinstance(inner, ast.Attribute):
                chain.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id == "self" and chain and chain[-1] == "_params":
                chain.pop()
            elif isinstance(inner, ast.Name) and inner.id != "params":
                continue
            if chain and isinstance(inner, ast.Name):
                found.add(".".join(reversed(chain)))
    for several, names in (("corpus.slots", SLOTS), ("corpus.sources", [*SLOTS, "corpus.dictionary"])):
        if any(key.startswith(several) for key in found):
            found = {key for key in found if not key.startswith(several)} | set(names)
    shorter = {key for key in found if any(other.startswith(f"{key}.") for other in found)}
    whole = {match for text in files for match in re.findall(r"params\.(\w+)\b(?!\.)", text)}
    return (found - shorter) | (shorter & whole)


@pytest.mark.parametrize("stage", STAGES)
def test_params_name_the_keys_that_the_stage_reads(stage: str) -> None:
    declared = STAGES[stage]["params"]
    used = {key for key in used_params(stage) if not key.startswith("recording.")}  # changes no output
    covered = {key for key in used if any(f"{key}.".startswith(f"{name}.") for name in declared)}
    assert used == covered, "read, and not declared"
    idle = {name for name in declared if not any(f"{key}.".startswith(f"{name}.") for key in used)}
    assert idle <= {"threads", *CHECKED}, "declared, and not read (threads is applied to every stage)"


@pytest.mark.parametrize("stage", STAGES)
def test_the_command_gives_what_the_function_takes(stage: str) -> None:
    words = STAGES[stage]["cmd"].split()
    assert words[:5] == ["exec", "python", "-m", "tasks", stage]
    given = dict(word.split("=", 1) for word in words[5:])
    function = getattr(import_module(f"tasks.{stage}"), stage)
    assert set(given) == set(inspect.signature(function).parameters) - {"params", "record"}
    outs = [out if isinstance(out, str) else next(iter(out)) for kind in ("outs", "metrics", "plots") for out in
            STAGES[stage].get(kind, [])]  # fmt: skip
    assert given["out"].split("/")[:2] == ["data", stage]
    assert all(f"{out}/".startswith(f"{given['out']}/") for out in outs), "all it writes is below out"
    deps = STAGES[stage]["deps"]
    assert all(path in deps for key, path in given.items() if key != "out"), "all it reads is among its deps"


@pytest.mark.parametrize("stage", STAGES)
def test_a_command_interpolates_nothing_but_checked_words(stage: str) -> None:
    assert set(re.findall(r"\$\{([^}]*)\}", STAGES[stage]["cmd"])) <= {
        "item.target",
        "item.part",
        "item.control",
        "source",
    }


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_names_its_pool_and_what_it_makes(stage: str) -> None:
    assert STAGES[stage]["meta"]["pool"] in {"cpu", "gpu"}
    assert STAGES[stage]["desc"]


def test_every_stage_stands_downstream_of_the_one_that_checks_params() -> None:
    first = STAGES["sources"]
    assert set(CHECKED) <= set(first["params"]), "it runs whenever a word that a command interpolates has changed"
    assert all(any("data/sources" in dep for dep in STAGES[name]["deps"]) for name in ("labelled", "corpus"))


def test_metrics_and_plots_are_cached_so_that_a_worker_can_send_them_home() -> None:
    for stage in STAGES.values():
        for out in [*stage.get("metrics", []), *stage.get("plots", [])]:
            assert isinstance(out, str) or next(iter(out.values())).get("cache", True)


@pytest.mark.parametrize("name", ["section_types", "learning_sections", "sections"])
def test_a_value_is_written_once(name: str) -> None:
    tree = ast.parse((ROOT / f"tasks/{name}.py").read_text(encoding="utf-8"))
    for item in ast.walk(tree):
        if isinstance(item, ast.ClassDef) and item.name != "Section":
            defaults = [node for node in item.body if isinstance(node, ast.AnnAssign) and node.value is not None]
            assert not defaults, f"{item.name} has a default; params.yaml is the place of values"
