"""Read the sentence pairs of one target language, clean them, and set held-out pairs aside."""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from kdmodels.cleaning.leaks import Guard
from kdmodels.files import write_json
from kdmodels.manifests import as_found, read_manifest
from kdmodels.pairs import LabelledText, plain
from kdmodels.tables import TableWriter, read_table
from tasks.cleaning import Cleaning
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


def corpus(
    sources: Path,
    source_test: Path,
    target_test: Path,
    labelled: Path,
    out: Path,
    params: Params,
    record: "Recorder",
) -> None:
    """Write pairs.parquet, a report of the cleaning with pictures, and a data card.

    Each pair has its id, content and source hash, both sides, whether it is held out, its weight and translation score,
    and a seal over what belongs together. Of the corpus only a few numbers a pair are held in memory.

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
    cleaning.report(found, out)
    write_json(out / "report.json", cleaning.numbers())
    record.metrics(cleaning.numbers())
    for name in ("report.md", "card.md", "pictures"):
        record.artifact(out / name)


def _tests(path: Path) -> list[LabelledText]:
    table = read_table(path, ["id", "label", "text", "group"])
    rows = zip(*(table[name].to_pylist() for name in ("id", "label", "text", "group")), strict=True)
    return [LabelledText(identity, label, text, None, group) for identity, label, text, group in rows]


def _plain_texts(path: Path) -> set[str]:
    return {plain(text) for text in read_table(path, ["text"])["text"].to_pylist()}
