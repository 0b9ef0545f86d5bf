"""How Debian's index files come: with apt from this system's own sources, or from a mirror, checked by its Release file."""

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kdmodels.debian_index import Release, read_release
from kdmodels.download_cache import cache_folder
from kdmodels.downloads import fetch as download
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import sha256, whole
from kdmodels.limits import Limits
from kdmodels.redaction import redacted

APT = "apt"
PACKAGES = "Packages"
_PACKINGS: dict[str, Callable[[Path], Any]] = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}
_FLOOR = 10_000_000  # bytes up to which any ratio passes
_FAILED = "Failed to fetch "
_MIRROR = "Set it to the address or the folder of a Debian mirror"
HINT = "Is there a network? Else name what is here: the folder of a Debian mirror, or an archive"
_SECONDS = 600  # that apt-get may take


def fetch_index(where: str, to: Path, *, limits: Limits) -> str | None:
    """Make an index file, unpacked: by apt from this system's sources, without root and apart from its state; or from a
    mirror, in whichever packing it has, verified against its Release file.

    Returns:
        the suite and the date of its Release file

    Raises:
        BadInputError: where there is no apt, it fails or there is no network, there is no such index, or it unpacks to
            more than the limits allow.
        DamagedError: where what a mirror gives is not what its Release file says.
    """
    if where.startswith(f"{APT}:"):
        return _from_apt(where.removeprefix(f"{APT}:"), to)
    return _from_mirror(where, to, limits)


def _from_mirror(where: str, to: Path, limits: Limits) -> str:
    base, *parts = where.rsplit("/", 3)
    path, shown = "/".join(parts), redacted(where)
    fetched = to.with_name("Release")
    say = partial(print, flush=True)
    try:
        download(f"{base}/Release", fetched, limits=limits, say=say)
        release = read_release(fetched, redacted(f"{base}/Release"))
        ending = next((ending for ending in _PACKINGS if path + ending in release.indexes), None)
        if ending is None:
            raise BadInputError(f"{shown}: its Release file names no such index. {_there(release.languages)}")
        fetched = to.with_name(f"{parts[-1]}{ending}")
        download(f"{where}{ending}", fetched, limits=limits, say=say)
        if (found := sha256(fetched)) != (expected := release.indexes[path + ending]):
            raise DamagedError(
                f"{shown}{ending}: expected sha256 {expected}, as its Release file says, found {found}. "
                "The mirror may be in the middle of an update; try again later, or name another"
            )
        _unpack(fetched, to, f"{shown}{ending}", limits)
    finally:
        for name in ("Release", *(f"{parts[-1]}{ending}" for ending in _PACKINGS)):
            to.with_name(name).unlink(missing_ok=True)
    return f"{base.rpartition('/dists/')[2]} {release.date}"


def _unpack(packed: Path, to: Path, shown: str, limits: Limits) -> None:
    most = min(limits.maximum_bytes, max(_FLOOR, int(packed.stat().st_size * limits.maximum_ratio)))
    count = 0
    try:
        with whole(to) as temporary, temporary.open("wb") as out, _PACKINGS[packed.suffix](packed) as stream:
            while chunk := stream.read(1 << 20):
                count += len(chunk)
                if count > most:
                    raise BadInputError(
                        f"{shown}: unpacks to more than {most:,} bytes. If it is what you expect, raise "
                        "sources.maximum_gigabytes or sources.maximum_ratio"
                    )
                out.write(chunk)
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise DamagedError(
            f"{shown}: truncated or damaged ({error}). Try again later, or name another mirror"
        ) from None


def _from_apt(name: str, to: Path) -> str:
    with apt_state("options.index", _MIRROR) as state:
        lists = state / "lists"
        failed = run_apt(state, ["update"], name)
        # Not those of updates (bookworm-security), nor of sources without descriptions, which come and go: with them the
        # content would be another each day.
        files = [
            path
            for path in sorted(lists.glob(f"*_{name}"))
            if "-" not in _suite(path) and any(lists.glob(f"{_prefix(path)}*_i18n_Translation-en"))
        ]
        releases = {_prefix(path): _release(path) for path in files or sorted(lists.glob("*_dists_*"))}
        said = redacted(failed[0]) if failed else ""
        if not files:
            languages = {code for release in releases.values() if release for code in release.languages}
            raise BadInputError(
                f"{APT}:{name}: apt found no such index in this system's sources. "
                + (f"It said: {said}. Is there a network? " if said else "")
                + _there(languages)
            )
        # With a status of 0 apt leaves the lists of an earlier day where it cannot get newer ones.
        if any(_listed(line).startswith(tuple(releases)) for line in failed):
            raise BadInputError(f"{APT}:{name}: apt-get update could not get it: {said}. {HINT}")
        with whole(to) as temporary, temporary.open("wb") as out:
            for path in files:
                out.write(path.read_bytes().rstrip(b"\n") + b"\n\n")
        return ", ".join(
            f"{_suite(path)} {release.date}" if (release := releases[_prefix(path)]) else _suite(path) for path in files
        )


@contextmanager
def apt_state(asked: str, instead: str) -> Iterator[Path]:
    """Give a folder of apt's own, apart from the system's, to one process at a time.

    Raises:
        BadInputError: where there is no apt; `asked` is what asks for it, and `instead` what to do without.
    """
    if shutil.which("apt-get") is None:
        raise BadInputError(f"{asked}: apt is needed, and this system has no apt-get. {instead}")
    from filelock import FileLock

    state = cache_folder() / "apt"
    state.mkdir(parents=True, exist_ok=True)
    with FileLock(state / ".lock"):
        yield state


def run_apt(state: Path, action: Sequence[str], name: str, *, folder: Path | None = None) -> list[str]:
    """Have apt bring the lists of packages and of English and one more language, uncompressed, into a state of its own,
    or fetch a package by those lists.

    Args:
        state: of `apt_state`
        action: of apt-get, with its arguments
        name: of the index: Packages, or Translation with the language
        folder: that it runs in, where a package is put

    Returns:
        what it could not get and says so, although its status is 0: an address and the reason

    Raises:
        BadInputError: where it fails, or takes too long.
    """
    codes = dict.fromkeys(["en", name.removeprefix("Translation-") if name != PACKAGES else "en"])
    named = " ".join(f'"{code}";' for code in codes)
    for part in ("lists/partial", "cache/archives/partial"):
        (state / part).mkdir(parents=True, exist_ok=True)
    configuration = state / "apt.conf"
    configuration.write_text(
        f"#clear Acquire::Languages;\nAcquire::Languages {{ {named} }};\n"
        'Acquire::GzipIndexes "false";\n'
        f'Dir::State "{state}";\nDir::State::Lists "{state / "lists"}";\nDir::Cache "{state / "cache"}";\n'
        'APT::Update::Post-Invoke "";\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n',
        encoding="utf-8",
    )
    # Given with --config-file it is read after the system's own files, and so wins; APT_CONFIG would be read first.
    command = ["apt-get", f"--config-file={configuration}", "--quiet", *action]
    said = f"apt-get {action[0]}"
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise BadInputError(f"{said} took more than {_SECONDS} seconds; try again") from None
    lines = done.stderr.split("\n")
    if done.returncode:
        faults = [redacted(line) for line in lines if line.startswith(("E:", "W:", "Err"))]
        raise BadInputError(f"{said} failed: {' '.join(faults[:3]) or f'status {done.returncode}'}. {HINT}")
    return [line.partition(_FAILED)[2].strip() for line in lines if _FAILED in line]


def _there(languages: Iterable[str]) -> str:
    codes = sorted(set(languages))
    return f"There are descriptions in {', '.join(codes)}" if codes else "Check options.index, suite and component"


def _listed(failure: str) -> str:
    """Return what apt calls the list of an address that it could not get."""
    return failure.split()[0].partition("://")[2].rpartition("@")[2].replace("_", "%5f").replace("/", "_")


def _prefix(path: Path) -> str:
    """Return what the names of all lists of a suite begin with."""
    return f"{path.name.partition('_dists_')[0]}_dists_{_suite(path)}_"


def _suite(path: Path) -> str:
    return path.name.partition("_dists_")[2].partition("_")[0]


def _release(path: Path) -> Release | None:
    for name in ("InRelease", "Release"):
        file = path.with_name(_prefix(path) + name)
        if file.is_file():
            return read_release(file, str(file))
    return None
