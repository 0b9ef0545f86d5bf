"""Where things live that outlast a stage's outputs: the label store, checkpoints, the tracking database.

They are kept at an absolute path, which `dvc exp run` finds too: it works in temporary copies below `.dvc/tmp/exps`.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

FEEDBACK = Path("feedback.json")  # in the project: what students tell the teacher, tracked by git
CONTROL_NOTE = "control.json"  # in a control's folder: whether it was made, and why not
HELD_OUT = "held_out.parquet"  # in a student's or control's folder: its answers on held-out pairs beside the teacher's


def home(root: Path) -> Path:
    """Return the folder of what outlasts outputs: `DISTILINGUA_HOME`, or `.distilingua` in the project.

    In a temporary copy of the project made by `dvc exp run` it is the folder of the project it was copied from.
    """
    chosen = os.environ.get("DISTILINGUA_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    root = root.absolute()
    for parent in root.parents:
        if parent.parts[-3:] == (".dvc", "tmp", "exps"):
            return parent.parents[2] / ".distilingua"
    return root / ".distilingua"


def label_store(root: Path) -> Path:
    """Return the folder of the label store."""
    return home(root) / "labels"


def checkpoints(root: Path) -> Path:
    """Return the folder below which each training keeps its checkpoints until it ends."""
    return home(root) / "checkpoints"


def student(root: Path, language: str) -> Path:
    """Return the Hugging Face folder of a student."""
    return root / "data/student" / language / "model"


def export(root: Path, language: str) -> Path:
    """Return the folder of a student's ONNX model, unless another was asked for."""
    return root / "exports" / language


def partial_output(out: Path) -> Path:
    """Return the folder a stage writes to before its output is whole."""
    return out.with_name(f".{out.name}.partial")


def published(partial: Path) -> Path:
    """Return the folder that a stage's output becomes, from the folder it is written to before."""
    return partial.with_name(partial.name.removeprefix(".").removesuffix(".partial"))


def remove_others(folder: Path, names: Sequence[str]) -> list[str]:
    """Remove the outputs in a folder that no stage has any more, half-written ones too, and return what they are called.

    Args:
        names: of the outputs that stages have there
    """
    others = [path for path in sorted(folder.glob("*")) if published(path).name not in names]
    for path in others:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return [path.name for path in others]


def tracking_store(root: Path) -> str:
    """Return where runs are recorded: `MLFLOW_TRACKING_URI`, or a SQLite database that outlasts outputs."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home(root) / 'mlflow.db'}"


def tracking_artifacts(root: Path) -> Path:
    """Return the folder of recorded files and models; a tracking server keeps them in a place of its own."""
    return home(root) / "mlartifacts"
