"""Debian's index files: what a package is, and its description in many languages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdmodels.archives import entry
from kdmodels.errors import BadInputError
from kdmodels.text_files import read_lines

_BULLETS = ("* ", "- ", "+ ", "• ")  # with a space: "*nix" and "-dev" begin wrapped lines of text
_HASH = re.compile(r" ([0-9a-f]{64}) +\d+ (\S+)")
_TRANSLATION = re.compile(r"/i18n/Translation-([^./]+)(\.\w+)?$")


@dataclass(frozen=True, slots=True)
class Package:
    """A binary package: the source package it is built from, its section in the archive, its description's md5."""

    source: str
    section: str
    md5: str


@dataclass(frozen=True, slots=True)
class Description:
    """A description: the short line and the paragraphs of running text; lists and verbatim lines are left out."""

    short: str
    paragraphs: tuple[str, ...]

    @property
    def unit(self) -> str:
        """Return the short line and the first paragraph as one text."""
        short = self.short if self.short.endswith((".", "!", "?", "。")) else f"{self.short}."
        return " ".join([short, *self.paragraphs[:1]])


@dataclass(frozen=True, slots=True)
class Release:
    """What a suite consists of: its date, as it is written there, and the sha256 of each index by its path below it."""

    date: str
    indexes: dict[str, str]

    @property
    def languages(self) -> set[str]:
        """Return the codes of the languages with translated descriptions."""
        return {match[1] for path in self.indexes if (match := _TRANSLATION.search(path))}


def read_release(path: Path, shown: str) -> Release:
    """Read a Release or InRelease file; its signature is not checked.

    Args:
        shown: how messages name it

    Raises:
        BadInputError: where it is no such file.
    """
    date, indexes = "", dict[str, str]()
    for _, line in read_lines(path):
        if match := _HASH.fullmatch(line):
            indexes[match[2]] = match[1]
        elif line.startswith("Date:"):
            date = line.removeprefix("Date:").strip()
    if not date or not indexes:
        raise BadInputError(f"{shown}: holds no date or no sha256 of an index; is it the Release file of a suite?")
    return Release(date, indexes)


def read_packages(path: Path) -> dict[str, Package]:
    """Read a Packages index; of several versions of a package the first counts.

    Raises:
        BadInputError: where it is no such index.
    """
    found: dict[str, Package] = {}
    for stanza in _stanzas(path):
        if {"Package", "Section", "Description-md5"} <= stanza.keys():
            source = stanza.get("Source", stanza["Package"]).split(" ")[0]
            section = stanza["Section"].rpartition("/")[2]
            found.setdefault(stanza["Package"], Package(source, section, stanza["Description-md5"]))
    if not found:
        raise BadInputError(f"{path}: holds no package with a section and a Description-md5; is it a Packages index?")
    return found


def read_descriptions(path: Path, code: str) -> dict[tuple[str, str], Description]:
    """Read a Translation index: a package and its description's md5 -> the description.

    Raises:
        BadInputError: where it holds none in this language.
    """
    field = f"Description-{code}"
    found: dict[tuple[str, str], Description] = {}
    for stanza in _stanzas(path):
        if {"Package", "Description-md5", field} <= stanza.keys():
            description = _description(stanza[field])
            if description.short:
                found.setdefault((stanza["Package"], stanza["Description-md5"]), description)
    if not found:
        raise BadInputError(f"{path}: holds no {field}; is it the Translation index of that language?")
    return found


def _stanzas(path: Path) -> Iterator[dict[str, str]]:
    """Return the stanzas of an index; a field's further lines stay below its first, without their leading space."""
    stanza: dict[str, str] = {}
    name = ""
    for number, line in read_lines(entry(path)):
        if not line.strip():
            if stanza:
                yield stanza
            stanza, name = {}, ""
        elif line[0] in " \t":
            if not name:
                raise BadInputError(f"{path}:{number}: a further line of no field; is it an index of Debian?")
            stanza[name] += f"\n{line[1:]}"
        else:
            name, colon, value = line.partition(":")
            if not colon:
                raise BadInputError(f"{path}:{number}: 'Field: value' is expected, found {line[:60]!r}")
            stanza[name] = value.strip()
    if stanza:
        yield stanza


def _description(value: str) -> Description:
    short, *lines = value.split("\n")
    paragraphs: list[list[str]] = [[]]
    listed = False
    for line in lines:
        if line.strip() == ".":
            paragraphs.append([])
            listed = False
        elif line.startswith((" ", "\t")) or line.startswith(_BULLETS):
            listed = not line.startswith((" ", "\t"))
        elif not listed:  # what follows a bullet goes on with it
            paragraphs[-1].append(line)
    texts = (" ".join(" ".join(lines).split()) for lines in paragraphs)
    return Description(" ".join(short.split()), tuple(text for text in texts if text))
