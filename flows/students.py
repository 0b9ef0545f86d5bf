"""Finding the student of a language for the commands that use one."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kdmodels.errors import BadInputError

if TYPE_CHECKING:
    from kdmodels.inference import Predictor
    from tasks.sections import Params


def student_folder(root: Path, params: "Params", target: str) -> Path:
    """Return the folder of a language's student.

    Raises:
        BadInputError: where it is none of the targets, or there is no student yet.
    """
    from tasks.places import student

    if target not in params.targets:
        raise BadInputError(
            f"--target {target!r} is not one of the targets in params.yaml: {', '.join(params.targets)}. "
            "To add a language: one word there, then distilingua run"
        )
    folder = student(root, target)
    if not folder.is_dir():
        raise BadInputError(f"{folder}: there is no student for {target!r} yet. To train it: distilingua run")
    return folder


def predictor_of(root: Path, params: "Params", target: str, tell: Callable[[str], None]) -> "Predictor":
    """Return what labels texts of a language: the student's export where there is one of it, else the student itself.

    Args:
        tell: is told why an export that is there is not used
    """
    from kdmodels.inference import Predictor
    from tasks.exporting import exported
    from tasks.places import export

    folder = student_folder(root, params, target)
    rows = params.evaluation.batch_rows
    if export(root, target).is_dir():
        try:
            found, why = exported(root, target)
            if found is not None:
                return Predictor(found, rows)
        except BadInputError as error:
            why = str(error)
        tell(f"note: the student itself answers: {why}")
    return Predictor(folder, rows)
