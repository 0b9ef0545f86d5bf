"""The sections of params.yaml that say how teachers and students learn."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from kdmodels.parts import check_complete
from tasks.section_types import Name, OptionalText, Or, Positive, Section, Seed, Share

Precision = Literal["float32", "bfloat16"]


class Training(Section):
    epochs: Positive
    batch_size: Positive
    processes: Positive
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    warmup_share: Share
    weight_decay: Annotated[float, Field(ge=0)]
    precision: Precision

    @model_validator(mode="after")
    def _batches_are_shared_evenly(self) -> "Training":
        if self.batch_size % self.processes:
            raise ValueError(
                f"{self.processes} processes cannot share a batch_size of {self.batch_size} evenly; take a multiple of "
                "processes"
            )
        return self


class Untrained(Section):
    vocabulary_size: Annotated[int, Field(ge=64, le=1_000_000)]
    lowercase: bool
    embedding_width: Positive
    hidden_width: Positive
    depth: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Teacher(Training):
    init: Annotated[str, Field(min_length=1)]
    revision: OptionalText
    weights_sha256: Annotated[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None, Or]
    frozen_layers: Annotated[int, Field(ge=0, le=1000)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    folds: Annotated[Annotated[int, Field(ge=2, le=20)] | None, Or]
    untrained: Untrained

    @model_validator(mode="after")
    def _has_layers_to_freeze(self) -> "Teacher":
        if self.init == "bilstm" and self.frozen_layers:
            raise ValueError(f"frozen_layers: {self.frozen_layers}, and init: bilstm starts untrained; set it to 0")
        return self


def _complete(parts: list[str]) -> list[str]:
    check_complete(parts)
    return parts


class Labelling(Section):
    parts: Annotated[list[str], AfterValidator(_complete)]
    batch_rows: Positive
    bucket: Positive
    backend: Literal["torch", "onnxruntime"]
    precision: Precision

    @model_validator(mode="after")
    def _has_precision(self) -> "Labelling":
        if self.backend == "onnxruntime" and self.precision != "float32":
            raise ValueError(f"precision {self.precision} is one of the backend torch; onnxruntime has float32")
        return self


class SoftLabels(Section):
    shard_rows: Positive
    logits: Literal["float32", "float16"]
    top_classes: Annotated[Positive | None, Or]
    hidden: Literal["float32", "float16", "none"]


class Change(Section):
    """A number that changes over the training."""

    shape: Literal["linear", "cosine"]
    start: Annotated[float, Field(ge=0)]
    end: Annotated[float, Field(ge=0)]


class Alignment(Section):
    iterations: Positive
    symmetrised: bool


class HiddenPhase(Section):
    loss: Name
    epochs: Positive
    learning_rate: Annotated[float, Field(gt=0, lt=1)]


class Glosses(Section):
    loss: Name
    weight: "Weight"
    copies: Annotated[int, Field(ge=1, le=1000)]
    candidates: Annotated[int, Field(ge=1, le=1000)]


class Frozen(Section):
    embeddings: Annotated[float, Field(ge=0, le=1)]
    body: Annotated[float, Field(ge=0, le=1)]


def _form(value: Any) -> str:
    return CHANGING if isinstance(value, dict | Change) else FIXED


FIXED, CHANGING = "a number", "a change"  # forms of a value; only that which was meant is told of where it is wrong
Weight = Annotated[
    Annotated[float, Field(ge=0, le=1000), Tag(FIXED)] | Annotated[Change, Tag(CHANGING)], Discriminator(_form)
]
Temperature = Annotated[
    Annotated[float, Field(gt=0, le=100), Tag(FIXED)] | Annotated[Change, Tag(CHANGING)], Discriminator(_form)
]


class Student(Training):
    seed: Seed
    architecture: Name
    options: dict[str, Any]
    alignment: Alignment
    dropout: Annotated[float, Field(ge=0, lt=1)]
    output_loss: Name
    output_weight: Weight
    temperature: Temperature
    hidden_loss: Name
    hidden_weight: Weight
    label_loss: Name
    label_weight: Weight
    pairs: Annotated[Positive | None, Or]
    pair_weight: Literal["none", "confidence", "translation", "both"]
    glosses: Glosses
    hidden_phase: HiddenPhase
    frozen: Frozen
    evaluations_per_epoch: Positive

    @model_validator(mode="after")
    def _learns(self) -> "Student":
        if {self.output_loss, self.hidden_loss, self.label_loss, self.glosses.loss} == {"none"}:
            raise ValueError(
                "output_loss, hidden_loss, label_loss and glosses.loss are all none: the student would learn nothing"
            )
        if isinstance(self.temperature, Change) and min(self.temperature.start, self.temperature.end) <= 0:
            raise ValueError("temperature: start and end must be above 0")
        return self


class Joint(Training):
    epochs: Annotated[Positive | None, Or]  # type: ignore[assignment]
    temperature: Annotated[float, Field(gt=0, le=100)]
    teacher_weight: Annotated[float, Field(ge=0, le=1000)]
    label_weight: Annotated[float, Field(ge=0, le=1000)]
    evaluations_per_epoch: Positive


class Feedback(Section):
    rounds: Annotated[int, Field(ge=0, le=100)]
    strength: Annotated[float, Field(ge=0, le=10)]
    smoothing: Annotated[float, Field(ge=0, lt=1)]
    limit: Annotated[float, Field(gt=1, le=1000)]
    prior: Annotated[float, Field(gt=0)]
    margin: Annotated[float, Field(ge=0, le=1)]
