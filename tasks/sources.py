"""Find and fetch what the corpora consist of, each file pinned by its sha256."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kdmodels import downloads
from kdmodels.archives import check
from kdmodels.choice import choose
from kdmodels.download_cache import Pin, obtain
from kdmodels.errors import BadInputError
from kdmodels.files import read_json, write_json
from kdmodels.limits import Limits
from kdmodels.manifests import as_record
from kdmodels.provenance import Found, Wanted
from kdmodels.redaction import redacted
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder


def sources(lock: Path, out: Path, params: Params, record: "Recorder") -> None:
    """Write a manifest for the labelled text and one for each target: which files, from where, with which hashes.

    What is fetched for the first time is added to `lock`, a file to commit; ever after its content must have the hash
    that stands there, unless `sources.refresh` is `latest`, which asks the sources again and records what they give.

    Raises:
        BadInputError: where a source does not have what was asked for, cannot be reached, or is not as it was.
    """
    fetcher = _Fetcher(lock, params)
    folder = Path(params.sources.folder)
    manifests: dict[str, Any] = {}
    for target in params.targets:
        manifests[target] = {}
        for name, slot in params.corpus.sources.items():
            module = choose("corpora", slot.source)
            wanted = module.pair_files(folder=folder, source=params.source, target=target, **slot.options)
            manifests[target][name] = fetcher.all_of(module, wanted)
    module, options = choose("corpora", params.labelled.source), params.labelled.options
    manifests["labelled"] = {
        "labelled": fetcher.all_of(module, module.labelled_files(folder=folder, language=params.source, **options)),
        "test": {
            language: fetcher.all_of(module, module.test_files(folder=folder, language=language, **options))
            for language in (params.source, *params.targets)
        },
        "target": {
            target: fetcher.all_of(module, _labelled_targets(module, folder, target, options))
            for target in params.targets
            if params.labelled.target_labels
        },
    }
    _check_tests(manifests["labelled"]["test"])
    for name, manifest in manifests.items():
        write_json(out / f"{name}.json", manifest)
    fetcher.save()
    record.metrics({"files": fetcher.files, "fetched": fetcher.fetched, "changed": len(fetcher.changed)})
    for address in fetcher.changed:
        print(f"changed at its source, taken anew: {address}", flush=True)


def _labelled_targets(module: ModuleType, folder: Path, target: str, options: dict[str, Any]) -> list[Wanted]:
    """Return the files of labelled text of a target language; none where the source has none, which is no fault."""
    try:
        found: list[Wanted] = module.labelled_files(folder=folder, language=target, **options)
        return found
    except BadInputError as error:
        print(f"no labelled text of {target}: {error}", flush=True)
        return []


def _check_tests(files: dict[str, list[dict[str, Any]]]) -> None:
    """Refuse one file as the test set of two languages: a score on text in another language would say nothing."""
    languages: dict[tuple[str, ...], str] = {}
    for language, records in files.items():
        key = tuple(record["where"] for record in records)
        if key and languages.setdefault(key, language) != language:
            raise BadInputError(
                f"labelled.options: {languages[key]} and {language} would have the same test set, {', '.join(key)}. "
                "Let {language} stand for the language in it, or set it to none"
            )


class _Fetcher:
    """Gets files by the pins of a lock file, and gathers new pins."""

    def __init__(self, lock: Path, params: Params) -> None:
        numbers = params.sources
        self._lock = lock
        self._pins = _read_lock(lock)
        self._again = numbers.refresh == "latest"
        self._limits = Limits(
            int(numbers.maximum_gigabytes * 1e9), numbers.maximum_ratio, numbers.attempts, numbers.timeout
        )
        self._seen: dict[str, Found] = {}
        self._addresses: dict[str, str] = {}
        self.files, self.fetched, self.changed = 0, 0, list[str]()

    def all_of(self, module: ModuleType, wanted: Iterable[Wanted]) -> list[dict[str, Any]]:
        """Return a manifest's records of files, each fetched and verified."""
        return [as_record(self._one(module, one)) for one in wanted]

    def _one(self, module: ModuleType, wanted: Wanted) -> Found:
        self.files += 1
        where = redacted(wanted.where)
        if self._addresses.setdefault(where, wanted.where) != wanted.where:
            raise BadInputError(
                f"{where}: two addresses differ only in what is kept secret, so that they cannot be told apart; fetch one "
                "of them by hand"
            )
        seen = self._seen.get(where)
        if seen is not None and seen.name == wanted.name:  # once a run, however many languages and slots read it
            return replace(seen, licence=wanted.licence)
        pin = self._pins.get(where)
        found = obtain(
            wanted,
            pin=pin,
            again=self._again and seen is None,
            fetch=partial(self._fetch, module, None if self._again or pin is None else pin.revision),
            today=datetime.now(UTC).date().isoformat(),
        )
        if pin is None or pin.sha256 != found.sha256:
            check(found.path, found.where, self._limits)
        if found.fetched is None:
            return found
        day = found.fetched
        if pin is not None and pin.sha256 == found.sha256:  # asked again or not: nothing that is made of it may change
            found = replace(found, fetched=pin.fetched, revision=pin.revision)
        else:
            if pin is not None:
                self.changed.append(where)
            self._pins[where] = Pin(found.sha256, found.size, day, found.revision)
        self._seen[where] = found
        return found

    def _fetch(self, module: ModuleType, revision: str | None, where: str, to: Path) -> str | None:
        self.fetched += 1
        print(f"fetching {redacted(where)}", flush=True)
        resolved = getattr(module, "at_revision", None)
        address = resolved(where, revision) if resolved is not None and revision is not None else where
        return _fetch_of(module)(address, to, limits=self._limits)

    def save(self) -> None:
        """Write the lock, if it has changed; its bytes depend on its content alone."""
        pins = {
            where: {"sha256": pin.sha256, "size": pin.size, "fetched": pin.fetched, "revision": pin.revision}
            for where, pin in self._pins.items()
        }
        if not self._lock.exists() or read_json(self._lock) != pins:
            write_json(self._lock, pins)


def _fetch_of(module: ModuleType) -> Callable[..., str | None]:
    own: Callable[..., str | None] | None = getattr(module, "fetch", None)
    return own or _download


def _download(where: str, to: Path, *, limits: Limits) -> None:
    downloads.fetch(where, to, limits=limits, say=lambda line: print(line, flush=True))


def _read_lock(path: Path) -> dict[str, Pin]:
    """Read the pins. The lock belongs to git, not to DVC, and so does what to do about it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        fault = f"each entry needs sha256, size, fetched and revision, found {json.dumps(values)[:200]}"
        pins = {where: Pin(**pin) for where, pin in values.items()}
        if all(map(_sound, pins.values())):
            return pins
    except FileNotFoundError:
        fault = "no such file"
    except ValueError as error:
        fault = f"not JSON ({error})"
    except (TypeError, AttributeError):
        pass
    raise BadInputError(f"{path}: {fault}. Restore it with git, or start it anew with {{}}")


def _sound(pin: Pin) -> bool:
    return (
        isinstance(pin.sha256, str)
        and re.fullmatch(r"[0-9a-f]{64}", pin.sha256) is not None
        and type(pin.size) is int  # not a bool
        and isinstance(pin.fetched, str)
        and isinstance(pin.revision, str | None)
    )
