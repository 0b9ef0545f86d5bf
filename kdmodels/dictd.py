"""Dictionaries in the format of the DICT server (dictd): an index of offsets, and a text of entries."""

import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from kdmodels.archives import entry
from kdmodels.errors import BadInputError, DamagedError

_DIGITS = {
    letter: number for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}
_LARGEST = 1 << 30  # bytes of a dictionary's text; the largest of FreeDict's has a tenth of it
_REMARK = re.compile(r"<[^>]*>|\[[^\]]*\]|\([^)]*\)|\{[^}]*\}")
_PRONUNCIATION = re.compile(r"\s/.*")
_EXAMPLE = re.compile(r'"(.+)"\s+- (.+)')
_ASIDE = re.compile(r"(see|synonyms?|antonyms?|note|usage)\s*:", re.IGNORECASE)
_NUMBER = re.compile(r"\d+\.\s+")


def read_entries(path: Path, shown: str) -> Iterator[tuple[int, str]]:
    """Return the entries of a dictionary with their offsets, in the order of the text.

    Args:
        path: a tar archive, packed or not, with one member .index and one .dict, or .dict.dz
        shown: how messages name it

    Raises:
        BadInputError: where a member is missing, the text is larger than a dictionary's, or it is not UTF-8.
        DamagedError: where the archive is truncated, or an offset lies outside the text.
    """
    index, text = _members(path, shown)
    places = set()
    for number, line in enumerate(index.decode("utf-8", errors="replace").split("\n"), start=1):
        if not line:
            continue
        word, *fields = line.split("\t")
        if len(fields) < 2 or not all(field and set(field) <= set(_DIGITS) for field in fields[:2]):
            raise BadInputError(
                f"{shown}: line {number} of the index is not word, offset and length, with tabs between: {line[:80]!r}"
            )
        if not word.startswith(("00database", "00-database")):
            places.add((_number(fields[0]), _number(fields[1])))
    for offset, length in sorted(places):
        if offset + length > len(text):
            raise DamagedError(f"{shown}: an entry ends at {offset + length}, the text at {len(text)}. Get it anew")
        try:
            yield offset, text[offset : offset + length].decode("utf-8")
        except UnicodeDecodeError:
            raise BadInputError(f"{shown}: the entry at {offset} is not UTF-8") from None


def translations(entry_text: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return of an entry of FreeDict the headword with each of its translations, and the examples with theirs.

    Pronunciation, grammar, labels of usage, notes and references are left out, and of alternatives (Druck/Pression) all.
    """
    first, *lines = entry_text.split("\n")
    word = _plain(_PRONUNCIATION.sub("", first))
    words, examples = [], []
    for line in lines:
        rest = _NUMBER.sub("", line.strip(), count=1)
        example = _EXAMPLE.fullmatch(rest)
        if example:
            examples.append((_plain(example[1]), _plain(example[2])))
        elif not _ASIDE.match(rest):
            words += [(word, _plain(part)) for part in re.split(r"[,;]", _REMARK.sub("", rest))]
    return _whole(words), _whole(examples)


def _whole(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in dict.fromkeys(pairs) if all(pair) and not any("/" in side for side in pair)]


def _plain(text: str) -> str:
    return " ".join(_REMARK.sub("", text).replace("…", " ").split())


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 64 + _DIGITS[digit]
    return value


def _members(path: Path, shown: str) -> tuple[bytes, bytes]:
    index, text = [], []
    names = []
    try:
        with entry(path).open(None) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                names.append(member.name)
                if not member.name.endswith((".index", ".dict", ".dict.dz")):
                    continue
                data = archive.extractfile(member)
                content = b"" if data is None else _limited(data, shown)
                if member.name.endswith(".index"):
                    index.append(content)
                else:
                    text.append(_unpacked(content, shown) if member.name.endswith(".dz") else content)
    except tarfile.TarError as error:
        raise DamagedError(f"{shown}: truncated, damaged or no tar archive ({error}). Get it anew") from None
    if len(index) != 1 or len(text) != 1:
        raise BadInputError(
            f"{shown}: one member .index and one .dict.dz are expected, as in FreeDict's archives for dictd; there are "
            f"{', '.join(names[:20]) or 'none'}"
        )
    return index[0], text[0]


def _limited(stream: IO[bytes], shown: str) -> bytes:
    return _checked(stream.read(_LARGEST + 1), shown)


def _unpacked(content: bytes, shown: str) -> bytes:
    try:
        unpacking = zlib.decompressobj(wbits=31)
        text = unpacking.decompress(content, _LARGEST + 1)
    except zlib.error as error:
        raise DamagedError(f"{shown}: its .dict.dz is damaged ({error}). Get it anew") from None
    _checked(text, shown)
    if not unpacking.eof:
        raise DamagedError(f"{shown}: its .dict.dz is truncated. Get it anew")
    return text


def _checked(content: bytes, shown: str) -> bytes:
    if len(content) > _LARGEST:
        raise BadInputError(f"{shown}: a member has more than {_LARGEST:,} bytes; no dictionary is so large")
    return content
