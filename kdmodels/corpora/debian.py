"""Debian's package descriptions: translated by volunteers, labelled with the section of the archive.

A text is the short line of a description with its first paragraph; pairs have the further paragraphs too, where both
sides have as many. The group is the source package, so that foo, foo-dev and foo-doc stay on one side of a split.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from kdmodels.debian_index import Description, Package, read_descriptions, read_packages
from kdmodels.download_cache import cache_folder
from kdmodels.downloads import fetch as download
from kdmodels.errors import BadInputError
from kdmodels.files import whole
from kdmodels.limits import Limits
from kdmodels.pairs import LabelledText, Pair, plain
from kdmodels.provenance import Found, Wanted

_LICENCE = "as the packages (Debian)"
_CODES = {"pt-BR": "pt_BR", "zh": "zh_CN", "zh-Hans": "zh_CN", "zh-Hant": "zh_TW", "zh-CN": "zh_CN", "zh-TW": "zh_TW"}
_APT = "apt"
_PACKAGES = "Packages"
_ENDINGS = (".xz", ".gz", "")
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
    """Make an index file: by apt from this system's sources, without root and without touching its state; or download.

    Returns:
        the suite and its date, from the Release file of apt

    Raises:
        BadInputError: where there is no apt, it fails, or there is no such index.
    """
    if not where.startswith(f"{_APT}:"):
        download(where, to, limits=limits, say=lambda line: print(line, flush=True))
        return None
    if shutil.which("apt-get") is None:
        raise BadInputError(
            "options.index: apt, and this system has no apt-get. Set it to the address or the folder of a Debian mirror"
        )
    from filelock import FileLock

    name = where.removeprefix(f"{_APT}:")
    state = cache_folder() / "apt"
    state.mkdir(parents=True, exist_ok=True)
    with FileLock(state / ".lock"):
        _update(state, name)
        lists = state / "lists"
        files = sorted(path for path in lists.glob(f"*_{name}") if "-" not in _suite(path))
        if not files:
            there = sorted({path.name.rpartition("_Translation-")[2] for path in lists.glob("*_Translation-*")})
            raise BadInputError(
                f"{where}: apt found no such index in this system's sources. "
                + (f"Languages it has had: {', '.join(there)}. " if there else "")
                + "Not every language has translated descriptions; see the list on Debian's mirrors, or set options.index"
            )
        with whole(to) as temporary, temporary.open("wb") as out:
            for path in files:
                out.write(path.read_bytes().rstrip(b"\n") + b"\n\n")
        return ", ".join(_release(path) for path in files)


def _update(state: Path, name: str) -> None:
    """Have apt bring the lists of packages and of one language, uncompressed, into a state of its own."""
    language = name.removeprefix("Translation-") if name != _PACKAGES else "none"
    for folder in ("lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    configuration = state / "apt.conf"
    configuration.write_text(
        f'#clear Acquire::Languages;\nAcquire::Languages {{ "{language}"; }};\nAcquire::GzipIndexes "false";\n'
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
    if done.returncode:
        said = [line for line in done.stderr.split("\n") if line.startswith(("E:", "W:", "Err"))]
        raise BadInputError(
            "apt-get update failed: " + (" ".join(said[:3]) or f"status {done.returncode}")
            + ". Is there a network? Else set options.index to the folder of a Debian mirror"
        )  # fmt: skip


def _suite(path: Path) -> str:
    return path.name.partition("_dists_")[2].partition("_")[0]


def _release(path: Path) -> str:
    """Return the suite of a list and the date of its Release file."""
    suite = _suite(path)
    base = path.name.partition("_dists_")[0]
    for name in (f"{base}_dists_{suite}_InRelease", f"{base}_dists_{suite}_Release"):
        release = path.with_name(name)
        if release.is_file():
            for line in release.read_text(encoding="utf-8", errors="replace").split("\n"):
                if line.startswith("Date:"):
                    return f"{suite} {line.removeprefix('Date:').strip()}"
    return suite


def _wanted(folder: Path, name: str, index: str, suite: str, component: str, architecture: str) -> Wanted:
    if index == _APT:
        return Wanted(f"{_APT}:{name}", f"{name}.txt", _LICENCE)
    kind = f"binary-{architecture}" if name == _PACKAGES else "i18n"
    path = f"dists/{suite}/{component}/{kind}/{name}"
    if "://" in index:
        return Wanted(f"{index.rstrip('/')}/{path}.xz", f"{name}.xz", _LICENCE)
    if Path(index).is_absolute() or ".." in Path(index).parts:
        raise BadInputError(f"options.index: {index!r}: apt, an address, or a folder below sources.folder is expected")
    for ending in _ENDINGS:
        if (local := folder / index / f"{path}{ending}").is_file():
            return Wanted(str(local), local.name, _LICENCE)
    raise BadInputError(
        f"{folder / index / path}: no such file, nor with {' or '.join(filter(None, _ENDINGS))} behind it"
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
