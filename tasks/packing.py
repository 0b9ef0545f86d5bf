"""A student as an MLflow model that predicts anywhere. With tracking.py the place of MLflow."""

import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kdmodels.files import read_json

_SCRIPT = Path(__file__).with_name("packed_student.py")
_LIBRARY = Path(__file__).parents[1] / "kdmodels"


def pack(folder: Path, packed: Path, model: Any, run: str) -> None:
    """Write a student's folder as an MLflow model that gives label and score of texts; it holds no pickle.

    A student that transformers knows becomes its pipeline. One of an architecture of our own takes along kdmodels and
    the script that MLflow runs.

    Args:
        folder: the Hugging Face folder
        packed: where the MLflow model is written
        model: the logged model that it becomes
        run: the run that made it
    """
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.string)]),
        outputs=Schema([ColSpec(DataType.string, "label"), ColSpec(DataType.double, "score")]),
    )
    made = Model(artifact_path=model.artifact_location, model_uuid=model.model_id, run_id=run, model_id=model.model_id)
    own = "architecture" in read_json(folder / "config.json")
    (_own if own else _pipeline)(folder, packed, made, signature)


def _own(folder: Path, packed: Path, made: Any, signature: Any) -> None:
    from mlflow.pyfunc import save_model

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Add type hints to the `predict` method")  # a signature is given
        save_model(
            str(packed),
            python_model=str(_SCRIPT),
            artifacts={"student": str(folder.absolute())},
            code_paths=[str(_LIBRARY)],
            mlflow_model=made,
            signature=signature,
            pip_requirements=_requirements(
                "mlflow", "torch", "transformers", "numpy", "scipy", "pandas", "safetensors"
            ),
        )


def _pipeline(folder: Path, packed: Path, made: Any, signature: Any) -> None:
    from huggingface_hub import ModelCard
    from mlflow.transformers import save_model
    from transformers import pipeline
    from transformers.utils import logging as logs

    card = folder / "README.md"
    bars = logs.is_progress_bar_enabled()
    logs.disable_progress_bar()
    try:
        save_model(
            # MLflow also takes a folder's name, but fails on it with transformers 5; an absolute one is no hub's name
            pipeline("text-classification", str(folder.absolute()), device="cpu"),
            str(packed),
            mlflow_model=made,
            model_card=ModelCard.load(card) if card.is_file() else None,
            model_config={"truncation": True},  # a longer text is cut, as everywhere else in the project
            signature=signature,
            input_example=["OK"],
            pip_requirements=_requirements("mlflow", "torch", "transformers"),
        )
    finally:
        if bars:
            logs.enable_progress_bar()


def _requirements(*names: str) -> list[str]:
    return [f"{name}=={version(name).split('+')[0]}" for name in names]
