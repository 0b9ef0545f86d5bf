"""The parts of a corpus go to GPU workers in clones of their own, and come home as the soft labels of one machine."""

from pathlib import Path
from typing import Any

import pytest

from flows import remote
from flows.deploying import deploy
from flows.pipeline import pipeline
from tasks import pools
from tasks.request import Request
from tests.test_remote import git, worker
from tests.tiny_project import TinyProject

HALVES = ["1_of_2", "2_of_2"]

pytestmark = pytest.mark.slow


def parts(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "data/labelling/de").iterdir())


def test_two_workers_with_clones_label_a_half_each_and_the_soft_labels_are_the_same_bytes(
    copy: TinyProject, tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILINGUA_RECORDING", "off")
    monkeypatch.setenv(pools.SERVED, "cpu")
    deploy(Path(), debug=True)
    before = copy.outputs()
    copy.set(labelling={"parts": HALVES}, pipeline={"data": "remote"})
    copy.dvc("remote", "add", "--default", "shared", str(tmp_path / "remote"))
    copy.commit("halves")
    clones = [tmp_path / "one", tmp_path / "two"]
    for clone in clones:
        git(tmp_path, "clone", "--quiet", str(copy.root), str(clone))
    sent: list[str] = []
    send = remote.run_elsewhere

    def noted(pool: str, asked: Request, *rest: Any) -> None:
        sent.append(asked.stage)
        send(pool, asked, *rest)

    monkeypatch.setattr(remote, "run_elsewhere", noted)
    with worker(clones[0], prefect_api, tmp_path / "one.log"), worker(clones[1], prefect_api, tmp_path / "two.log"):
        pipeline(str(copy.root), ["soft_labels@de"])
    assert sorted(sent) == [f"labelling@de-{name}" for name in HALVES], "no teacher is trained, though sources ran"
    assert sorted(map(parts, clones)) == [[name] for name in HALVES], "each worker has labelled one"
    assert parts(copy.root) == HALVES, "what was not split has gone"
    after = copy.outputs()
    assert after["data/soft_labels/de"] == before["data/soft_labels/de"]
    monkeypatch.delenv(pools.SERVED)
    assert copy.repro("student@de") == [], "nothing behind them runs"
