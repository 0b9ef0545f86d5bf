"""Students of several languages learn at the same time, on several workers, to the bytes of a run on one machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recording_project import client_of
from tests.team import Server, Team, until, workers
from tests.tiny_project import TinyProject

STUDENTS = ["student@de", "student@es"]

pytestmark = pytest.mark.slow


@pytest.fixture
def two_languages(copy: TinyProject, server: Server, tmp_path: Path) -> Iterator[Team]:
    """Have a team on a project of two languages in which the students alone are to be trained anew."""
    copy.set(targets=["de", "es"])
    copy.repro("soft_labels@de", "soft_labels@es")
    copy.set(student={"epochs": 40})
    team = Team(copy.root, server, tmp_path, recording="on")
    team.call("deploy")
    yield team
    for process in [*team.engines(), *team.processes()]:
        process.kill()


def test_two_workers_train_the_students_of_two_languages_at_the_same_time(
    two_languages: Team, copy: TinyProject, tmp_path: Path
) -> None:
    team, alone = two_languages, copy.copied_to(tmp_path / "alone")
    with workers(team, "cpu", "gpu", "gpu"):
        flow = team.trigger(*STUDENTS)
        assert until(lambda: team.state(flow) in {"Completed", "Failed", "Crashed"}, 600)
        assert team.state(flow) == "Completed", team.log(flow)
    both = team.runs("stage")
    assert sorted(one.name for one in both) == STUDENTS, "each once"
    assert both[1].start_time < both[0].end_time, "the second begins before the first ends"
    assert len({team.worker_of(one.id) for one in both}) == 2
    client = client_of(f"sqlite:///{copy.root / '.distilingua/mlflow.db'}")
    found = client.search_runs([one.experiment_id for one in client.search_experiments()], "tags.stage = 'student'")
    assert sorted(run.info.run_name for run in found) == STUDENTS
    assert {run.info.status for run in found} == {"FINISHED"}
    assert max(run.info.start_time for run in found) < min(run.info.end_time for run in found)
    assert len({run.data.tags["mlflow.parentRunId"] for run in found}) == 1
    alone.repro(*STUDENTS)
    assert copy.outputs() == alone.outputs()
    assert not team.processes()
