"""Find and fetch what the corpora consist of, each file pinned by its sha256."""

import json
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
        for name, slot in params.corpus.slots.items():
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
    }
    for name, manifest in manifests.items():
        write_json(out / f"{name}.json", manifest)
    fetcher.save()
    record.metrics({"files": fetcher.files, "fetched": fetcher.fetched, "changed": len(fetcher.changed)})
    for address in fetcher.changed:
        print(f"changed at its source, taken anew: {address}", flush=True)


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
        if where in self._seen:  # once a run, however many languages read it
            return self._seen[where]
        pin = self._pins.get(where)
        found = obtain(
            wanted,
            pin=pin,
            again=self._again,
            fetch=partial(self._fetch, _fetch_of(module)),
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

    def _fetch(self, fetch: Callable[..., str | None], where: str, to: Path) -> str | None:
        self.fetched += 1
        print(f"fetching {redacted(where)}", flush=True)
        return fetch(where, to, limits=self._limits)

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
    values = read_json(path)
    try:
        return {where: Pin(**pin) for where, pin in values.items()}
    except (TypeError, AttributeError):
        raise BadInputError(
            f"{path}: each entry needs sha256, size, fetched and revision, found {json.dumps(values)[:200]}. "
            "Restore it with git, or start it anew with {}"
        ) from None
