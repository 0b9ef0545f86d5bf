"""A preset is written into params.yaml with its comments, loses no edits, and leaves nothing of an earlier one."""

import re
import shutil
import subprocess
from itertools import pairwise
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


def comments(content: str) -> list[tuple[str, str]]:
    """Return each comment with the word before it on its line that says what it is about."""
    found = (re.fullmatch(r"\s*(?:(\w+):)?.*?(?:^|\s)# (.*)", line) for line in content.split("\n"))
    return [(match[1] or "", match[2]) for match in found if match is not None]


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_gives_valid_params_each_comment_behind_its_key(project: Path, name: str) -> None:
    use(project, name, data=project.parent / "data", force=False)
    assert load_params(project).targets == read_yaml(ROOT / f"presets/{name}.yaml")["targets"]
    before = comments(text(ROOT))
    assert len(before) > 60 and comments(text(project)) == before


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_sets_whatever_a_preset_sets(name: str) -> None:
    assert keys(read_yaml(ROOT / f"presets/{name}.yaml")) <= keys(read_yaml(ROOT / "presets/sample.yaml"))


def test_the_sample_over_the_committed_params_changes_no_byte(project: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    use(project, "sample", data=None, force=False)
    assert (project / "params.yaml").read_bytes() == before


def test_one_after_another_and_back_gives_the_first_bytes(project: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    for name in (*NAMES, "sample"):
        use(project, name, data=project.parent / "data", force=False)
    assert (project / "params.yaml").read_bytes() == before


def test_nothing_of_an_earlier_preset_stays() -> None:
    def over(present: str, chosen: str) -> str:
        return overlaid(present, {name: read_yaml(ROOT / f"presets/{name}.yaml") for name in ("sample", chosen)})

    alone = {name: over(text(ROOT), name) for name in NAMES}
    for earlier, name in pairwise([*NAMES, NAMES[0]]):
        assert over(alone[earlier], name) == alone[name]


def test_edits_that_are_not_committed_are_not_overwritten(project: Path) -> None:
    edited = text(project).replace("seed: 1 ", "seed: 2 ")
    (project / "params.yaml").write_text(edited, encoding="utf-8")
    with pytest.raises(BadInputError, match=r"edits that are not committed.*git commit.*--force"):
        use(project, "debian-it", data=None, force=False)
    assert text(project) == edited
    use(project, "debian-it", data=None, force=True)
    assert load_params(project).targets == ["it"]
    assert load_params(project).seed == 2, "what no preset sets stays"


def test_edits_of_a_preset_are_edits(project: Path) -> None:
    use(project, "debian-it", data=None, force=False)
    edited = text(project).replace("seed: 1 ", "seed: 2 ")
    (project / "params.yaml").write_text(edited, encoding="utf-8")
    with pytest.raises(BadInputError, match="edits that are not committed"):
        use(project, "sample", data=None, force=False)
    assert text(project) == edited
    subprocess.run(["git", "commit", "--quiet", "--all", "--message", "more seeds"], cwd=project, check=True)
    use(project, "sample", data=None, force=False)
    assert load_params(project).seed == 2 and load_params(project).targets == ["de", "es", "zh"]


@pytest.mark.parametrize("without", ["git", "repository", "commit"])
def test_where_nothing_says_what_is_saved_force_is_needed(
    project: Path, without: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if without == "git":
        monkeypatch.setenv("PATH", str(project))
    else:
        shutil.rmtree(project / ".git")
        if without == "commit":
            subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    with pytest.raises(BadInputError, match=r"edits that are not committed.*--force"):
        use(project, "debian-it", data=None, force=False)
    use(project, "debian-it", data=None, force=True)
    assert load_params(project).targets == ["it"]


@pytest.mark.parametrize("content", ["student: {layer: 3}\n", "{: ["])
def test_a_preset_that_is_wrong_stands_in_no_other_ones_way(project: Path, content: str) -> None:
    use(project, "debian-it", data=None, force=False)
    (project / "presets/another.yaml").write_text(content, encoding="utf-8")
    use(project, "sample", data=None, force=False)
    assert text(project) == text(ROOT)
    with pytest.raises(BadInputError, match=r"another\.yaml"):
        use(project, "another", data=None, force=False)


@pytest.mark.parametrize("content", ["{: [", "", "5"])
def test_params_that_are_no_yaml_are_named(project: Path, content: str) -> None:
    (project / "params.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(BadInputError, match=r"params\.yaml"):
        use(project, "sample", data=None, force=True)
    assert text(project) == content


def test_a_preset_with_keys_below_a_number_is_named(project: Path) -> None:
    (project / "presets/odd.yaml").write_text("seed: {first: 1}\n", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"odd\.yaml: seed\.first: no such key in params\.yaml"):
        use(project, "odd", data=None, force=False)


def test_a_preset_whose_values_are_wrong_changes_nothing(project: Path) -> None:
    (project / "presets/odd.yaml").write_text("targets: [en]\n", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"'en' is the source language"):
        use(project, "odd", data=project.parent / "data", force=False)
    assert text(project) == text(ROOT) and not (project / "data").exists()
    assert sorted(path.name for path in project.iterdir()) == [".git", "params.yaml", "presets"]


def test_an_unknown_preset_is_answered_with_the_choices(project: Path) -> None:
    for name in ("sib", "../params", ""):
        with pytest.raises(BadInputError) as caught:
            use(project, name, data=None, force=True)
        assert f"no preset {name!r}" in str(caught.value) and ", ".join(NAMES) in str(caught.value)
    assert text(project) == text(ROOT)


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
    assert (project / "data/external").resolve() == tmp_path / "other", "without --data the link stays as it is"
    assert [path.name for path in (project / "data").iterdir()] == ["external"]


def test_a_link_that_leads_nowhere_is_as_good_as_none(project: Path, tmp_path: Path) -> None:
    use(project, "sib200-sw", data=tmp_path / "data", force=False)
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(BadInputError, match="reads data/external, which is not there"):
        use(project, "sib200-de", data=None, force=False)
    use(project, "sib200-de", data=tmp_path / "moved", force=False)
    assert (project / "data/external").resolve() == tmp_path / "moved"


def test_a_folder_of_data_is_named_from_where_the_user_stands(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    use(project, "sib200-sw", data=Path("data"), force=False)
    assert (project / "data/external").resolve() == tmp_path / "data"


def test_a_folder_in_the_place_of_the_link_stays(project: Path) -> None:
    (project / "data/external").mkdir(parents=True)
    with pytest.raises(BadInputError, match="is no link but a folder of its own"):
        use(project, "sib200-sw", data=project.parent / "data", force=False)
    assert text(project) == text(ROOT) and (project / "data/external").is_dir()


def test_a_key_that_params_have_not_is_named(project: Path) -> None:
    (project / "presets/odd.yaml").write_text("student: {layer: 3}\n", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"odd\.yaml: student\.layer: no such key in params\.yaml"):
        use(project, "odd", data=None, force=False)
