"""The feedback flow: rounds in which what students could not follow decides how their teacher is fine-tuned next.

The graph stays one without a loop: the teacher reads a small file that git tracks, and this flow rewrites it between
runs of the pipeline. A round that has been run before comes out of DVC's run cache, so a flow that was killed goes on
where it stopped when it is started again.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prefect import flow

from flows.feedback_report import write_report
from flows.pipeline import pipeline
from flows.stage_python import stage_python
from kdmodels.feedback import NEUTRAL, Answers, Feedback, next_feedback, read_feedback, teaches, write_feedback
from kdmodels.files import read_json
from kdmodels.tables import read_table
from tasks import places
from tasks.config import load_params
from tasks.recording import FlowRecorder, recorded_flow
from tasks.sections import Params

NAME = "feedback"
FILE = places.FEEDBACK
FOLDER = Path("feedback")
_TEACHER = Path("data/teacher/metrics.json")
_LABELS = Path("data/labelled/labels.json")


@dataclass(frozen=True)
class Round:
    """What one round came to.

    Attributes:
        feedback: what the teacher was told
        valid_accuracy: the teacher's, on the source validation split
        agreement: of the students with the first teacher, on the pairs that judge, all languages together
        of_target: the same of each language
        own_agreement: of the students with the teacher of the round
        accepted: whether neither of the first two is worse than the first round's by more than the margin
    """

    feedback: Feedback
    valid_accuracy: float
    agreement: float
    of_target: dict[str, float]
    own_agreement: float
    accepted: bool


@dataclass(frozen=True)
class _HeldOut:
    """The held-out pairs of all languages, in the same order in every round."""

    hashes: list[str]
    teacher: list[str]
    student: list[str]
    confidence_N: NDArray[np.float64]
    target: list[str]


@flow(
    name=NAME,
    description="Fine-tunes the teacher anew by what its students could not follow, as long as that does no harm.",
    persist_result=False,
)
def feedback(root: str) -> list[Round]:
    """Run the rounds, leave the project at the best of those that were accepted, and bring it up to date.

    Returns:
        the rounds, the first with a teacher that was told nothing

    Raises:
        BadInputError: where params.yaml or the file is wrong; nothing has run then.
        PipelineFailedError: where a stage failed; the project is left at the best round until then.
    """
    project = Path(root).absolute()
    params = load_params(project)
    rounds: list[Round] = []
    earlier = read_feedback(project / FILE, None)
    with stage_python(project, params), recorded_flow(project, params, NAME) as record:
        try:
            _run(project, params, record, rounds)
        finally:  # also where a round failed: what was not accepted does not stay
            write_feedback(project / FILE, best(rounds).feedback if rounds else earlier)
        pipeline(root, parent=record.id)
        write_report(project / FOLDER, rounds, rounds.index(best(rounds)), params.feedback.margin)
        record.artifact(project / FOLDER)
        record.metrics({"accepted_rounds": float(sum(one.accepted for one in rounds[1:]))})
    return rounds


def best(rounds: list[Round]) -> Round:
    """Return the accepted round whose students are nearest to the first teacher, the earliest where several are."""
    accepted = [one for one in rounds if one.accepted]
    return max(accepted, key=lambda one: (one.agreement, one.valid_accuracy, -one.feedback.round))


def _run(project: Path, params: Params, record: FlowRecorder, rounds: list[Round]) -> None:
    """Append one round after the other; after one that was not accepted the next takes half the step from the last that was."""
    numbers = params.feedback
    told, step = NEUTRAL, 1.0
    first_teacher: dict[str, str] = {}
    standing: tuple[Feedback, _HeldOut] | None = None
    for number in range(numbers.rounds + 1):
        write_feedback(project / FILE, told)
        with recorded_flow(project, params, f"round {number}", record.id) as own:
            pipeline(str(project), [f"student@{target}" for target in params.targets], parent=own.id)
            held = _held_out(project, params.targets)
            first_teacher = first_teacher or dict(zip(held.hashes, held.teacher, strict=True))
            found = _judged(project, held, first_teacher, told, rounds, params)
            _note(own, found)
        rounds.append(found)
        if found.accepted or standing is None:
            standing, step = (told, held), 1.0
        else:
            step /= 2
        before, answers = standing
        labels: list[str] = read_json(project / _LABELS)
        told = next_feedback(
            before,
            _teaching(answers),
            labels,
            strength=numbers.strength * step,
            smoothing=numbers.smoothing * step,
            limit=numbers.limit,
            prior=numbers.prior,
        )
        if (told.weight, told.smoothing) == (before.weight, before.smoothing):
            break  # the students have nothing more to say
        told = replace(told, round=number + 1)


def _held_out(project: Path, targets: list[str]) -> _HeldOut:
    columns = ["source_hash", "teacher", "student", "confidence"]
    tables = [read_table(project / f"data/student/{target}/held_out.parquet", columns) for target in targets]
    whole = {name: [value for table in tables for value in table[name].to_pylist()] for name in columns}
    return _HeldOut(
        whole["source_hash"],
        whole["teacher"],
        whole["student"],
        np.array(whole["confidence"], dtype=np.float64),
        [target for target, table in zip(targets, tables, strict=True) for _ in table["student"]],
    )


def _teaching(held: _HeldOut) -> Answers:
    """Return the answers to the pairs that may tell the teacher something; all, where a hash put none there."""
    chosen = teaches(held.hashes)
    rows = np.flatnonzero(chosen) if chosen.any() else np.arange(len(chosen))
    return Answers([held.teacher[i] for i in rows], [held.student[i] for i in rows], held.confidence_N[rows])


def _judged(
    project: Path,
    held: _HeldOut,
    first_teacher: dict[str, str],
    told: Feedback,
    rounds: list[Round],
    params: Params,
) -> Round:
    first = np.array([first_teacher[name] for name in held.hashes])
    student, teacher, target = np.array(held.student), np.array(held.teacher), np.array(held.target)
    judges = ~teaches(held.hashes)
    if not judges.any():
        judges = np.ones(len(judges), dtype=bool)
    equal = student == first
    accuracy = float(read_json(project / _TEACHER)["valid"]["accuracy"])
    agreement = float(equal[judges].mean())
    margin = params.feedback.margin
    rows_of = {name: judges & (target == name) for name in params.targets}
    of_target = {name: float(equal[rows].mean()) for name, rows in rows_of.items() if rows.any()}
    accepted = not rounds or (
        accuracy >= rounds[0].valid_accuracy - margin and agreement >= rounds[0].agreement - margin
    )
    return Round(told, accuracy, agreement, of_target, float((student == teacher)[judges].mean()), accepted)


def _note(record: FlowRecorder, found: Round) -> None:
    values = {"valid/accuracy": found.valid_accuracy, "agreement": found.agreement}
    values |= {f"agreement/{target}": value for target, value in found.of_target.items()}
    values |= {f"weight/{label}": value for label, value in found.feedback.weight.items()}
    values |= {f"smoothing/{label}": value for label, value in found.feedback.smoothing.items()}
    record.metrics(values | {"own_agreement": found.own_agreement, "accepted": float(found.accepted)})
