"""Tokenize both sides of the parallel corpus: the source as the teacher does, the target with a vocabulary of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kdmodels.encoder import find_encoder, frame_roles, load_tokenizer
from kdmodels.errors import BadInputError
from kdmodels.files import write_json
from kdmodels.ledger import prove_pairs, token_seal
from kdmodels.tables import TableWriter, read_batches, read_table, write_table
from kdmodels.token_rows import TokenRows, joined
from kdmodels.token_table import DICTIONARY, FILE
from kdmodels.trimming import trim
from kdmodels.vocabulary import save_tokenizer, train_vocabulary
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder

_PROVED = ("id", "content_hash", "source_hash", "source", "target", "held_out", "weight", "seal")
_TOGETHER = 4096  # pairs; a tokenizer gives lists of Python's integers
_IDS = pa.list_(pa.int32())
_SCHEMA = pa.schema(
    {
        "id": pa.string(), "content_hash": pa.string(), "source_hash": pa.string(), "held_out": pa.bool_(),
        "weight": pa.float32(), "translation_score": pa.float32(), "source_ids": _IDS, "target_ids": _IDS,
        "seal": pa.string(),
    }
)  # fmt: skip


def tokens(corpus: Path, dictionary: Path, encoder: Path, out: Path, params: Params, record: "Recorder") -> None:
    """Write tokens.parquet (both sides as ids, pair by pair), dictionary.parquet likewise, and the target tokenizer.

    The vocabulary is trained on the target side of the pairs that are not held out and on the dictionary's, or a
    multilingual one is trimmed to it.

    Raises:
        DamagedError: where a pair is no longer the one that `corpus` wrote.
        BadInputError: where the encoder cannot read texts of tokens.maximum_length.
    """
    teacher_tokenizer = load_tokenizer(encoder)
    length = params.tokens.maximum_length
    if length > teacher_tokenizer.model_max_length:
        raise BadInputError(
            f"params.yaml: tokens.maximum_length: {length} is more than the {teacher_tokenizer.model_max_length} tokens "
            "that the encoder of teacher.init reads"
        )
    known = {name: column.to_pylist() for name, column in read_table(dictionary, ["source", "target"]).items()}
    training = _Training(corpus, known["target"])
    folder = out / "tokenizer"
    if params.tokens.trimmed_from is None:
        tokenizer = train_vocabulary(
            training,
            size=params.tokens.vocabulary_size,
            lowercase=params.tokens.lowercase,
            frame=frame_roles(teacher_tokenizer),
        )
        save_tokenizer(tokenizer, folder, length)
    else:
        checkpoint = find_encoder(
            params.tokens.trimmed_from, revision=None, weights_sha256=None, key="tokens.trimmed_from"
        )
        trimmed = trim(load_tokenizer(checkpoint), training)
        trimmed.model_max_length = length
        trimmed.save_pretrained(folder)
    target_tokenizer = load_tokenizer(folder)
    readers = {"source": teacher_tokenizer, "target": target_tokenizer}
    told = _Told(target_tokenizer.unk_token_id, length)
    with TableWriter(out / FILE, _SCHEMA) as writer:
        for batch in _proved(corpus):
            source_ids, target_ids = (_ids(reader, batch[side], length) for side, reader in readers.items())
            uses = (batch[name] for name in ("held_out", "weight", "translation_score"))
            rows = zip(batch["id"], batch["source_hash"], source_ids, target_ids, *uses, strict=True)
            made = {"source_ids": source_ids.column(), "target_ids": target_ids.column()}
            made |= {"seal": [token_seal(*row) for row in rows]}
            writer.write({name: made.get(name, batch.get(name)) for name in _SCHEMA.names})
            told.add(source_ids, target_ids)
    entries = {f"{side}_ids": _ids(reader, known[side], length).column() for side, reader in readers.items()}
    write_table(out / DICTIONARY, entries)
    report = {"vocabulary": len(target_tokenizer), **told.report()}
    write_json(out / "report.json", report)
    record.metrics(report)


def _proved(corpus: Path) -> Iterator[dict[str, list[Any]]]:
    """Give some pairs at a time, each proved to be the one that `corpus` wrote."""
    first = 0
    for batch in read_batches(corpus, [*_PROVED, "translation_score"], _TOGETHER):
        columns = {name: values.to_pylist() for name, values in batch.items()}
        prove_pairs(corpus, *(columns[name] for name in _PROVED), first=first)
        first += len(columns["id"])
        yield columns


class _Training:
    """The target text that a vocabulary is trained on, as often as asked for: of pairs that are not held out, and more."""

    def __init__(self, corpus: Path, more: list[str]) -> None:
        self._corpus, self._more = corpus, more

    def __iter__(self) -> Iterator[str]:
        for batch in _proved(self._corpus):
            yield from (text for text, held in zip(batch["target"], batch["held_out"], strict=True) if not held)
        yield from self._more


class _Told:
    """What is reported of all pairs, counted some at a time."""

    def __init__(self, unknown: int, length: int) -> None:
        self._unknown, self._length = unknown, length
        self._texts = self._source = self._target = self._unknowns = self._truncated = 0

    def add(self, source: TokenRows, target: TokenRows) -> None:
        """Count some pairs."""
        self._texts += len(target)
        self._source += len(source.ids)
        self._target += len(target.ids)
        self._unknowns += int((target.ids == self._unknown).sum())
        self._truncated += int((target.lengths == self._length).sum())

    def report(self) -> dict[str, float]:
        """Return means and shares."""
        texts = max(1, self._texts)
        return {
            "source_tokens_per_text": self._source / texts,
            "target_tokens_per_text": self._target / texts,
            "target_unknown_share": self._unknowns / max(1, self._target),
            "target_truncated_share": self._truncated / texts,
        }


def _ids(tokenizer: Any, texts: list[str], length: int) -> TokenRows:
    return joined(
        [
            TokenRows.of(tokenizer(texts[start : start + _TOGETHER], truncation=True, max_length=length)["input_ids"])
            for start in range(0, len(texts), _TOGETHER)
        ]
    )
