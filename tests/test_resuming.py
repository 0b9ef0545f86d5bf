"""A training whose worker is lost is tried again on another: from the checkpoint where that has it, else from nothing."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.team import Server, Team, lose, until, workers
from tests.tiny_project import TinyProject

STAGE = "student@de"

pytestmark = pytest.mark.slow


@pytest.fixture
def training(copy: TinyProject, server: Server, tmp_path: Path) -> Iterator[Team]:
    """Have a team on a finished project whose student is to be trained anew, long enough to be killed in the middle."""
    copy.set(student={"epochs": 60})
    team = Team(copy.root, server, tmp_path)
    team.call("deploy")
    yield team
    for process in [*team.engines(), *team.processes()]:
        process.kill()


@pytest.fixture
def undisturbed(copy: TinyProject, training: Team, tmp_path: Path) -> TinyProject:
    """A copy of the project, to be run without workers."""
    return copy.copied_to(tmp_path / "undisturbed")


def with_clones(copy: TinyProject, folder: Path) -> list[Path]:
    """Give a project a remote, and return two clones of it."""
    copy.set(pipeline={"data": "remote"})
    copy.dvc("remote", "add", "--default", "shared", str(folder / "remote"))
    copy.commit("remote")
    clones = [folder / "one", folder / "two"]
    for clone in clones:
        copy.run("git", "clone", "--quiet", str(copy.root), str(clone))
    return clones


def newest(homes: list[Path]) -> int:
    """Return the step of the newest whole checkpoint in some folders of what outlasts outputs; 0 where there is none."""
    found = [path.parent.name for home in homes for path in home.glob("checkpoints/student-de-*/*/sha256.json")]
    return max((int(name.removeprefix("checkpoint-")) for name in found), default=0)


def steps(team: Team, run: object) -> list[int]:
    """Return the steps whose scores a run's log tells."""
    told = [re.fullmatch(r"step (\d+): agreement .*", line) for line in team.log(run)]
    return [int(found[1]) for found in told if found]


def all_steps(project: TinyProject) -> list[int]:
    """Return the steps at which a student was scored, from its training's history."""
    with (project.root / "data/student/de/training.csv").open(encoding="utf-8") as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row["eval_agreement"]]


@pytest.mark.parametrize("place", ["one folder", "clones", "clones that share the checkpoints"])
def test_the_retry_on_another_worker_goes_on_from_the_checkpoint_that_it_has(
    place: str, training: Team, copy: TinyProject, undisturbed: TinyProject, tmp_path: Path
) -> None:
    roots: dict[int, Path] = {}
    homes = [copy.root / ".distilingua"]
    if place != "one folder":
        roots = dict(enumerate(with_clones(copy, tmp_path), start=1))
        homes = [root / ".distilingua" for root in roots.values()]
    if place == "clones that share the checkpoints":
        homes = [tmp_path / "kept"]
        training.environment["DISTILINGUA_HOME"] = str(homes[0])
    with workers(training, "cpu", "gpu", "gpu", roots=roots) as (_, *both):
        flow = training.trigger(STAGE)
        assert until(lambda: newest(homes) >= 20), training.log(flow)
        first = training.runs("stage", STAGE)[-1].id
        lost = next(one for one in both if training.worker_of(first).endswith(f"-{one.pid}"))
        lose(lost)
        reached = newest(homes)
        undisturbed.repro(STAGE)
        assert until(lambda: training.state(flow) == "Completed", 600), training.log(flow)
    second = training.runs("stage", STAGE)[-1].id
    assert training.worker_of(second) != training.worker_of(first)
    assert [one.state.name for one in training.runs("stage", STAGE)][-2:] == ["Crashed", "Completed"]
    every = all_steps(copy)
    assert every[0] < reached < every[-1]
    assert steps(training, second) == [step for step in every if place == "clones" or step > reached]
    assert copy.outputs() == undisturbed.outputs()
    assert not training.processes()
