"""Teach teacher and student together on their pairs: mutual distillation, after the student was distilled."""

from pathlib import Path
from typing import TYPE_CHECKING

from kdmodels.files import write_json
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder


def joint(
    tokens: Path,
    soft_labels: Path,
    teacher: Path,
    student: Path,
    train: Path,
    valid: Path,
    out: Path,
    params: Params,
    record: "Recorder",
) -> None:
    """Write both models as Hugging Face folders, their scores before and after, and whether they are accepted.

    They are where neither the teacher's accuracy on the source validation split nor the student's agreement with the
    teacher as it was before, on the part of the held-out pairs that chose no checkpoint, is worse by more than
    `feedback.margin`. With `joint.epochs: none` nothing is trained, and the metrics say so.
    """
    (out / "models").mkdir()
    if params.joint.epochs is None:  # the usual case, which imports nothing that takes seconds
        write_json(out / "metrics.json", {"made": False, "reason": "joint.epochs is none"})
        (out / "training.csv").write_text("step\n", encoding="utf-8")
        return
    from tasks.joint_learning import learned_together

    learned_together(tokens, soft_labels, teacher, student, train, valid, out, params, record)
