"""Read the sentence pairs of one target language, clean them, and set held-out pairs aside."""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from kdmodels.choice import choose
from kdmodels.cleaning.leaks import Guard
from kdmodels.dictionary import entries
from kdmodels.errors import BadInputError
from kdmodels.files import write_json
from kdmodels.manifests import as_found, read_manifest
from kdmodels.pairs import LabelledText, plain
from kdmodels.provenance import Found
from kdmodels.tables import TableWriter, read_table, write_table
from tasks.cleaning import Cleaning
from tasks.config import PARAMS_FILE
from tasks.process import end_with_parent
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder

_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "content_hash", "source_hash", "source", "target", "seal")),
        ("held_out", pa.bool_()),
        ("weight", pa.float32()),
        ("translation_score", pa.float32()),
    ]
)
_ENTRIES = pa.schema([("source", pa.string()), ("target", pa.string())])


def corpus(
    sources: Path,
    source_test: Path,
    target_test: Path,
    labelled: Path,
    out: Path,
    params: Params,
    record: "Recorder",
) -> None:
    """Write pairs.parquet, dictionary.parquet, a report of the cleaning with pictures, and a data card.

    Each pair has its id, content and source hash, both sides, whether it is held out, its weight and translation score,
    and a seal over what belongs together. Of the corpus only a few numbers a pair are held in memory. The dictionary has
    those entries whose words the labelled text has; its table is empty where there is none.

    Raises:
        BadInputError: where a file or row is not as it must be, an id is used twice, a pair stands in a test set and
            leaks are to stop the stage, or too little is left.
    """
    section = params.corpus
    found = {name: [as_found(one) for one in files] for name, files in read_manifest(sources).items()}
    record.sources([(f"corpus.{name}", one) for name, files in found.items() for one in files])
    cleaning = Cleaning(params, sources.stem, begin=partial(end_with_parent, os.getpid()))
    guard = Guard(
        source_tests=_tests(source_test),
        target_tests=_tests(target_test),
        near=section.cleaning.leak_near,
        compare_ids=params.sources.compare_ids,
    )
    with tempfile.TemporaryDirectory(dir=out, prefix=".passes-") as scratch:
        survivors = cleaning.first(found, guard, Path(scratch))
        keep = cleaning.without_repetitions(survivors)
        with TableWriter(out / "pairs.parquet", _SCHEMA) as writer:
            for rows in cleaning.second(survivors, keep, _plain_texts(labelled)):
                writer.write(rows)
        cleaning.check()
    numbers = cleaning.numbers() | _dictionary(found["dictionary"], guard, labelled, sources.stem, out, params)
    cleaning.report(found, numbers, out)
    write_json(out / "report.json", numbers)
    record.metrics(numbers)
    for name in ("report.md", "card.md", "pictures"):
        record.artifact(out / name)


def _dictionary(
    found: list[Found], guard: Guard, labelled: Path, target: str, out: Path, params: Params
) -> dict[str, float]:
    """Write the dictionary, and return what is to be told of it."""
    section = params.corpus.dictionary
    pairs = choose("corpora", section.source).read_pairs(found, source=params.source, target=target, **section.options)
    texts = read_table(labelled, ["text"])["text"].to_pylist()
    rows, counts = entries(
        pairs,
        texts,
        source=params.source,
        target=target,
        guard=guard,
        mend_encoding=params.corpus.cleaning.mend_encoding,
    )
    if section.source != "none" and not rows:
        raise BadInputError(
            f"{PARAMS_FILE}: corpus.dictionary: no entry is left of {counts['read']} "
            f"({', '.join(f'{count} {name}' for name, count in counts.items())}): none has only words of the labelled text. "
            "Is it a dictionary of this language? Without one, set its source to none"
        )
    write_table(
        out / "dictionary.parquet",
        {"source": [one for one, _ in rows], "target": [other for _, other in rows]},
        _ENTRIES,
    )
    if section.source == "none":
        return {}
    dropped = {f"dictionary_{name}": float(count) for name, count in counts.items() if name.startswith("dropped/")}
    return {"read/dictionary": float(counts["read"]), "kept/dictionary": float(counts["kept"]), **dropped}


def _tests(path: Path) -> list[LabelledText]:
    table = read_table(path, ["id", "label", "text", "group"])
    rows = zip(*(table[name].to_pylist() for name in ("id", "label", "text", "group")), strict=True)
    return [LabelledText(identity, label, text, None, group) for identity, label, text, group in rows]


def _plain_texts(path: Path) -> set[str]:
    return {plain(text) for text in read_table(path, ["text"])["text"].to_pylist()}
