"""The sections of params.yaml as typed, frozen models. No default stands here: params.yaml is the place of values."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _inside(value: str) -> str:
    if ".." in Path(value).parts or "\0" in value or Path(value).is_absolute():
        raise ValueError(
            "may not contain '..' or start with '/'; outside data is reached through a link, data/external"
        )
    return value


def _once(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError("a name stands in it twice")
    return values


def _absent(value: Any) -> Any:
    return None if value == "none" else value


Or = BeforeValidator(_absent)  # a value or the word none
Place = Annotated[str, Field(min_length=1), AfterValidator(_inside)]
OptionalText = Annotated[Annotated[str, Field(min_length=1)] | None, Or]
OptionalShare = Annotated[Share | None, Or]
Span = Annotated[Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)] | None, Or]


class Section(BaseModel):
    """A frozen section of params.yaml: unknown keys, wrong types and infinities are refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Sources(Section):
    folder: Place
    compare_ids: bool
    refresh: Literal["pinned", "latest"]
    maximum_gigabytes: Annotated[float, Field(gt=0)]
    maximum_ratio: Annotated[float, Field(gt=1)]
    attempts: Positive
    timeout: Annotated[float, Field(gt=0)]


class Labelled(Section):
    source: Name
    options: dict[str, Any]
    label_map: dict[str, Annotated[str, Field(min_length=1)]]
    cap: Annotated[Positive | None, Or]
    valid_share: Annotated[float, Field(ge=0, le=0.5)]
    test_share: Annotated[float, Field(ge=0, le=0.5)]
    target_labels: bool
    leaks: Literal["remove", "strict"]


class Slot(Section):
    source: Name
    cap: Annotated[Positive | None, Or]
    weight: Annotated[float, Field(gt=0, le=100)]
    options: dict[str, Any]


class Cleaning(Section):
    mend_encoding: bool
    characters: Span
    words: Span
    word_characters: Annotated[Positive | None, Or]
    length_ratio: Annotated[Annotated[float, Field(ge=1)] | None, Or]
    similarity: OptionalShare
    letters: OptionalShare
    script: OptionalShare
    numbers: OptionalShare
    html: bool
    language: OptionalShare
    languages: list[Language]
    near_duplicates: OptionalShare
    leak_near: OptionalShare
    translation_score: OptionalShare
    translation_sample: Positive
    translation_iterations: Positive
    maximum_loss: Share


class Corpus(Section):
    first: Slot
    second: Slot
    third: Slot
    held_out: Annotated[float, Field(ge=0.01, le=0.5)]
    leaks: Literal["remove", "strict"]
    cleaning: Cleaning

    @property
    def slots(self) -> dict[str, Slot]:
        """Return the slots by name, in their order."""
        return {"first": self.first, "second": self.second, "third": self.third}


class Tokens(Section):
    vocabulary_size: Annotated[int, Field(ge=64, le=1_000_000)]
    lowercase: bool
    maximum_length: Annotated[int, Field(ge=4, le=8192)]
    trimmed_from: OptionalText


class Training(Section):
    epochs: Positive
    batch_size: Positive
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    warmup_share: Share
    weight_decay: Annotated[float, Field(ge=0)]
    precision: Literal["float32", "bfloat16"]


class Teacher(Training):
    init: Annotated[str, Field(min_length=1)]
    revision: OptionalText
    weights_sha256: Annotated[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None, Or]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    folds: Annotated[Annotated[int, Field(ge=2, le=20)] | None, Or]


class SoftLabels(Section):
    batch_rows: Positive
    bucket: Positive
    shard_rows: Positive

    @model_validator(mode="after")
    def _whole_batches(self) -> "SoftLabels":
        if self.shard_rows % self.batch_rows:
            raise ValueError(
                f"shard_rows {self.shard_rows} is no multiple of batch_rows {self.batch_rows}: "
                "a resumed run would cut other batches than an undisturbed one"
            )
        return self


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
    pair_weight: Literal["none", "confidence", "translation", "both"]
    hidden_phase: HiddenPhase
    frozen: Frozen
    evaluations_per_epoch: Positive

    @model_validator(mode="after")
    def _learns(self) -> "Student":
        if {self.output_loss, self.hidden_loss, self.label_loss} == {"none"}:
            raise ValueError("output_loss, hidden_loss and label_loss are all none: the student would learn nothing")
        if isinstance(self.temperature, Change) and min(self.temperature.start, self.temperature.end) <= 0:
            raise ValueError("temperature: start and end must be above 0")
        return self


class Control(Section):
    chosen: Annotated[
        list[Literal["tf_idf", "hard_labels", "random_weights", "target_labels"]],
        Field(min_length=1),
        AfterValidator(_once),
    ]


class Evaluation(Section):
    batch_rows: Positive
    resamples: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0, lt=1)]
    calibration_bins: Annotated[int, Field(ge=2)]
    speed_texts: Positive
    speed_repeats: Positive


class Sweep(Section):
    designs: Annotated[dict[Name, dict[str, Any]], Field(min_length=2)]
    temperatures: Annotated[list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=1)]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    level: Annotated[float, Field(gt=0, lt=1)]


class Recording(Section):
    experiment: Annotated[str, Field(min_length=1)]
    register_students: Annotated[bool, Field(alias="register")]


class Pipeline(Section):
    retries: Annotated[int, Field(ge=0)]
    retry_delay: Annotated[float, Field(ge=0)]


class Params(Section):
    """The whole of params.yaml."""

    seed: Seed
    threads: Positive
    source: Language
    targets: Annotated[list[Language], Field(min_length=1)]
    sources: Sources
    labelled: Labelled
    corpus: Corpus
    tokens: Tokens
    teacher: Teacher
    soft_labels: SoftLabels
    student: Student
    control: Control
    evaluation: Evaluation
    sweep: Sweep
    recording: Recording
    pipeline: Pipeline

    @model_validator(mode="after")
    def _languages_differ(self) -> "Params":
        if self.source in self.targets:
            raise ValueError(f"targets: {self.source!r} is the source language; name others")
        if len(set(self.targets)) != len(self.targets):
            raise ValueError("targets: a language stands in it twice")
        return self
