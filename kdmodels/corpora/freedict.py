"""FreeDict's bilingual dictionaries: a headword and each of its translations are a pair, and so are the examples.

Debian packages them for dictd, as dict-freedict-eng-deu and the like; FreeDict's own archives have the same content.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kdmodels.debian_package import fetch_data
from kdmodels.dictd import read_entries, translations
from kdmodels.downloads import fetch as download
from kdmodels.formats.paths import fill, is_address
from kdmodels.formats.paths import wanted as wanted_files
from kdmodels.limits import Limits
from kdmodels.pairs import Pair
from kdmodels.provenance import Found, Wanted

_APT = "apt:"
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_ARCHIVE = re.compile(r"\.(tar|tar\.[a-z]+)")
_LICENCE = "as the dictionary (FreeDict)"


def pair_files(
    *, folder: Path, source: str, target: str, dictionary: str, codes: dict[str, str], examples: bool
) -> list[Wanted]:
    """Return the archive of a dictionary.

    Args:
        dictionary: the name of a Debian package, which apt fetches; or a path below the folder, or an address, of a tar
            archive with an .index and a .dict.dz. {source} and {target} stand for the languages.
        codes: the dictionary's own codes of them, such as eng

    Raises:
        BadInputError: where a path leads out of the folder or there is no such file.
    """
    del examples
    name = fill(dictionary, {"source": codes.get(source, source), "target": codes.get(target, target)})
    if _PACKAGE.fullmatch(name) and not _ARCHIVE.search(name):
        return [Wanted(f"{_APT}{name}", f"{name}.tar.xz", _LICENCE)]
    return wanted_files(folder, name, _LICENCE)


def read_pairs(
    found: Sequence[Found], *, source: str, target: str, dictionary: str, codes: dict[str, str], examples: bool
) -> Iterator[Pair]:
    """Return the pairs in the order of the dictionary, with ids that name the offset of their entry.

    Args:
        examples: with the phrases and sentences that show how a word is used; false: headwords alone

    Raises:
        BadInputError: where the archive is no dictionary of dictd.
        DamagedError: where it is damaged.
    """
    del source, target, dictionary, codes
    for one in found:
        for offset, text in read_entries(one.path, one.where):
            words, sentences = translations(text)
            for number, (left, right) in enumerate(words + sentences if examples else words):
                yield Pair(f"{one.name}:{offset}.{number}", left, right, None)


def fetch(where: str, to: Path, *, limits: Limits) -> str | None:
    """Fetch an archive: with apt, or from its address; returns the version of the package. Errors as of `fetch_data`."""
    if is_address(where):
        download(where, to, limits=limits, say=lambda line: print(line, flush=True))
        return None
    return fetch_data(where.removeprefix(_APT), to)
