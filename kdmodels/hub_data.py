"""Fetch a split of a data set of the Hugging Face hub into one file of JSON lines.

In that file a nested field has a dotted name (translation.de), a class its name instead of its number, and every object
its fields in sorted order, so that the bytes do not depend on the version of a library.
"""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kdmodels import downloads
from kdmodels.errors import BadInputError
from kdmodels.files import whole
from kdmodels.limits import Limits
from kdmodels.redaction import redacted

_TOKEN = re.compile(r"\bhf_\w{8,}")
_THERE = re.compile(r"(?:available configs|Available|Available splits): \[(.*?)\]")


def fetch_split(where: str, to: Path, limits: Limits) -> str:
    """Make the file of a split. Columns that hold anything but text, numbers and classes are left out, and named.

    Returns:
        the commit

    Raises:
        BadInputError: where there is no such data set, revision, configuration or split (it names those there are),
            the data set is gated, the hub cannot be reached, or there is more than the limits allow.
    """
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]

    parts = urlsplit(where)
    dataset, _, revision = parts.path.strip("/").partition("@")
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    tries = 0
    while True:
        tries += 1
        try:
            with _explained(f"hf://datasets/{dataset}"):
                return _fetch(dataset, revision, asked.get("config"), asked["split"], to, limits)
        except OfflineModeIsEnabled:
            raise BadInputError(f"{where}: HF_HUB_OFFLINE is set; unset it, or use what was fetched before") from None
        except (HTTPError, ConnectionError, TimeoutError) as error:
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
            if status is not None and status != 429 and status < 500:
                raise BadInputError(f"{where}: the hub answers {status}. {_said(error)}") from None
            if tries >= limits.attempts:
                raise BadInputError(
                    f"{where}: the hub could not be reached in {tries} attempts ({_said(error)}). Is there a network?"
                ) from None
            print(f"{where}: {_said(error)}; trying again", flush=True)
            downloads.pause(min(60.0, 2.0**tries))


def _fetch(dataset: str, revision: str, config: str | None, split: str, to: Path, limits: Limits) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    page = f"hf://datasets/{dataset}"
    try:
        info = HfApi().dataset_info(dataset, revision=revision, timeout=limits.timeout)
    except RevisionNotFoundError:
        raise BadInputError(f"{page}: no revision {revision!r}; it is a commit, a branch or a tag") from None
    except RepositoryNotFoundError as error:
        if not isinstance(error, GatedRepoError):
            raise BadInputError(f"{page}: no such data set, or it is private; then log in: hf auth login") from None
        raise
    commit = str(info.sha)
    licence = getattr(info.card_data, "license", None) if info.card_data else None
    print(f"{page}: commit {commit}, licence {licence or 'not stated'} by its card", flush=True)
    # A cache of its own, since `datasets` falls back on whatever an earlier run left in the common one.
    with TemporaryDirectory(dir=to.parent) as cache, whole(to) as temporary, temporary.open("wb") as out:
        rows, left_out = _rows(page, config, split, commit, cache)
        if left_out:
            print(f"{page}: left out, as neither text nor numbers: {', '.join(left_out)}", flush=True)
        for row in rows:
            line = json.dumps(row, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
            if out.tell() + len(line) > limits.maximum_bytes:
                raise BadInputError(
                    f"{page}: the split {split!r} is larger than {limits.maximum_bytes:,} bytes. If it is what you "
                    "expect, raise the maximum: sources.maximum_gigabytes"
                )
            out.write(line)
        if not out.tell():
            raise BadInputError(f"{page}: the split {split!r} is empty")
    return commit


@contextmanager
def _explained(page: str) -> Iterator[None]:
    """Turn what `datasets` finds wrong into an error that says so; what may pass is let through, to be tried again."""
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.errors import GatedRepoError, HTTPError  # type: ignore[attr-defined]

    try:
        yield
    except GatedRepoError:
        raise _gated(page) from None
    except (BadInputError, HTTPError, ConnectionError, TimeoutError):
        raise
    except Exception as error:  # whatever its many readers raise: the data set is not one that can be read
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, FileNotFoundError):
            raise  # of this disk
        if isinstance(error, DatasetNotFoundError) and "gated dataset" in str(error):  # of a file, as the page is open
            raise _gated(page) from None
        said = _said(error)
        if there := _THERE.search(str(error)):
            kind = "split" if "split" in there[0] else "configuration"
            raise BadInputError(f"{page}: not the name of one {kind}; there are {there[1]}") from None
        raise BadInputError(
            f"{page}: cannot be read ({type(error).__name__}: {said}). Data sets that are made by a script no longer can; "
            "download its files and read them with the source files"
        ) from None


def _rows(
    page: str, config: str | None, split: str, commit: str, cache: str
) -> tuple[Iterator[dict[str, Any]], list[str]]:
    """Return the rows of a split, flat and plain, and the names of the columns that are left out."""
    from datasets import load_dataset

    data = load_dataset(page, config, split=split, revision=commit, cache_dir=cache, streaming=True)
    features = data.features or {}
    left_out = sorted(name for name, feature in features.items() if not _is_plain(feature))
    if left_out:
        if len(left_out) == len(features):
            raise BadInputError(f"{page}: no column holds text; there are {', '.join(left_out)}")
        data = data.select_columns(sorted(set(features) - set(left_out)))
    return (dict(item for name in row for item in _flat(name, row[name], features.get(name))) for row in data), left_out


def _is_plain(feature: Any) -> bool:
    """Say whether a column holds text, numbers and classes only, however nested; no pictures, sound or bytes."""
    from datasets import ClassLabel, LargeList, List, Translation, Value

    if isinstance(feature, Value):
        return "binary" not in feature.dtype
    if isinstance(feature, List | LargeList):
        return _is_plain(feature.feature)
    if isinstance(feature, dict):
        return all(_is_plain(inner) for inner in feature.values())
    return isinstance(feature, ClassLabel | Translation)


def _flat(name: str, value: Any, feature: Any) -> Iterator[tuple[str, Any]]:
    """Return a column's value as JSON has it; of an object, its fields with dotted names."""
    if isinstance(value, dict):
        for inner, part in value.items():
            yield from _flat(f"{name}.{inner}", part, feature.get(inner) if isinstance(feature, dict) else None)
    else:
        yield name, _json(value, feature)


def _json(value: Any, feature: Any) -> Any:
    from datasets import ClassLabel

    if isinstance(feature, ClassLabel) and isinstance(value, int):
        return feature.int2str(value) if value >= 0 else None  # below 0: without a label, as in hidden test sets
    if isinstance(value, list):
        return [_json(part, getattr(feature, "feature", None)) for part in value]
    if isinstance(value, dict):
        return {
            inner: _json(part, feature.get(inner) if isinstance(feature, dict) else None)
            for inner, part in value.items()
        }
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _said(error: Exception) -> str:
    """Return the first line of an error without secrets."""
    lines = str(error).strip().split("\n")
    return _TOKEN.sub("***", redacted(lines[0][:200] or type(error).__name__))


def _gated(page: str) -> BadInputError:
    return BadInputError(f"{page}: gated. Ask for access on its page, then log in: hf auth login, or set HF_TOKEN")
