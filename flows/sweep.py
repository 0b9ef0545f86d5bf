"""The sweep flow: which loss design works on this data, over temperatures and seeds, with no teacher pass of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows import display
from flows.pipeline import PipelineFailedError, pipeline, room, run_ready
from flows.stage_python import stage_python
from flows.sweep_report import write_report
from kdmodels.comparison import Bootstrap
from kdmodels.errors import BadInputError
from kdmodels.ranking import Place, kendall_tau, ranked
from kdmodels.tables import read_table
from tasks import experiments, places
from tasks.config import load_params
from tasks.designs import Design, designs_of
from tasks.graph import Graph
from tasks.guard import Processes
from tasks.recording import FlowRecorder, recorded_flow
from tasks.sections import Params
from tasks.stage import locked_outputs

NAME = "sweep"
FOLDER = Path("sweep")
_HELD_OUT = "data/student/{target}/held_out.parquet"
_MODEL = "data/student/{target}/model"
_TEST = "data/labelled/test/{target}.parquet"
_INPUTS = ("tokens@{target}", "soft_labels@{target}", "teacher", "labelled")


@dataclass(frozen=True)
class Candidate:
    """One training of a design."""

    design: Design
    seed: int
    experiment: str

    @property
    def title(self) -> str:
        """Return what a person calls it."""
        return f"{self.design.name}, seed {self.seed}"


@flow(
    name=NAME,
    description="Trains students of several loss designs and ranks them on held-out pairs.",
    persist_result=False,
)
def sweep(root: str, target: str) -> list[Place]:
    """Run every candidate that has no result yet, and rank the designs.

    Args:
        root: the project's folder.
        target: the language of the students.

    Returns:
        the designs, the best first

    Raises:
        BadInputError: where params.yaml is wrong or the language is none of the targets; nothing has run then.
        PipelineFailedError: where candidates failed; the others have run, the report ranks the designs without them, and a
            second sweep goes on from there.
    """
    project = Path(root).absolute()
    params = load_params(project)
    if target not in params.targets:
        raise BadInputError(
            f"--target {target!r} is not one of the targets in params.yaml: {', '.join(params.targets)}"
        )
    found = designs_of(params)
    done_before = experiments.finished(project)
    pipeline(root, [f"soft_labels@{target}"])
    experiments.check_tracked(project)
    inputs = _inputs(project, target)
    candidates = [
        Candidate(
            design,
            seed,
            experiments.name_of(
                project, target, design.section.model_copy(update={"seed": seed}), inputs, params.threads
            ),
        )
        for design in found
        for seed in params.sweep.seeds
    ]
    with recorded_flow(project, params, NAME) as record:
        failures = _run(project, target, candidates, done_before, params, record)
        whole = _whole(found, candidates, failures)
        if len(whole) < 2:  # nothing to compare
            raise PipelineFailedError(failures, [])
        found, candidates = whole, [one for one in candidates if one.design in whole]
        ranking = _rank(project, target, candidates, params)
        folder = project / FOLDER / target
        tau = _tau(project, target, candidates, ranking, params)
        numbers = params.sweep
        write_report(folder, target, ranking, found, numbers.seeds, params.evaluation.confidence, numbers.level, tau)
        record.metrics({f"{place.name}/agreement": place.agreement["value"] for place in ranking})
        record.artifact(folder)
        if failures:
            raise PipelineFailedError(failures, [])
    return ranking


def _whole(designs: list[Design], candidates: list[Candidate], failures: dict[str, BaseException]) -> list[Design]:
    """Return the designs of which every training has ended well."""
    failed = {one.design.name for one in candidates if one.title in failures}
    return [design for design in designs if design.name not in failed]


def _inputs(project: Path, target: str) -> dict[str, str]:
    made = locked_outputs(project)
    return {
        path: md5 for stage in _INPUTS for path, md5 in made.get(stage.format(target=target), {}).items()
        if not path.endswith((".json", ".csv"))
    }  # fmt: skip


def _run(
    project: Path,
    target: str,
    candidates: list[Candidate],
    done: set[str],
    params: Params,
    record: FlowRecorder,
) -> dict[str, BaseException]:
    """Run the candidates without a result, as many at once as there is room for, and return the errors of those that failed."""
    shown = display.current()
    waiting = {one.title: one for one in candidates if one.experiment not in done}
    fresh = [one.title for one in candidates if one.title not in waiting]
    shown.planned(fresh, list(waiting))
    processes = Processes()
    run = _candidate_task(project, target, record.environment, shown.line, processes)
    every = Graph({title: frozenset() for title in waiting}, dict.fromkeys(waiting))
    with stage_python(project, params) as processes.python:
        try:
            return run_ready(
                every, set(waiting), room(params.most_threads), lambda title: run.submit(title, waiting[title]), shown
            )
        except BaseException:
            processes.close()
            raise


def _candidate_task(
    project: Path, target: str, environment: Any, line: Callable[[str, str], None], processes: Processes
) -> Any:
    @task(name="candidate", task_run_name="{title}", cache_policy=NO_CACHE, persist_result=False)
    def candidate(title: str, one: Candidate) -> None:
        log = get_run_logger()

        def tell(text: str) -> None:
            log.info("%s", text)
            line(title, text)

        changes = {f"student.{key}": value for key, value in {**one.design.changes, "seed": one.seed}.items()}
        experiments.run_candidate(project, one.experiment, f"student@{target}", changes, environment, tell, processes)

    return candidate


def _rank(project: Path, target: str, candidates: list[Candidate], params: Params) -> list[Place]:
    agreement: dict[str, list[Any]] = {}
    divergence: dict[str, list[Any]] = {}
    store = places.home(project) / NAME
    for one in candidates:
        path = store / f"{one.experiment}.parquet"
        if not path.is_file():
            store.mkdir(parents=True, exist_ok=True)
            experiments.fetch(project, one.experiment, _HELD_OUT.format(target=target), path)
        table = read_table(path, ["teacher", "student", "divergence"])
        equal = np.array(table["teacher"].to_pylist()) == np.array(table["student"].to_pylist())
        agreement.setdefault(one.design.name, []).append(equal.astype(np.float64))
        divergence.setdefault(one.design.name, []).append(table["divergence"].to_numpy())
    numbers = params.evaluation
    return ranked(
        {name: np.stack(rows) for name, rows in agreement.items()},
        {name: np.stack(rows) for name, rows in divergence.items()},
        reference=candidates[0].design.name,
        level=params.sweep.level,
        draws=Bootstrap(numbers.resamples, numbers.confidence, params.seed),
    )


def _tau(project: Path, target: str, candidates: list[Candidate], ranking: list[Place], params: Params) -> float | None:
    """Return how well the ranking on held-out pairs agrees with that on the target test set, where there is one."""
    table = read_table(project / _TEST.format(target=target), ["text", "label"])
    texts, labels = table["text"].to_pylist(), table["label"].to_pylist()
    if not texts:
        return None
    from tasks.systems import Reader

    accuracy: dict[str, list[float]] = {}
    for one in candidates:
        folder = places.home(project) / NAME / one.experiment
        if not folder.is_dir():
            experiments.fetch(project, one.experiment, _MODEL.format(target=target), folder)
        reader = Reader(folder, params.evaluation.batch_rows)
        answers = [reader.labels[number] for number in reader.texts(texts).argmax(axis=1)]
        right = [ours == theirs for ours, theirs in zip(answers, labels, strict=True)]
        accuracy.setdefault(one.design.name, []).append(sum(right) / len(right))
    means = [sum(accuracy[place.name]) / len(accuracy[place.name]) for place in ranking]
    return kendall_tau([place.agreement["value"] for place in ranking], means)
