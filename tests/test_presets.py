"""A preset is written into params.yaml with its comments, loses no edits, and leaves nothing of an earlier one."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kdmodels.errors import BadInputError
from tasks.config import load_params, overlaid, read_yaml
from tasks.presets import preset_names, use

ROOT = Path(__file__).parents[1]
NAMES = preset_names(ROOT)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with params.yaml and the presets, and a folder of data beside it."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "presets", root / "presets")
    shutil.copy(ROOT / "params.yaml", root)
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "start"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    (tmp_path / "data").mkdir()
    return root


def text(root: Path) -> str:
    return (root / "params.yaml").read_text(encoding="utf-8")


def keys(values: dict[str, Any], above: str = "") -> set[str]:
    found = set()
    for key, value in values.items():
        inside = isinstance(value, dict) and key not in {"options", "label_map"}
        found |= keys(value, f"{above}{key}.") if inside else {f"{above}{key}"}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_gives_valid_params(project: Path, name: str) -> None:
    use(project, name, data=project.parent / "data", force=False)
    assert load_params(project).targets == read_yaml(ROOT / f"presets/{name}.yaml")["targets"]


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_sets_whatever_a_preset_sets(name: str) -> None:
    assert keys(read_yaml(ROOT / f"presets/{name}.yaml")) <= keys(read_yaml(ROOT / "presets/sample.yaml"))


def test_params_are_the_samples() -> None:
    assert overlaid(text(ROOT), [ROOT / "presets/sample.yaml"]) == text(ROOT)


def test_one_after_another_and_back_gives_the_first_bytes(project: Path) -> None:
    before = text(project)
    for name in (*NAMES, "sample"):
        use(project, name, data=project.parent / "data", force=False)
    assert text(project) == before


def test_comments_stay(project: Path) -> None:
    use(project, "sib200-sw", data=project.parent / "data", force=False)
    count = {line.split("  # ")[1] for line in text(ROOT).split("\n") if "  # " in line}
    assert all(comment in text(project) for comment in count)


def test_edits_that_are_not_committed_are_not_overwritten(project: Path) -> None:
    edited = text(project).replace("seed: 1 ", "seed: 2 ")
    (project / "params.yaml").write_text(edited, encoding="utf-8")
    with pytest.raises(BadInputError, match=r"edits that are not committed.*git commit.*--force"):
        use(project, "debian-it", data=None, force=False)
    assert text(project) == edited
    use(project, "debian-it", data=None, force=True)
    assert load_params(project).targets == ["it"]
    assert load_params(project).seed == 2, "what no preset sets stays"


def test_an_unknown_preset_is_answered_with_the_choices(project: Path) -> None:
    with pytest.raises(
        BadInputError, match=r"no preset 'sib'; those in .* are: debian-it, opener-es, sample, sib200-de"
    ):
        use(project, "sib", data=None, force=False)


def test_outside_data_is_reached_through_a_link(project: Path, tmp_path: Path) -> None:
    with pytest.raises(
        BadInputError, match="reads data/external, which is not there: give its data's folder with --data"
    ):
        use(project, "sib200-sw", data=None, force=False)
    with pytest.raises(BadInputError, match="no such folder"):
        use(project, "sib200-sw", data=tmp_path / "nowhere", force=False)
    assert text(project) == text(ROOT), "nothing is changed by what fails"
    for folder in ("data", "other"):
        (tmp_path / folder).mkdir(exist_ok=True)
        use(project, "sib200-sw", data=tmp_path / folder, force=False)
        assert (project / "data/external").resolve() == tmp_path / folder
    use(project, "sib200-de", data=None, force=False)


def test_a_folder_in_the_place_of_the_link_stays(project: Path) -> None:
    (project / "data/external").mkdir(parents=True)
    with pytest.raises(BadInputError, match="is no link but a folder of its own"):
        use(project, "sib200-sw", data=project.parent / "data", force=False)


def test_a_key_that_params_have_not_is_named(project: Path) -> None:
    (project / "presets/odd.yaml").write_text("student: {layer: 3}\n", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"odd\.yaml: student\.layer: no such key in params\.yaml"):
        use(project, "odd", data=None, force=False)
