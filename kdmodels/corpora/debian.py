"""Debian's package descriptions: translated by volunteers, labelled with the section of the archive.

A text is the short line of a description with its first paragraph; pairs have the further paragraphs too, where both
sides have as many. The group is the source package, so that foo, foo-dev and foo-doc stay on one side of a split.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kdmodels.debian_fetching import APT, PACKAGES, fetch_index
from kdmodels.debian_index import Description, Package, read_descriptions, read_packages
from kdmodels.errors import BadInputError
from kdmodels.limits import Limits
from kdmodels.pairs import LabelledText, Pair, plain
from kdmodels.provenance import Found, Wanted

_LICENCE = "as the packages (Debian)"
_CODES = {"pt-BR": "pt_BR", "zh": "zh_CN", "zh-Hans": "zh_CN", "zh-Hant": "zh_TW", "zh-CN": "zh_CN", "zh-TW": "zh_TW"}
_ENDINGS = (".xz", ".gz", "")


def pair_files(
    *, folder: Path, source: str, target: str, index: str, suite: str, component: str, architecture: str
) -> list[Wanted]:
    """Return the index files of the packages and of both languages.

    Args:
        index: `apt`, this system's own sources; or the address, or the folder below `folder`, of a Debian mirror.
        suite, component, architecture: of the mirror, such as stable, main and amd64; with apt they are the system's.
    """
    names = [PACKAGES, *(f"Translation-{_code(language)}" for language in (source, target))]
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
    names = [PACKAGES, f"Translation-{_code(language)}"]
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
    """Make an index file, with apt or from a mirror; returns the suite and its date. Errors as of `fetch_index`."""
    return fetch_index(where, to, limits=limits)


def _wanted(folder: Path, name: str, index: str, suite: str, component: str, architecture: str) -> Wanted:
    if index == APT:
        return Wanted(f"{APT}:{name}", f"{name}.txt", _LICENCE)
    kind = f"binary-{architecture}" if name == PACKAGES else "i18n"
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
