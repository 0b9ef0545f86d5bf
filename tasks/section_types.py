"""What sections of params.yaml are made of: one model that is strict, and kinds of values."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Data = Literal["workspace", "remote"]  # how machines share it: one folder, or clones with a DVC remote
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _inside(value: str) -> str:
    if ".." in Path(value).parts or "\0" in value or Path(value).is_absolute():
        raise ValueError(
            "may not contain '..' or start with '/'; outside data is reached through a link, data/external"
        )
    return value


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
