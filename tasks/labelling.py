"""The teacher's pass over the distinct source texts, or over a part of them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kdmodels.classification import label_names, load_model
from kdmodels.cross_fitting import MAIN, UNSEEN, learned_from
from kdmodels.encoder import load_tokenizer, tokenizer_sha256
from kdmodels.errors import BadInputError
from kdmodels.files import folder_sha256
from kdmodels.label_parts import LabelPart, write_part
from kdmodels.label_rows import SoftLabels, join
from kdmodels.label_store import Identity
from kdmodels.labelling import POOLING, bucket_of, label_texts
from kdmodels.large_arrays import kept, pieces, take
from kdmodels.parts import belongs
from kdmodels.tables import read_batches, read_table
from kdmodels.teacher_pass import full_name, teacher_pass
from kdmodels.text_hashes import HASH, Hashes, corpus_sha256, distinct, find
from kdmodels.token_rows import TokenRows
from kdmodels.token_table import read_tokens
from tasks import places
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder

_TOGETHER = 4096  # pairs


def labelling(
    tokens: Path, pairs: Path, teacher: Path, folds: Path, out: Path, params: Params, record: "Recorder"
) -> None:
    """Write raw logits and pooled hidden states of the source texts of the part that `out` is named after.

    They are copied from the label store, which outlasts outputs and is shared by all targets; what it lacks is
    labelled first. A text that the teacher learned from is labelled by the teacher of its fold, where there are folds;
    part.json counts how many such texts there are, and by whom they were labelled.

    Raises:
        BadInputError: where tokens and pairs come from different runs.
    """
    part = places.published(out).name
    table = read_tokens(tokens, ["source_hash", "source_ids"])
    rows = distinct(table["source_hash"])
    hashes_N = take(table["source_hash"], rows)
    corpus = corpus_sha256(hashes_N)
    mine = _of_part(hashes_N, part)
    rows, hashes_N = take(rows, mine), take(hashes_N, mine)
    assignment = read_table(folds / "assignment.parquet", ["text", "fold"])
    fold_of_learned = assignment["fold"].to_numpy()
    learned_N = _learned_from(pairs, tokens, hashes_N, assignment["text"].to_pylist(), params.corpus.cleaning.leak_near)
    seen = learned_N != UNSEEN
    fold_N = np.full(len(hashes_N), MAIN, dtype=np.int8)
    fold_N[seen] = fold_of_learned[learned_N[seen]]
    made = 0
    found: list[SoftLabels] = []
    teachers: list[str] = []
    main = _identity(teacher, params)
    for fold in [MAIN, *sorted(set(fold_N.tolist()) - {MAIN})]:
        folder = teacher if fold == MAIN else folds / str(fold)
        identity = main if fold == MAIN else _identity(folder, params)
        own = kept(np.flatnonzero(fold_N == fold))
        if not len(own):
            continue
        labels, passes = _label(
            folder, take(hashes_N, own), table["source_ids"].at(take(rows, own)), identity, part, params
        )
        made += passes
        found.append(replace(labels, folds_N=np.full(len(labels), fold, dtype=np.int8)))
        teachers += [] if fold == MAIN else [identity.teacher]
    counts = {
        "texts": len(hashes_N),
        "in_sample": int((seen & (fold_N == MAIN)).sum()),
        "out_of_fold": int((seen & (fold_N != MAIN)).sum()),
    }
    identity = replace(main, folds=tuple(teachers))
    every = (found[0] if len(found) == 1 else join(found)).sorted_rows() if found else None
    write_part(out, LabelPart(identity, every, counts, corpus), params.soft_labels.shard_rows)
    record.metrics({**{name: float(value) for name, value in counts.items()}, "teacher_passes": made})


def _of_part(hashes_N: Hashes, part: str) -> NDArray[np.int64]:
    """Return the rows of the texts that belong to a part."""
    mine = np.zeros(len(hashes_N), dtype=bool)
    for some in pieces(len(hashes_N), HASH.itemsize):
        mine[some] = [belongs(name, part) for name in hashes_N[some].tolist()]
    return kept(np.flatnonzero(mine))


def _learned_from(
    pairs: Path, tokens: Path, hashes_N: Hashes, learned: list[str], near: float | None
) -> NDArray[np.int32]:
    """Return of each text, by its sorted hash, which text it is that a teacher learned from; -1 where it is none."""
    number_of = learned_from(learned, near=near)
    numbers = np.full(len(hashes_N), UNSEEN, dtype=np.int32)
    there = np.zeros(len(hashes_N), dtype=bool)
    for batch in read_batches(pairs, ["source_hash", "source"], _TOGETHER):
        rows = find(hashes_N, batch["source_hash"].to_pylist())
        for row, text in zip(rows.tolist(), batch["source"].to_pylist(), strict=True):
            if row >= 0 and not there[row]:
                numbers[row], there[row] = number_of(text), True
    if not there.all():
        raise BadInputError(
            f"{pairs}: lacks the text {hashes_N[np.argmin(there)]} ({(~there).sum()} such texts) that {tokens} has: they come "
            "from different runs. Make both again: dvc repro"
        )
    return numbers


def _identity(teacher: Path, params: Params) -> Identity:
    model, keeps = load_model(teacher), params.soft_labels
    return Identity(
        teacher=folder_sha256(teacher),
        folds=(),
        tokenizer=tokenizer_sha256(load_tokenizer(teacher)),
        maximum_length=params.tokens.maximum_length,
        labels=tuple(label_names(model)),
        pooling=POOLING,
        backend=full_name(params.labelling.backend),
        dtype=params.labelling.precision,
        batch=(params.labelling.batch_rows, bucket_of(model, params.labelling.bucket)),
        storage=(keeps.logits, keeps.top_classes or 0, keeps.hidden),
    )


def _label(
    folder: Path, hashes_N: Hashes, ids: TokenRows, identity: Identity, part: str, params: Params
) -> tuple[SoftLabels, int]:
    padding, hidden = load_tokenizer(folder).pad_token_id, params.soft_labels.hidden != "none"
    backend, precision = params.labelling.backend, params.labelling.precision
    return label_texts(
        lambda: teacher_pass(load_model(folder), backend, precision, padding, hidden),
        hashes_N,
        ids,
        store=places.label_store(Path()),
        identity=identity,
        part=part,
        shard_rows=params.soft_labels.shard_rows,
        padding=padding,
        say=lambda line: print(line, flush=True),
    )
