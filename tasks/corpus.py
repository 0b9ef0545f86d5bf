"""Read the sentence pairs of one target language, and set held-out pairs aside."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from kdmodels.choice import choose
from kdmodels.errors import BadInputError
from kdmodels.files import write_json
from kdmodels.pairs import Pair, falls_below, pair_hash, plain, text_hash
from kdmodels.tables import read_table, write_table
from tasks.config import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder


def corpus(source_test: Path, target_test: Path, out: Path, params: Params, record: "Recorder") -> None:
    """Write pairs.parquet (id, content and source hash, both sides, whether held out) and a report of counts.

    Pairs with an empty side, repeated pairs, and pairs with a side that stands in a test set are left out and counted.

    Raises:
        BadInputError: where a file or row is not as it must be, an id is used twice, or too little is left.
    """
    section = params.corpus
    target = target_test.stem
    tested = {
        plain(text) for path in (source_test, target_test) for text in read_table(path, ["text"])["text"].to_pylist()
    }
    counts: Counter[str] = Counter()
    kept: list[Pair] = []
    ids: set[str] = set()
    hashes: set[str] = set()
    pairs = choose("corpora", section.first).read_pairs(
        folder=Path(section.folder), source=params.source, target=target, **section.files.model_dump()
    )
    for pair in pairs:
        counts["read"] += 1
        if pair.id in ids or not pair.id:
            raise BadInputError(
                f"{section.folder}, {params.source}-{target}, pair {counts['read']}: the id {pair.id!r} "
                f"{'was used already' if pair.id else 'is empty'}; ids are unique, since each pair is known by its own"
            )
        ids.add(pair.id)
        reason = _reason_to_drop(pair, hashes, tested)
        if reason:
            counts[reason] += 1
            continue
        hashes.add(pair_hash(pair.source, pair.target))
        kept.append(pair)
    held_out = [falls_below(section.held_out, pair.source, "held_out") for pair in kept]
    report = {name: counts[name] for name in ("read", "empty", "repeated", "in_test_set")}
    report |= {"kept": len(kept), "held_out": sum(held_out)}
    if not 0 < sum(held_out) < len(kept):
        raise BadInputError(
            f"{section.folder}, {params.source}-{target}: {report['held_out']} held-out pairs of {len(kept)} kept, of "
            f"{report['read']} read ({report['empty']} with an empty side, {report['repeated']} repeated, "
            f"{report['in_test_set']} in a test set): some must be held out and some left to train on"
        )
    write_table(
        out / "pairs.parquet",
        {
            "id": [pair.id for pair in kept],
            "content_hash": [pair_hash(pair.source, pair.target) for pair in kept],
            "source_hash": [text_hash(pair.source) for pair in kept],
            "source": [pair.source for pair in kept],
            "target": [pair.target for pair in kept],
            "held_out": held_out,
        },
    )
    write_json(out / "report.json", report)
    record.metrics({name: float(value) for name, value in report.items()})


def _reason_to_drop(pair: Pair, hashes: set[str], tested: set[str]) -> str | None:
    if not (pair.source and pair.target):
        return "empty"
    if pair_hash(pair.source, pair.target) in hashes:
        return "repeated"
    if plain(pair.source) in tested or plain(pair.target) in tested:
        return "in_test_set"
    return None
