"""params.yaml as typed, frozen values. The only file that reads YAML; no default stands here."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kdmodels.choice import check
from kdmodels.errors import BadInputError

PARAMS_FILE = "params.yaml"
GRAPH_FILE = "dvc.yaml"

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


def _inside(value: str) -> str:
    if ".." in Path(value).parts or "\0" in value:
        raise ValueError("may not contain '..'")
    return value


def _column(value: str) -> str | None:
    return None if value == "none" else value


Place = Annotated[str, Field(min_length=1), AfterValidator(_inside)]
Column = Annotated[str, Field(min_length=1)]
OptionalText = Annotated[str, Field(min_length=1), AfterValidator(_column)]


class Section(BaseModel):
    """A frozen section of params.yaml: unknown keys, wrong types and infinities are refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class LabelledFiles(Section):
    labelled: Place
    test: Place
    id_column: OptionalText
    label_column: Column
    text_column: Column
    split_column: OptionalText
    valid_share: Annotated[float, Field(ge=0, le=0.5)]


class Labelled(Section):
    source: Name
    folder: Place
    files: LabelledFiles


class CorpusFiles(Section):
    paths: Annotated[list[Place], Field(min_length=1, max_length=2)]
    id_column: OptionalText
    source_column: Column
    target_column: Column


class Corpus(Section):
    first: Name
    folder: Place
    files: CorpusFiles
    held_out: Annotated[float, Field(ge=0.01, le=0.5)]


class Tokens(Section):
    vocabulary_size: Annotated[int, Field(ge=64, le=1_000_000)]
    lowercase: bool
    maximum_length: Annotated[int, Field(ge=4, le=8192)]


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
    weights_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64}|none)$"), AfterValidator(_column)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


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


class Student(Training):
    architecture: Name
    init: Literal["transtokenized", "random"]
    layers: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    alignment_iterations: Positive
    output_loss: Name
    temperature: Annotated[float, Field(gt=0, le=100)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    evaluations_per_epoch: Positive


class Evaluation(Section):
    batch_rows: Positive
    resamples: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0, lt=1)]
    calibration_bins: Annotated[int, Field(ge=2)]
    speed_repeats: Positive


class Recording(Section):
    experiment: Annotated[str, Field(min_length=1)]
    register_students: Annotated[bool, Field(alias="register")]


class Pipeline(Section):
    retries: Annotated[int, Field(ge=0)]
    retry_delay: Annotated[float, Field(ge=0)]


class Params(Section):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    threads: Positive
    source: Language
    targets: Annotated[list[Language], Field(min_length=1)]
    labelled: Labelled
    corpus: Corpus
    tokens: Tokens
    teacher: Teacher
    soft_labels: SoftLabels
    student: Student
    evaluation: Evaluation
    recording: Recording
    pipeline: Pipeline

    @model_validator(mode="after")
    def _languages_differ(self) -> "Params":
        if self.source in self.targets:
            raise ValueError(f"targets: {self.source!r} is the source language; name others")
        if len(set(self.targets)) != len(self.targets):
            raise ValueError("targets: a language stands in it twice")
        return self


def load_params(root: Path) -> Params:
    """Read and check params.yaml of a project.

    Raises:
        BadInputError: one line for each wrong key: what was given and what is allowed.
    """
    path = root / PARAMS_FILE
    values = read_yaml(path)
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        raise BadInputError("\n".join(_explain(path, item) for item in error.errors())) from None
    check("corpora", params.labelled.source, f"{path}: labelled.source")
    check("corpora", params.corpus.first, f"{path}: corpus.first")
    check("students", params.student.architecture, f"{path}: student.architecture")
    check("losses", params.student.output_loss, f"{path}: student.output_loss")
    return params


def _explain(path: Path, item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"]) or "the whole file"
    kind, given, message = item["type"], item["input"], item["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return f"{path}: {place}: no such key; see the comments in {PARAMS_FILE} for those there are"
    if kind == "missing":
        return f"{path}: {place}: the key is missing; every value is written in {PARAMS_FILE}"
    if kind == "string_pattern_mismatch" and place.split(".")[0] in {"source", "targets"}:
        message = "a language code such as de, zh-Hant or pt-BR is expected (BCP-47)"
    shown = "" if isinstance(given, dict) else f", given {given!r}"
    return f"{path}: {place}: {message[:1].lower()}{message[1:]}{shown}"


def stage_names(root: Path) -> list[str]:
    """Return the stages that dvc.yaml declares, in its order."""
    return list(read_yaml(root / GRAPH_FILE)["stages"])


def read_yaml(path: Path) -> Any:
    """Read a YAML 1.2 file as DVC does; tags and doubled keys are refused.

    Raises:
        BadInputError: where it is missing, no YAML, no UTF-8 or no mapping.
    """
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInputError(f"{path}: no such file. Run this in the project's root folder") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(values, dict):
        raise BadInputError(f"{path}: a mapping of keys to values is expected, found {type(values).__name__}")
    return values
