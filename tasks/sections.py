"""The sections of params.yaml as typed, frozen models. No default stands here: params.yaml is the place of values."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from kdmodels.control_names import check_first
from tasks.learning_sections import CHANGING as CHANGING
from tasks.learning_sections import FIXED as FIXED
from tasks.learning_sections import Change as Change
from tasks.learning_sections import Feedback as Feedback
from tasks.learning_sections import Joint as Joint
from tasks.learning_sections import Labelling as Labelling
from tasks.learning_sections import SoftLabels as SoftLabels
from tasks.learning_sections import Student as Student
from tasks.learning_sections import Teacher as Teacher
from tasks.learning_sections import Training as Training
from tasks.section_types import (
    Data,
    Language,
    Name,
    OptionalShare,
    OptionalText,
    Place,
    Positive,
    Seed,
    Share,
    Span,
)
from tasks.section_types import Or as Or
from tasks.section_types import Section as Section


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


class Dictionary(Section):
    source: Name
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
    dictionary: Dictionary
    held_out: Annotated[float, Field(ge=0.01, le=0.5)]
    leaks: Literal["remove", "strict"]
    cleaning: Cleaning

    @property
    def slots(self) -> dict[str, Slot]:
        """Return the slots of sentence pairs by name, in their order."""
        return {"first": self.first, "second": self.second, "third": self.third}

    @property
    def sources(self) -> dict[str, Slot | Dictionary]:
        """Return all that has a source, by name: the slots, and the dictionary."""
        return {**self.slots, "dictionary": self.dictionary}


class Tokens(Section):
    vocabulary_size: Annotated[int, Field(ge=64, le=1_000_000)]
    lowercase: bool
    maximum_length: Annotated[int, Field(ge=4, le=8192)]
    trimmed_from: OptionalText


def _once(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError("a value stands in it twice")
    return values


class Control(Section):
    chosen: Annotated[list[str], Field(min_length=1), AfterValidator(_once), AfterValidator(check_first)]


class Evaluation(Section):
    batch_rows: Positive
    resamples: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0, lt=1)]
    calibration_bins: Annotated[int, Field(ge=2)]
    speed_texts: Positive
    speed_repeats: Positive


class Export(Section):
    agreement: Share
    difference: Annotated[float, Field(gt=0)]


class Serving(Section):
    texts: Positive
    characters: Positive
    body_bytes: Positive
    seconds: Annotated[float, Field(gt=0)]
    waiting: Positive
    connections: Positive


class Sweep(Section):
    designs: Annotated[dict[Name, dict[str, Any]], Field(min_length=2)]
    temperatures: Annotated[list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=1), AfterValidator(_once)]
    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(_once)]
    level: Annotated[float, Field(gt=0, lt=1)]


class Recording(Section):
    experiment: Annotated[str, Field(min_length=1)]
    register_students: Annotated[bool, Field(alias="register")]
    price_per_hour: dict[Name, Annotated[Annotated[float, Field(ge=0)] | None, Or]]


class Promotion(Section):
    margin: Annotated[float, Field(ge=0, le=1)]
    risk: Annotated[float, Field(gt=0, lt=1)]
    least_pairs: Positive


class Pipeline(Section):
    retries: Annotated[int, Field(ge=0)]
    retry_delay: Annotated[float, Field(ge=0)]
    data: Data
    pools: dict[Name, Annotated[Positive | None, Or]]


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
    labelling: Labelling
    soft_labels: SoftLabels
    student: Student
    control: Control
    joint: Joint
    evaluation: Evaluation
    export: Export
    serving: Serving
    sweep: Sweep
    feedback: Feedback
    recording: Recording
    promotion: Promotion
    pipeline: Pipeline

    @property
    def most_threads(self) -> int:
        """Return how many threads a stage runs at most, over all its processes."""
        return self.threads * max(section.processes for section in (self.teacher, self.student, self.joint))

    @model_validator(mode="after")
    def _languages_differ(self) -> "Params":
        if self.source in self.targets:
            raise ValueError(f"targets: {self.source!r} is the source language; name others")
        if len(set(self.targets)) != len(self.targets):
            raise ValueError("targets: a language stands in it twice")
        return self

    @model_validator(mode="after")
    def _labels_are_let_in(self) -> "Params":
        if self.student.label_loss != "none" and not self.labelled.target_labels:
            raise ValueError(
                f"student.label_loss: {self.student.label_loss!r} needs labelled target text: set labelled.target_labels: true"
            )
        return self

    @model_validator(mode="after")
    def _hidden_states_are_kept(self) -> "Params":
        for key, loss in (
            ("hidden_loss", self.student.hidden_loss),
            ("hidden_phase.loss", self.student.hidden_phase.loss),
        ):
            if loss != "none" and self.soft_labels.hidden == "none":
                raise ValueError(
                    f"student.{key}: {loss!r} needs the teacher's hidden states: set soft_labels.hidden: float32 or float16"
                )
        return self

    @model_validator(mode="after")
    def _whole_batches(self) -> "Params":
        shard, batch = self.soft_labels.shard_rows, self.labelling.batch_rows
        if shard % batch:
            raise ValueError(
                f"soft_labels.shard_rows {shard} is no multiple of labelling.batch_rows {batch}: "
                "a resumed run would cut other batches than an undisturbed one"
            )
        return self
