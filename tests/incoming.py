"""Files as a user brings them, and the params that name them."""

from pathlib import Path
from typing import Any

from tasks.config import Params, read_yaml

ROOT = Path(__file__).parents[1]
COLUMNS = ("id", "split", "label", "text")


class Recorded:
    """Keeps what a stage would have recorded."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def metrics(self, values: dict[str, float]) -> None:
        self.values |= values


def params(**changes: Any) -> Params:
    """Return the project's params with values at dotted keys replaced: `params(**{"labelled.source": "files"})`."""
    values = read_yaml(ROOT / "params.yaml")
    for key, value in changes.items():
        *sections, name = key.split(".")
        section = values
        for each in sections:
            section = section[each]
        section[name] = value
    return Params.model_validate(values)


def write(path: Path, text: str | bytes) -> Path:
    """Write bytes as they are; text as UTF-8, line ends untouched."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def table(*rows: tuple[str, ...]) -> str:
    """Return tab-separated lines; the first row is the header."""
    return "".join("\t".join(row) + "\n" for row in rows)
