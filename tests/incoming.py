"""Files as a user brings them."""

from pathlib import Path

COLUMNS = ("id", "split", "label", "text")


def write(path: Path, text: str | bytes) -> Path:
    """Write bytes as they are; text as UTF-8, line ends untouched."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def table(*rows: tuple[str, ...]) -> str:
    """Return tab-separated lines; the first row is the header."""
    return "".join("\t".join(row) + "\n" for row in rows)
