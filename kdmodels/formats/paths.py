"""What a user writes for a file: a path below a folder, a glob of several, or an address."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from kdmodels.errors import BadInputError
from kdmodels.provenance import Found, Wanted
from kdmodels.redaction import redacted

_SCHEMES = ("http", "https", "s3", "gs")
_WILDCARDS = re.compile(r"(\*|\?|\[[^]]+\])")


def fill(pattern: str, names: Mapping[str, str]) -> str:
    """Put names in their places: with `{"source": "en"}`, `{source}` becomes `en`.

    Raises:
        BadInputError: where another word stands in braces.
    """
    for name, value in names.items():
        pattern = pattern.replace(f"{{{name}}}", value)
    left = re.search(r"\{\w*\}", pattern)
    if left:
        allowed = ", ".join(f"{{{name}}}" for name in names)
        raise BadInputError(f"{redacted(pattern)!r}: {left.group()} stands for nothing here; allowed: {allowed}")
    return pattern


def wanted(folder: Path, pattern: str, licence: str | None) -> list[Wanted]:
    """Return the files that a path, glob or address names, in sorted order.

    Args:
        folder: that paths and globs are below; addresses (http, https, s3, gs) are taken as they are

    Raises:
        BadInputError: where a path leads out of the folder, there is no such file, or a glob fits none.
    """
    if is_address(pattern):
        return [Wanted(pattern, _address_name(pattern), licence)]
    paths = _local(folder, pattern)
    if not paths:
        raise BadInputError(
            f"{folder / pattern}: no file fits this glob"
            if is_glob(pattern)
            else f"{folder / pattern}: no such file. Paths are relative to sources.folder"
        )
    return [Wanted(path.as_posix(), path.name, licence) for path in paths]


def wanted_if_there(folder: Path, pattern: str, licence: str | None) -> list[Wanted]:
    """Return what `wanted` does, and nothing where no local file is there; an address always counts as there.

    Raises:
        BadInputError: where a path leads out of the folder.
    """
    return wanted(folder, pattern, licence) if is_address(pattern) or _local(folder, pattern) else []


def is_address(pattern: str) -> bool:
    """Say whether a path is an address with a scheme."""
    return "://" in pattern


def is_glob(pattern: str) -> bool:
    """Say whether a path may name several files; an address names one."""
    return not is_address(pattern) and _WILDCARDS.search(pattern) is not None


def below(where: str, pattern: str) -> str:
    """Return the path of a file as its pattern gives it, below the folder: the same on every machine."""
    if is_address(where):
        return urlsplit(where).path.strip("/")
    return "/".join(PurePosixPath(where).parts[-len(PurePosixPath(pattern).parts) :])


def check_side_by_side(patterns: Sequence[str], sides: Sequence[Sequence[Wanted]]) -> None:
    """Refuse two globs whose files do not stand side by side: `a.en` beside `b.de` would be read as a pair of files.

    Raises:
        BadInputError: where they fit unequal numbers of files, or other words stand for their wildcards.
    """
    if len(sides[0]) != len(sides[1]):
        raise BadInputError(
            f"{len(sides[0])} files fit {redacted(patterns[0])!r}, {len(sides[1])} fit {redacted(patterns[1])!r}; "
            "each needs its other side"
        )
    for one, two in zip(*sides, strict=True):
        left, right = (
            _wildcards(below(file.where, pattern), pattern) for file, pattern in zip((one, two), patterns, strict=True)
        )
        if len(left) == len(right) and left != right:
            raise BadInputError(
                f"{one.where} and {two.where} would be read side by side, and what stands for the wildcards differs "
                f"({', '.join(left)}; {', '.join(right)}). Name both sides alike, or each file"
            )


def begin_of_second(found: Sequence[Found], first: str, second: str) -> int:
    """Return how many of some files were found by a first pattern; those of a second one follow, none fits both."""
    if not is_glob(first):
        return 1
    if not is_glob(second):
        return len(found) - 1
    folder = len(PurePosixPath(found[0].where).parts) - len(PurePosixPath(first).parts)
    paths = ["/".join(PurePosixPath(one.where).parts[folder:]) for one in found]
    return next(number for number, path in enumerate(paths) if _fits(path, second))


def _fits(path: str, pattern: str) -> re.Match[str] | None:
    parts = _WILDCARDS.split(PurePosixPath(pattern).as_posix())
    return re.fullmatch("".join(_expression(part) for part in parts), path)


def _wildcards(path: str, pattern: str) -> tuple[str, ...]:
    """Return what stands for the wildcards of a glob in a path that fits it; nothing where it is an address."""
    match = None if is_address(pattern) else _fits(path, pattern)
    return match.groups() if match else ()


def _expression(part: str) -> str:
    if part in {"*", "?"}:
        return "([^/]*)" if part == "*" else "([^/])"
    if _WILDCARDS.fullmatch(part):
        inside = part[1:-1].replace("\\", r"\\")
        return f"([{'^' + inside[1:] if inside.startswith('!') else inside}])"
    return re.escape(part)


def _local(folder: Path, pattern: str) -> list[Path]:
    parts = PurePosixPath(pattern).parts
    if not parts or "\0" in pattern or PurePosixPath(pattern).is_absolute() or ".." in parts:
        raise BadInputError(
            f"{pattern!r}: a path below {folder} is expected, without '..' and not from '/'; outside data is reached "
            "through a link, data/external"
        )
    if "**" in pattern:
        raise BadInputError(f"{pattern!r}: '**' is not understood; name each folder, or write * for one")
    if is_glob(pattern):
        return sorted((path for path in folder.glob(pattern) if path.is_file()), key=Path.as_posix)
    path = folder / pattern
    return [path] if path.is_file() else []


def _address_name(address: str) -> str:
    parts = urlsplit(address)
    name = PurePosixPath(parts.path).name
    if parts.scheme not in _SCHEMES or not name:
        raise BadInputError(
            f"{redacted(address)}: an address starts with {', '.join(f'{scheme}://' for scheme in _SCHEMES)} "
            "and ends with the name of a file"
        )
    if "*" in name:
        raise BadInputError(f"{parts.path}: a glob fits local files only; an address names one file")
    return name
