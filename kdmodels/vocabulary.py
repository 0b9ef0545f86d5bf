"""The vocabulary of a target language: WordPiece, the same in every process for the same text."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}

# Scripts without spaces give words as long as their clauses; a limit made for words would turn them into [UNK].
_LONGEST_WORD = 10_000
_ALPHABET_SHARE = 0.75  # of the vocabulary at most, so that some room is left for longer pieces


def train_vocabulary(
    texts: Iterable[str], *, size: int, lowercase: bool, frame: tuple[list[str], list[str]]
) -> Tokenizer:
    """Train a WordPiece tokenizer of at most `size` pieces.

    Han characters are words of their own, as in BERT. The trainer of `tokenizers` numbers pieces by the order in which
    its threads meet them (huggingface/tokenizers 1794); handing it the single characters, sorted, as its first
    special tokens leaves it nothing to choose, and building the model anew from its pieces makes them ordinary again.

    Args:
        texts: that can be gone through twice
        frame: roles of the special tokens put before and after a text, as the teacher does it.
    """
    normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=lowercase, handle_chinese_chars=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    alphabet = _alphabet(texts, normalizer, splitter, int(size * _ALPHABET_SHARE) - len(SPECIAL))
    trainee = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk"], max_input_chars_per_word=_LONGEST_WORD))
    trainee.normalizer, trainee.pre_tokenizer = normalizer, splitter
    first = [*SPECIAL.values(), *alphabet]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=first, limit_alphabet=0, initial_alphabet=[], show_progress=False
    )
    trainee.train_from_iterator(texts, trainer)
    pieces = sorted(trainee.get_vocab().items(), key=lambda item: item[1])
    vocabulary = {piece: number for number, (piece, _) in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token=SPECIAL["unk"], max_input_chars_per_word=_LONGEST_WORD)
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.decoder = decoders.WordPiece()
    before, after = ([SPECIAL[role] for role in roles] for roles in frame)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join([*before, "$A", *after]),
        pair=" ".join([*before, "$A", *after, "$B:1", *(f"{token}:1" for token in after)]),
        special_tokens=[(token, vocabulary[token]) for token in SPECIAL.values()],
    )
    return tokenizer


def _alphabet(texts: Iterable[str], normalizer: Any, splitter: Any, most: int) -> list[str]:
    """Return the single-character pieces, of the most frequent characters where there are too many, sorted.

    A character that only ever continues words has both its pieces all the same: the trainer looks for the first form,
    and cuts a character out of all words where it does not find it.
    """
    counts: Counter[str] = Counter()
    continuing: set[str] = set()
    for text in texts:
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)):
            counts.update(word)
            continuing.update(word[1:])
    kept: list[str] = []
    for character in sorted(counts, key=lambda character: (-counts[character], character)):
        pieces = [character, f"##{character}"] if character in continuing else [character]
        if len(kept) + len(pieces) > most:
            break
        kept += pieces
    return sorted(kept)


def save_tokenizer(tokenizer: Tokenizer, folder: Path, maximum_length: int) -> None:
    """Save a tokenizer as the Hugging Face folder that `AutoTokenizer` and `pipeline` load."""
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=maximum_length,
        clean_up_tokenization_spaces=False,
        **{f"{role}_token": token for role, token in SPECIAL.items()},
    ).save_pretrained(folder)
