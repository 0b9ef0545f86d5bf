"""Distil a student of one target language from the cached soft labels."""

from pathlib import Path
from typing import TYPE_CHECKING

from kdmodels.student_card import student_card
from tasks.distilling import distilled
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder


def student(
    tokens: Path,
    soft_labels: Path,
    teacher: Path,
    labelled: Path,
    train: Path,
    out: Path,
    params: Params,
    record: "Recorder",
) -> None:
    """Write the student as a Hugging Face folder, its agreement with the teacher and its training's history.

    Target labels are read only where `student.label_loss` is not none.
    """
    target = tokens.name
    texts = None if params.student.label_loss == "none" else labelled
    model, pairs = distilled(
        f"student-{target}", tokens, soft_labels, teacher, texts, train, out, params.student, params, record
    )
    folder = out / "model"
    (folder / "README.md").write_text(
        student_card(
            source=params.source,
            target=target,
            teacher=Path(params.teacher.init).name,
            model=model,
            pairs=pairs,
            target_labels=texts is not None,
            glosses=params.student.glosses.loss != "none",
        ),
        encoding="utf-8",
    )
    record.student_model(folder, target, params.recording.register_students)
