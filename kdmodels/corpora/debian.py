"""Debian's package descriptions: translated by volunteers, labelled with the section of the archive.

A text is the short line of a description with its first paragraph; pairs have the further paragraphs too, where both
sides have as many. The group is the source package, so that foo, foo-dev and foo-doc stay on one side of a split.
"""

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kdmodels.debian_index import Description, Package, Release, read_descriptions, read_packages, read_release
from kdmodels.download_cache import cache_folder
from kdmodels.downloads import fetch as download
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import sha256, whole
from kdmodels.limits import Limits
from kdmodels.pairs import LabelledText, Pair, plain
from kdmodels.provenance import Found, Wanted
from kdmodels.redaction import redacted

_LICENCE = "as the packages (Debian)"
_CODES = {"pt-BR": "pt_BR", "zh": "zh_CN", "zh-Hans": "zh_CN", "zh-Hant": "zh_TW", "zh-CN": "zh_CN", "zh-TW": "zh_TW"}
_APT = "apt"
_PACKAGES = "Packages"
_ENDINGS = (".xz", ".gz", "")
_PACKINGS: dict[str, Callable[[Path], Any]] = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}
_FLOOR = 10_000_000  # bytes up to which any ratio passes
_FAILED = "Failed to fetch "
_HINT = "Is there a network? Else set options.index to the folder of a Debian mirror"
_SECONDS = 600  # that apt-get may take


def pair_files(
    *, folder: Path, source: str, target: str, index: str, suite: str, component: str, architecture: str
) -> list[Wanted]:
    """Return the index files of the packages and of both languages.

    Args:
        index: `apt`, this system's own sources; or the address, or the folder below `folder`, of a Debian mirror.
        suite, component, architecture: of the mirror, such as stable, main and amd64; with apt they are the system's.
    """
    names = [_PACKAGES, *(f"Translation-{_code(language)}" for language in (source, target))]
    return [_wanted(folder, name, index, suite, component, architecture) for name in names]


def read_pairs(
    found: Sequence[Found], *, source: str, target: str, index: str, suite: str, component: str, architecture: str
) -> Iterator[Pair]:
    """Return the pairs, by package; descriptions that several packages share are given once.

    Raises:
        BadInputError: where a file is no index of Debian or lacks the language.
    """
    del index, suite, component, architecture
    packages, (ours, theirs) = _read(found, [source, target])
    for name, package in _distinct(packages, ours):
        left, right = ours[name, package.md5], theirs.get((name, package.md5))
        if right is None:
            continue
        yield Pair(name, left.unit, right.unit, package.source)
        if len(left.paragraphs) == len(right.paragraphs):
            for number, pair in enumerate(zip(left.paragraphs[1:], right.paragraphs[1:], strict=True), start=2):
                yield Pair(f"{name}:{number}", *pair, package.source)


def labelled_files(
    *, folder: Path, language: str, index: str, suite: str, component: str, architecture: str
) -> list[Wanted]:
    """Return the index files of the packages and of the language; arguments as of `pair_files`."""
    names = [_PACKAGES, f"Translation-{_code(language)}"]
    return [_wanted(folder, name, index, suite, component, architecture) for name in names]


def read_labelled(
    found: Sequence[Found], *, language: str, index: str, suite: str, component: str, architecture: str
) -> Iterator[tuple[str, LabelledText]]:
    """Return the descriptions of a language with their sections, each text once, with the package as its place.

    They come without a split: it is drawn by their group, the source package, and so alike in every language.

    Raises:
        BadInputError: as `read_pairs`.
    """
    del index, suite, component, architecture
    packages, (descriptions,) = _read(found, [language])
    seen: set[str] = set()
    for name, package in _distinct(packages, descriptions):
        text = descriptions[name, package.md5].unit
        if plain(text) not in seen:
            seen.add(plain(text))
            yield f"{found[-1].where}, {name}", LabelledText(name, package.section, text, None, package.source)


test_files = labelled_files
read_test = read_labelled


def fetch(where: str, to: Path, *, limits: Limits) -> str | None:
    """Make an index file, unpacked: by apt from this system's sources, without root and apart from its state; or from a
    mirror, in whichever packing it has, verified against its Release file.

    Returns:
        the suite and the date of its Release file

    Raises:
        BadInputError: where there is no apt, it fails or there is no network, there is no such index, or it unpacks to
            more than the limits allow.
        DamagedError: where what a mirror gives is not what its Release file says.
    """
    if where.startswith(f"{_APT}:"):
        return _from_apt(where.removeprefix(f"{_APT}:"), to)
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
    if shutil.which("apt-get") is None:
        raise BadInputError(
            "options.index: apt, and this system has no apt-get. Set it to the address or the folder of a Debian mirror"
        )
    from filelock import FileLock

    state = cache_folder() / "apt"
    lists = state / "lists"
    state.mkdir(parents=True, exist_ok=True)
    with FileLock(state / ".lock"):
        failed = _update(state, name)
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
                f"{_APT}:{name}: apt found no such index in this system's sources. "
                + (f"It said: {said}. Is there a network? " if said else "")
                + _there(languages)
            )
        # With a status of 0 apt leaves the lists of an earlier day where it cannot get newer ones.
        if any(_listed(line).startswith(tuple(releases)) for line in failed):
            raise BadInputError(f"{_APT}:{name}: apt-get update could not get it: {said}. {_HINT}")
        with whole(to) as temporary, temporary.open("wb") as out:
            for path in files:
                out.write(path.read_bytes().rstrip(b"\n") + b"\n\n")
        return ", ".join(
            f"{_suite(path)} {release.date}" if (release := releases[_prefix(path)]) else _suite(path) for path in files
        )


def _update(state: Path, name: str) -> list[str]:
    """Have apt bring the lists of packages and of English and one more language, uncompressed, into a state of its own.

    Returns:
        what it could not get and says so, although its status is 0: an address and the reason
    """
    codes = dict.fromkeys(["en", name.removeprefix("Translation-") if name != _PACKAGES else "en"])
    named = " ".join(f'"{code}";' for code in codes)
    for folder in ("lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    configuration = state / "apt.conf"
    configuration.write_text(
        f"#clear Acquire::Languages;\nAcquire::Languages {{ {named} }};\n"
        'Acquire::GzipIndexes "false";\n'
        f'Dir::State "{state}";\nDir::State::Lists "{state / "lists"}";\nDir::Cache "{state / "cache"}";\n'
        'APT::Update::Post-Invoke "";\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n',
        encoding="utf-8",
    )
    # Given with --config-file it is read after the system's own files, and so wins; APT_CONFIG would be read first.
    command = ["apt-get", f"--config-file={configuration}", "--quiet", "update"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, env={**os.environ, "LC_ALL": "C"}
        )
    except subprocess.TimeoutExpired:
        raise BadInputError(f"apt-get update took more than {_SECONDS} seconds; try again") from None
    lines = done.stderr.split("\n")
    if done.returncode:
        said = [redacted(line) for line in lines if line.startswith(("E:", "W:", "Err"))]
        raise BadInputError(f"apt-get update failed: {' '.join(said[:3]) or f'status {done.returncode}'}. {_HINT}")
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


def _wanted(folder: Path, name: str, index: str, suite: str, component: str, architecture: str) -> Wanted:
    if index == _APT:
        return Wanted(f"{_APT}:{name}", f"{name}.txt", _LICENCE)
    kind = f"binary-{architecture}" if name == _PACKAGES else "i18n"
    path = f"dists/{suite}/{component}/{kind}/{name}"
    if "://" in index:
        return Wanted(f"{index.rstrip('/')}/{path}", f"{name}.txt", _LICENCE)
    if Path(index).is_absolute() or ".." in Path(index).parts:
        raise BadInputError(f"options.index: {index!r}: apt, an address, or a folder below sources.folder is expected")
    for ending in _ENDINGS:
        if (local := folder / index / f"{path}{ending}").is_file():
            return Wanted(str(local), local.name, _LICENCE)
    packed = folder / index / f"{path}.bz2"
    hint = f"; unpack {packed.name}: bunzip2 --keep {packed}" if packed.is_file() else ""
    raise BadInputError(
        f"{folder / index / path}: no such file, nor with {' or '.join(filter(None, _ENDINGS))} behind it{hint}"
    )


def _code(language: str) -> str:
    return _CODES.get(language, language.partition("-")[0])


def _read(
    found: Sequence[Found], languages: Sequence[str]
) -> tuple[dict[str, Package], list[dict[tuple[str, str], Description]]]:
    texts = [read_descriptions(one.path, _code(name)) for one, name in zip(found[1:], languages, strict=True)]
    return read_packages(found[0].path), texts


def _distinct(
    packages: dict[str, Package], descriptions: dict[tuple[str, str], Description]
) -> Iterator[tuple[str, Package]]:
    """Return the described packages by name, of those that share a description the first."""
    seen: set[str] = set()
    for name, package in sorted(packages.items()):
        if (name, package.md5) in descriptions and package.md5 not in seen:
            seen.add(package.md5)
            yield name, package
