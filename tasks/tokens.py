"""Tokenize both sides of the parallel corpus: the source as the teacher does, the target with a vocabulary of its own."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdmodels.encoder import find_encoder, frame_roles, load_tokenizer
from kdmodels.errors import BadInputError
from kdmodels.files import write_json
from kdmodels.ledger import prove_pairs, token_seal
from kdmodels.tables import read_table, write_table
from kdmodels.token_rows import TokenRows, joined
from kdmodels.token_table import DICTIONARY, FILE
from kdmodels.trimming import trim
from kdmodels.vocabulary import save_tokenizer, train_vocabulary
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder

_PROVED = ("id", "content_hash", "source_hash", "source", "target", "held_out", "weight", "seal")
_TOGETHER = 4096  # texts


def tokens(corpus: Path, dictionary: Path, encoder: Path, out: Path, params: Params, record: "Recorder") -> None:
    """Write tokens.parquet (both sides as ids, pair by pair), dictionary.parquet likewise, and the target tokenizer.

    The vocabulary is trained on the target side of the pairs that are not held out and on the dictionary's, or a
    multilingual one is trimmed to it.

    Raises:
        DamagedError: where a pair is no longer the one that `corpus` wrote.
        BadInputError: where the encoder cannot read texts of tokens.maximum_length.
    """
    pairs = read_table(corpus, [*_PROVED, "translation_score"])
    texts = {name: pairs[name].to_pylist() for name in pairs}
    prove_pairs(corpus, *(texts[name] for name in _PROVED))
    teacher_tokenizer = load_tokenizer(encoder)
    length = params.tokens.maximum_length
    if length > teacher_tokenizer.model_max_length:
        raise BadInputError(
            f"params.yaml: tokens.maximum_length: {length} is more than the {teacher_tokenizer.model_max_length} tokens "
            "that the encoder of teacher.init reads"
        )
    known = {name: column.to_pylist() for name, column in read_table(dictionary, ["source", "target"]).items()}
    training = [text for text, held in zip(texts["target"], texts["held_out"], strict=True) if not held]
    training += known["target"]
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
    source_ids, target_ids = (_ids(reader, texts[side], length) for side, reader in readers.items())
    uses = (texts[name] for name in ("held_out", "weight", "translation_score"))
    rows = zip(texts["id"], texts["source_hash"], source_ids, target_ids, *uses, strict=True)
    columns = {
        name: pairs[name] for name in ("id", "content_hash", "source_hash", "held_out", "weight", "translation_score")
    }
    columns |= {"source_ids": source_ids.column(), "target_ids": target_ids.column()}
    columns |= {"seal": [token_seal(*row) for row in rows]}
    write_table(out / FILE, columns)
    entries = {f"{side}_ids": _ids(reader, known[side], length).column() for side, reader in readers.items()}
    write_table(out / DICTIONARY, entries)
    unknown = target_tokenizer.unk_token_id
    report = {
        "vocabulary": len(target_tokenizer),
        "source_tokens_per_text": float(source_ids.lengths.mean()),
        "target_tokens_per_text": float(target_ids.lengths.mean()),
        "target_unknown_share": float((target_ids.ids == unknown).mean()),
        "target_truncated_share": float((target_ids.lengths == length).mean()),
    }
    write_json(out / "report.json", report)
    record.metrics(report)


def _ids(tokenizer: Any, texts: list[str], length: int) -> TokenRows:
    """Return the token ids of texts, read some at a time, since a tokenizer gives lists of Python's integers."""
    return joined(
        [
            TokenRows.of(tokenizer(texts[start : start + _TOGETHER], truncation=True, max_length=length)["input_ids"])
            for start in range(0, len(texts), _TOGETHER)
        ]
    )
