"""The teacher's pass over the distinct source texts, or over a part of them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.classification import label_names, load_model
from kdmodels.cross_fitting import MAIN, folds_to_label_by
from kdmodels.encoder import load_tokenizer, tokenizer_sha256
from kdmodels.errors import BadInputError
from kdmodels.files import folder_sha256
from kdmodels.label_parts import LabelPart, corpus_sha256, write_part
from kdmodels.label_rows import SoftLabels, join
from kdmodels.label_store import Identity
from kdmodels.labelling import POOLING, Text, bucket_of, label_texts
from kdmodels.parts import belongs
from kdmodels.tables import read_table
from kdmodels.teacher_pass import full_name, teacher_pass
from kdmodels.token_table import read_tokens
from tasks import places
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder


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
    table = read_tokens(tokens)
    corpus = corpus_sha256(set(table["source_hash"]))
    ids: dict[str, NDArray[np.integer[Any]]] = {
        name: row for name, row in zip(table["source_hash"], table["source_ids"], strict=True) if belongs(name, part)
    }
    sources = read_table(pairs, ["source_hash", "source"])
    text_of = dict(zip(sources["source_hash"].to_pylist(), sources["source"].to_pylist(), strict=True))
    assignment = read_table(folds / "assignment.parquet", ["text", "fold"])
    learned, fold_numbers = assignment["text"].to_pylist(), assignment["fold"].to_numpy()
    names = sorted(ids)
    unknown = [name for name in names if name not in text_of]
    if unknown:
        raise BadInputError(
            f"{pairs}: lacks the text {unknown[0]} ({len(unknown)} such texts) that {tokens} has: they come from different "
            "runs. Make both again: dvc repro"
        )
    near = params.corpus.cleaning.leak_near
    places_in = folds_to_label_by([text_of[name] for name in names], learned, np.arange(len(learned)), near)
    fold_N = np.where(places_in == MAIN, MAIN, fold_numbers[np.maximum(places_in, 0)])
    made = 0
    found: list[SoftLabels] = []
    teachers: list[str] = []
    main = _identity(teacher, params)
    for fold in [MAIN, *sorted(set(fold_N.tolist()) - {MAIN})]:
        folder = teacher if fold == MAIN else folds / str(fold)
        identity = main if fold == MAIN else _identity(folder, params)
        texts = [(name, ids[name]) for name, own in zip(names, fold_N, strict=True) if own == fold]
        if not texts:
            continue
        labels, passes = _label(folder, texts, identity, part, params)
        made += passes
        found.append(replace(labels, folds_N=np.full(len(labels), fold, dtype=np.int8)))
        teachers += [] if fold == MAIN else [identity.teacher]
    seen = places_in != MAIN
    counts = {
        "texts": len(names),
        "in_sample": int((seen & (fold_N == MAIN)).sum()),
        "out_of_fold": int((seen & (fold_N != MAIN)).sum()),
    }
    identity = replace(main, folds=tuple(teachers))
    rows = join(found).sorted_rows() if found else None
    write_part(out, LabelPart(identity, rows, counts, corpus), params.soft_labels.shard_rows)
    record.metrics({**{name: float(value) for name, value in counts.items()}, "teacher_passes": made})


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


def _label(folder: Path, texts: list[Text], identity: Identity, part: str, params: Params) -> tuple[SoftLabels, int]:
    padding, hidden = load_tokenizer(folder).pad_token_id, params.soft_labels.hidden != "none"
    backend, precision = params.labelling.backend, params.labelling.precision
    return label_texts(
        lambda: teacher_pass(load_model(folder), backend, precision, padding, hidden),
        texts,
        store=places.label_store(Path()),
        identity=identity,
        part=part,
        shard_rows=params.soft_labels.shard_rows,
        padding=padding,
        say=lambda line: print(line, flush=True),
    )
