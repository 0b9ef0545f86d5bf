"""CC-CEDICT, the free Chinese-English dictionary: a word and each of its English meanings are a pair."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kdmodels.errors import BadInputError
from kdmodels.formats.parts import parts_of
from kdmodels.formats.paths import fill, wanted
from kdmodels.pairs import Pair
from kdmodels.provenance import Found, Wanted
from kdmodels.text_files import read_lines

_LICENCE = "CC-BY-SA-4.0"
_ENTRY = re.compile(r"(?P<traditional>\S+) (?P<simplified>\S+) \[(?P<sound>[^\]]*)\] /(?P<meanings>.+)/\s*")
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_FORM = re.compile(r"^(to|lit\.|fig\.) ")  # before a meaning, and not in a text that uses the word
_POINTER = re.compile(r"CL:|(old |erhua )?variant of\b|abbr\. (for|to)\b|also (pr\.|written)|surname ")
_CHINESE = re.compile("[㐀-鿿]")  # in a meaning: another entry is named


def pair_files(*, folder: Path, source: str, target: str, path: str, traditional: bool) -> list[Wanted]:
    """Return the file of the dictionary.

    Args:
        path: below the folder, or an address, of the text file, which may be packed (.gz, .zip)
        traditional: the words as they are written in Taiwan; false: the simplified ones

    Raises:
        BadInputError: where neither language is Chinese and the other English, a path leads out of the folder or there is
            no such file.
    """
    del traditional
    if {_main(source), _main(target)} != {"en", "zh"}:
        raise BadInputError(
            f"cedict: has Chinese (zh) and English (en), not {source} and {target}; for others: freedict"
        )
    return wanted(folder, fill(path, {"source": source, "target": target}), _LICENCE)


def read_pairs(found: Sequence[Found], *, source: str, target: str, path: str, traditional: bool) -> Iterator[Pair]:
    """Return the pairs in the order of the dictionary, with ids that name line and meaning.

    Of a meaning the word itself is kept: what stands in brackets is taken off, and a mere pointer to another entry left out.

    Raises:
        BadInputError: where a line is no entry of the dictionary.
        DamagedError: where the file is packed and damaged.
    """
    del target
    side = "traditional" if traditional else "simplified"
    for part in parts_of(found, path, None):
        for number, line in read_lines(part.entry):
            if not line.strip() or line.startswith("#"):
                continue
            entry = _ENTRY.fullmatch(line)
            if entry is None:
                raise BadInputError(
                    f"{part.place}: line {number} is no entry of CC-CEDICT, 傳統 传统 [chuan2 tong3] /tradition/: {line[:80]!r}"
                )
            for place, english in enumerate(_meanings(entry["meanings"])):
                left, right = (english, entry[side]) if _main(source) == "en" else (entry[side], english)
                yield Pair(f"{part.place}:{number}.{place}", left, right, None)


def _meanings(text: str) -> list[str]:
    found: dict[str, None] = {}
    for meaning in re.split(r"[/;]", text):
        plain = meaning
        while _ASIDE.search(plain):
            plain = _ASIDE.sub(" ", plain)
        plain = " ".join(plain.split())
        if plain and not _POINTER.match(plain) and not _CHINESE.search(plain):
            found[_FORM.sub("", plain, count=1)] = None
    return list(found)


def _main(language: str) -> str:
    return language.split("-")[0]
