"""A student of an architecture of our own as an MLflow model: what MLflow runs when it loads one.

MLflow copies this file and kdmodels beside the model, and runs it by itself; nothing else of the project is there then.
"""

from pathlib import Path
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class PackedStudent(PythonModel):  # type: ignore[misc]
    """Labels texts as `distilingua predict` does."""

    def load_context(self, context: Any) -> None:
        """Read the student that lies beside."""
        from kdmodels.inference import Predictor

        self._predictor = Predictor(Path(context.artifacts["student"]), batch_rows=32)

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow reads hints as schemas
        """Return label and score of each text, as a pipeline of transformers does under MLflow."""
        import pandas as pd

        del context, params
        column = model_input.iloc[:, 0] if isinstance(model_input, pd.DataFrame) else model_input
        found = list(self._predictor.predict([str(text) for text in column]))
        return pd.DataFrame({"label": [one.label for one in found], "score": [one.probability for one in found]})


set_model(PackedStudent())
