"""What a flow says at its end of new students, and of stages without a record, on a terminal and in the log of its run."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from flows import display, outcome
from flows.display import displayed
from flows.results import results
from tasks.sections import Params
from tests.test_cli import METRICS, SPEED

RUNS = {"student@de": "1", "evaluation@de": "2"}


class Record:
    """Stands for the recorder: decides the same of every student."""

    wanted = True

    def promote(self, root: Path, trained: Any, params: Params) -> str:
        return f"distilingua-{trained.language} version 1 is champion"


@pytest.fixture
def evaluated(tmp_path: Path) -> Path:
    folder = tmp_path / "data/evaluation/de"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    (folder / "speed.json").write_text(json.dumps(SPEED))
    return tmp_path


def ended(record: Any, root: Path, params: Params, made: list[str]) -> None:
    """Tell what a flow tells at its end, all its stages having ended as a terminal shows them."""

    @flow(name="ended", persist_result=False)
    def run() -> None:
        shown = display.current()
        shown.planned([], made)
        for stage in made:
            shown.started(stage)
            shown.ended(stage, "done")
        outcome.promote(record, root, params, RUNS, results(root, ["de"]), shown)
        outcome.tell_not_recorded(record, made, RUNS, shown)

    with displayed():
        run()


def test_it_is_said_on_a_terminal_when_the_bars_have_gone(
    evaluated: Path, params: Params, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    ended(Record(), evaluated, params, ["student@de", "evaluation@de", "joint@de"])
    said = " ".join(terminal.getvalue().split())
    assert "distilingua-de version 1 is champion" in said
    assert "not recorded in MLflow, or not to the end: joint@de. Their results are whole" in said


def test_nothing_is_said_where_all_is_recorded_or_nothing_was_to_be(
    evaluated: Path,
    params: Params,
    prefect_api: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended(Record(), evaluated, params, [*RUNS])
    assert "not recorded" not in capsys.readouterr().out
    monkeypatch.setattr(Record, "wanted", False)
    ended(Record(), evaluated, params, ["joint@de"])
    assert "not recorded" not in capsys.readouterr().out
