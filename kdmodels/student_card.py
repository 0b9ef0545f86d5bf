"""The model card that lies beside a student: what it is and how to use it, without results."""

from typing import Any

_CARD = """---
language: {target}
library_name: transformers
pipeline_tag: text-classification
tags:
- knowledge-distillation
- cross-lingual
---

# Text classifier for `{target}`, distilled from `{source}`

A small classifier of `{target}` text. It learned from the soft labels that a teacher gave to the `{source}` side of
{pairs} sentence pairs, reading only their `{target}` side; {labelled} labelled `{target}` text was used{glosses}.

| | |
|---|---|
| teacher | `{teacher}`, fine-tuned on labelled `{source}` text |
| architecture | {architecture}, {parameters:,} parameters |
| labels | {labels} |

```python
{use}
```

Its scores, with the controls they stand beside, are in the evaluation that was made of it.
It inherits the teacher's errors and the biases of the parallel corpus; measure it on text of your own before you rely on it.
"""


_PIPELINE = """from transformers import pipeline

classify = pipeline("text-classification", "path/to/this/folder")"""
_PREDICTOR = """from pathlib import Path
from kdmodels.inference import Predictor

answers = Predictor(Path("path/to/this/folder"), batch_rows=32).predict(["..."])"""


def student_card(
    *, source: str, target: str, teacher: str, model: Any, pairs: int, target_labels: bool, glosses: bool
) -> str:
    """Return the card of a student as Markdown; the same text for the same student.

    Args:
        target_labels: whether it learned from labelled target text too
        glosses: whether it learned from glosses of labelled source text too
    """
    return _CARD.format(
        source=source,
        target=target,
        teacher=teacher,
        pairs=pairs,
        labelled="some" if target_labels else "no",
        glosses=f", and labelled `{source}` text was glossed word for word" if glosses else "",
        use=_PREDICTOR if hasattr(model.config, "architecture") else _PIPELINE,
        architecture=_architecture(model),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        labels=", ".join(f"`{model.config.id2label[i]}`" for i in range(model.config.num_labels)),
    )


def _architecture(model: Any) -> str:
    config = model.config
    if hasattr(config, "architecture"):
        return f"{config.architecture} of kdmodels/students"
    return f"{type(model).__name__}, {config.num_hidden_layers} layers"
