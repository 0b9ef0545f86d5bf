"""What a flow does with what its stages made: finds their runs, decides on new students, shows the results."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from flows import display
from flows.results import HEADINGS, Row, cells, numbers
from tasks.promotion import Trained
from tasks.recording import FlowRecorder
from tasks.sections import Params
from tasks.stage import locked_outputs


def link(record: FlowRecorder, project: Path, wanted: set[str]) -> dict[str, str]:
    """Return the id of the run that made each stage's results, of those that are recorded."""
    found = {
        stage: record.link(stage, outputs) for stage, outputs in locked_outputs(project).items() if stage in wanted
    }
    return {stage: run for stage, run in found.items() if run is not None}


def promote(
    record: FlowRecorder,
    project: Path,
    params: Params,
    runs: Mapping[str, str],
    rows: list[Row],
    shown: display.Display,
) -> None:
    """Decide on each student that is new and evaluated; rounds of feedback and sweeps evaluate none."""
    for row in rows:
        language = row["language"]
        names = [f"{stage}@{language}" for stage in ("student", "evaluation")]
        if all(name in runs for name in names):
            scores = {name: row[name] for name in ("accuracy", "macro_f1") if row[name] is not None}
            data = project / "data"
            trained = Trained(
                language=language,
                run=runs[names[0]],
                answers=data / f"student/{language}/held_out.parquet",
                card=data / f"evaluation/{language}/model_card.md",
                shown=scores,
            )
            decided = record.promote(project, trained, params)
            if decided is not None:
                _say(shown, decided)


def tell_not_recorded(
    record: FlowRecorder, ended: Iterable[str], runs: Mapping[str, str], shown: display.Display
) -> None:
    """Say which stages ended well in this flow without a whole record of it, where there was to be one."""
    missing = [stage for stage in ended if stage not in runs]
    if record.wanted and missing:
        _say(
            shown,
            f"warning: not recorded in MLflow, or not to the end: {', '.join(missing)}. Their results are whole. To have one "
            f"recorded, run it again while MLflow answers: dvc repro --single-item --force {missing[0]}",
            logging.WARNING,
        )


def _say(shown: display.Display, text: str, level: int = logging.INFO) -> None:
    """Tell it where the flow was started, and in the log of its run."""
    get_run_logger().log(level, "%s", text)
    shown.said(text)


def show(record: FlowRecorder, rows: list[Row]) -> None:
    """Record the results, and put them as a table on the page of the flow's run."""
    if rows:
        record.table("results.json", rows)
        record.metrics(numbers(rows))
        table = [dict(zip(HEADINGS, cells(row), strict=True)) for row in rows]
        create_table_artifact(key="results", table=table, description="Students beside their teacher")
