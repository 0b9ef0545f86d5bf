"""Files as a user brings them, and the source `files` that reads them."""

import gzip
import io
import lzma
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa

from kdmodels.corpora import files
from kdmodels.files import sha256
from kdmodels.pairs import LabelledText, Pair
from kdmodels.provenance import Found, Wanted

PAIRS: dict[str, Any] = {
    "paths": ["pairs.tsv"],
    "members": [],
    "id_column": None,
    "source_column": "{source}",
    "target_column": "{target}",
    "group_column": None,
    "codes": {},
    "header": [],
    "licence": None,
}
TEXTS: dict[str, Any] = {
    "labelled": "labelled.{language}.tsv",
    "valid": None,
    "test": "test.{language}.tsv",
    "id_column": "id",
    "label_column": "label",
    "text_column": "text",
    "split_column": None,
    "group_column": None,
    "codes": {},
    "header": [],
    "licence": None,
}


def write(path: Path, text: str | bytes) -> Path:
    """Write bytes as they are; text as UTF-8, line ends untouched."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def table(*rows: tuple[str, ...]) -> str:
    """Return tab-separated lines; the first row is the header."""
    return "".join("\t".join(row) + "\n" for row in rows)


def packed(ending: str, content: bytes) -> bytes:
    """Return bytes packed as an ending says: gz, xz, zst, or none at all."""
    if ending == "zst":
        return bytes(pa.compress(content, codec="zstd", asbytes=True))
    return {"gz": gzip.compress, "xz": lzma.compress}.get(ending, bytes)(content)


def zipped(members: Mapping[str, str | bytes] | Sequence[tuple[zipfile.ZipInfo | str, str | bytes]]) -> bytes:
    """Return a zip archive of members; as they are given, however odd their names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items() if isinstance(members, Mapping) else members:
            archive.writestr(name, content)
    return out.getvalue()


def memory(*units: Mapping[str, str], before: str = "") -> str:
    """Return a TMX file; each unit gives a text by language."""
    variants = [
        "".join(f'<tuv xml:lang="{code}"><seg>{escape(text, _XML)}</seg></tuv>' for code, text in unit.items())
        for unit in units
    ]
    body = "\n".join(f"<tu>{unit}</tu>" for unit in variants)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'
    return f'{before or head}<tmx version="1.4">\n<header srclang="en"/>\n<body>\n{body}\n</body>\n</tmx>\n'


_XML = {"\r": "&#13;"}


def as_found(wanted: Wanted) -> Found:
    """Return a wanted local file as found."""
    path = Path(wanted.where)
    size = path.stat().st_size
    return Found(path, wanted.where, wanted.name, sha256(path), size, wanted.licence, fetched=None, revision=None)


def read_pairs(folder: Path, target: str = "de", **changes: Any) -> list[Pair]:
    """Return the English pairs of a folder, read with some options changed."""
    options = PAIRS | changes
    found = [as_found(one) for one in files.pair_files(folder=folder, source="en", target=target, **options)]
    return list(files.read_pairs(found, source="en", target=target, **options))


def sides(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """Return both texts of each pair."""
    return [(pair.source, pair.target) for pair in pairs]


def read_labelled(folder: Path, language: str = "en", **changes: Any) -> list[tuple[str, LabelledText]]:
    """Return the labelled texts of a folder with their places, read with some options changed."""
    options = TEXTS | changes
    found = [as_found(one) for one in files.labelled_files(folder=folder, language=language, **options)]
    return list(files.read_labelled(found, language=language, **options))


def read_test(folder: Path, language: str = "de", **changes: Any) -> list[tuple[str, LabelledText]]:
    """Return the test texts of a folder with their places, read with some options changed."""
    options = TEXTS | changes
    found = [as_found(one) for one in files.test_files(folder=folder, language=language, **options)]
    return list(files.read_test(found, language=language, **options))
