"""OPUS (Tiedemann 2012): a corpus by its name and version, as the Moses archive of a language pair."""

import difflib
import gzip
import re
import shutil
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from kdmodels.archives import entries
from kdmodels.download_cache import cache_folder
from kdmodels.errors import BadInputError
from kdmodels.files import whole
from kdmodels.pairs import Pair
from kdmodels.provenance import Found, Wanted
from kdmodels.text_files import read_two

# OPUS's own codes, the likelier first: corpora differ in them. Of other languages it is the code itself, with an
# underscore for the hyphen and the region in capitals or not.
_CODES = {
    "nb": ["nb", "no", "nb_NO", "no_nb"],
    "no": ["no", "nb", "nb_NO", "no_nb"],
    "pt": ["pt", "pt_PT"],
    "sw": ["sw", "swa", "swh"],
    "zh": ["zh", "zh_cn", "zh_CN", "zhs"],
    "zh-Hans": ["zh_cn", "zh_CN", "zh_Hans", "zhs", "zh"],
    "zh-Hant": ["zh_tw", "zh_TW", "zh_Hant", "zht"],
}
# Where the corpus states one for all of its text; of the others the file LICENSE in the archive tells.
_LICENCES = {
    "Anuvaad": "CC-BY-4.0",
    "ParaCrawl": "CC0-1.0 (of the collection, not the texts)",
    "ParIce": "CC-BY-4.0",
    "Tatoeba": "CC-BY-2.0-FR",
    "WikiMatrix": "CC-BY-SA",
}
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
_ARCHIVE = re.compile(r"\.(?P<left>[^.-]+)-(?P<right>[^.-]+)\.txt\.zip$")
_SHOWN = 20  # names that an error lists


def pair_files(*, folder: Path, source: str, target: str, corpus: str, version: str) -> list[Wanted]:
    """Return the archive of a corpus for a language pair, as opustools' own list (no network) has it.

    Args:
        corpus: as OPUS writes it: Europarl, OpenSubtitles, Tatoeba
        version: such as v8, or latest: the newest of that list that has this pair

    Raises:
        BadInputError: where there is no such corpus, version or pair; it names those there are.
    """
    del folder
    for name, value in (("corpus", corpus), ("version", version)):
        if not _NAME.fullmatch(value):
            raise BadInputError(f"{name}: {value!r} is no name of OPUS, such as Tatoeba with the version v2022-03-03")
    row = _resolve(source, target, corpus, version)
    name = f"{corpus}-{row['version']}.{row['source']}-{row['target']}.txt.zip"
    return [Wanted(row["url"], name, _LICENCES.get(corpus))]


def read_pairs(found: Sequence[Found], *, source: str, target: str, corpus: str, version: str) -> Iterator[Pair]:
    """Return the sentence pairs of a corpus in their order, with ids that name corpus, version, pair and line.

    Raises:
        BadInputError: where the archive lacks a side, or the sides differ in their number of lines.
        DamagedError: where it is damaged.
    """
    del corpus, version
    for one in found:
        named = _ARCHIVE.search(one.name)
        if named is None:
            raise BadInputError(f"{one.where}: {one.name!r} is no Moses archive of OPUS, NAME.de-en.txt.zip")
        left, right = named["left"], named["right"]
        # The order in OPUS is alphabetical, whichever language is our source.
        ours, theirs = (left, right) if left in _codes(source) and right in _codes(target) else (right, left)
        sides = []
        for code in (ours, theirs):
            fitting = entries(one.path, one.where, f"*.{left}-{right}.{code}")
            if len(fitting) != 1:
                raise BadInputError(f"{one.where}: {len(fitting)} members end in .{left}-{right}.{code}, expected one")
            sides.extend(fitting)
        for number, first, second in read_two(*sides):
            yield Pair(f"{one.name.removesuffix('.txt.zip')}:{number}", first, second, None)


def _resolve(source: str, target: str, corpus: str, version: str) -> dict[str, Any]:
    """Return the row of opustools' list: source and target in its order, version, url."""
    from opustools.db_operations import DbOperations

    database = DbOperations(db_file=str(_database()))
    wanted = [(left, right) for left in _codes(source) for right in _codes(target)]
    every = database.run_default_query({"preprocessing": "moses", "corpus": corpus})
    by_pair: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in every:
        by_pair.setdefault((row["source"], row["target"]), []).append(row)
    rows = [row for left, right in wanted for pair in ((left, right), (right, left)) for row in by_pair.get(pair, [])]
    fitting = [row for row in rows if (row["latest"] == "True" if version == "latest" else row["version"] == version)]
    if fitting:
        # A corpus that was renamed stands in the list with both addresses.
        return next((row for row in fitting if f"/OPUS-{corpus}/" in row["url"]), fitting[0])
    pair = f"{source}-{target}"
    if rows:
        versions = ", ".join(sorted({str(row["version"]) for row in rows}))
        raise BadInputError(f"version: OPUS has no {corpus} {version} of {pair} as Moses; there are {versions}")
    size: dict[str, int] = {}
    for left, right in wanted:
        for row in database.run_default_query({"preprocessing": "moses", "source": left, "target": right}):
            size[row["corpus"]] = max(size.get(row["corpus"], 0), row["alignment_pairs"] or 0)
    there = sorted(size, key=lambda name: -size[name])
    if every:
        raise BadInputError(f"corpus: OPUS has no {corpus} of {pair} as Moses. {_choices(there, pair)}")
    known = {name.lower(): name for name in database.run_corpora_query({"preprocessing": "moses"})}
    near = difflib.get_close_matches(corpus.lower(), known, n=3)
    hint = f"Is it {known[near[0]]}? " if near else ""
    raise BadInputError(f"corpus: OPUS has no {corpus!r} as Moses. {hint}{_choices(there, pair)}")


def _database() -> Path:
    """Return opustools' list of what OPUS holds, unpacked once into the cache.

    Its own OpusGet unpacks it into the home folder, where one that broke off in the middle is never mended, and skips
    what lies in the working folder under the same name.
    """
    import opustools

    path = cache_folder() / "opus" / f"opusdata-{metadata.version('opustools')}.db"
    if not path.exists():
        packed = Path(opustools.__file__).parent / "opusdata.db.gz"
        with whole(path) as temporary, gzip.open(packed) as data, temporary.open("wb") as out:
            shutil.copyfileobj(data, out, 1 << 20)
    return path


def _codes(language: str) -> list[str]:
    usual = language.replace("-", "_")
    return _CODES.get(language) or list(dict.fromkeys([usual, usual.lower()]))


def _choices(there: Sequence[str], pair: str) -> str:
    if not there:
        return f"It has nothing of {pair}"
    more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
    return f"Of {pair} there are, the largest first, {', '.join(there[:_SHOWN])}{more}"
