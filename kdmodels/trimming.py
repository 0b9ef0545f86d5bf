"""A multilingual tokenizer cut to what one language needs: fewer pieces, the same tokens for the text it covers.

Nine tenths of a multilingual encoder's weights are embeddings of other languages' pieces (Abdaoui, Pradel & Sigel 2020,
"Load What You Need", arXiv 2010.05609).
"""

import json
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer

from kdmodels.errors import BadInputError

_IDS = {"pad_id", "unk_id", "id"}  # keys of a tokenizer's definition that hold the number of a piece


def trim(tokenizer: Any, texts: Iterable[str]) -> Any:
    """Return a fast tokenizer with only the pieces that texts need, beside special tokens and single characters.

    Texts become the same pieces as before: WordPiece takes the longest piece that there is, and Unigram the most likely
    path, and both were kept; of BPE every merge is kept that leads to a kept piece.

    Raises:
        BadInputError: where the tokenizer is of another kind.
    """
    from transformers import PreTrainedTokenizerFast

    definition: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    model = definition["model"]
    if model["type"] not in {"WordPiece", "Unigram", "BPE"}:
        raise BadInputError(
            f"a tokenizer of the kind {model['type']} cannot be trimmed; those that can: WordPiece, Unigram, BPE"
        )
    old = {number: piece for piece, number in tokenizer.get_vocab().items()}
    used = {old[number] for text in texts for number in tokenizer(text, truncation=True)["input_ids"]}
    used |= {token["content"] for token in definition["added_tokens"]}
    used |= {piece for piece in old.values() if len(piece.removeprefix("##")) == 1}
    used |= {piece for piece in old.values() if piece.startswith("<0x")}  # bytes, to which what is unknown falls back
    if model["type"] == "BPE":
        used = _closure(used, model["merges"])
    kept = [piece for _, piece in sorted(old.items()) if piece in used]
    number_of = {piece: number for number, piece in enumerate(kept)}
    if model["type"] == "Unigram":
        model["vocab"] = [entry for entry in model["vocab"] if entry[0] in number_of]
    else:
        model["vocab"] = {piece: number_of[piece] for piece in model["vocab"] if piece in number_of}
    if model["type"] == "BPE":
        model["merges"] = [pair for pair in model["merges"] if {*_sides(pair), "".join(_sides(pair))} <= used]
    _renumber(definition, {number: number_of[piece] for number, piece in old.items() if piece in number_of})
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(definition)),
        model_max_length=tokenizer.model_max_length,
        clean_up_tokenization_spaces=False,
        **{name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)},
    )


def _sides(pair: Any) -> list[str]:
    return pair.split(" ") if isinstance(pair, str) else list(pair)


def _closure(used: set[str], merges: Iterable[Any]) -> set[str]:
    """Return pieces with all that they are merged from, however far."""
    sides_of: dict[str, list[list[str]]] = {}
    for pair in merges:
        sides = _sides(pair)
        sides_of.setdefault("".join(sides), []).append(sides)
    found: set[str] = set()
    ahead = list(used)
    while ahead:
        piece = ahead.pop()
        if piece not in found:
            found.add(piece)
            ahead += [side for sides in sides_of.get(piece, []) for side in sides]
    return found


def _renumber(value: Any, number_of: dict[int, int]) -> None:
    """Give every piece number in a tokenizer's definition its new value."""
    if isinstance(value, list):
        for place, item in enumerate(value):
            # of a post-processor that names its token and number: ["</s>", 2]
            if place and isinstance(item, int) and len(value) == 2 and isinstance(value[0], str) and item in number_of:
                value[place] = number_of[item]
            else:
                _renumber(item, number_of)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _IDS and isinstance(item, int) and not isinstance(item, bool):
                value[key] = number_of[item]
            elif key == "ids" and isinstance(item, list):
                value[key] = [number_of[number] for number in item]
            elif key not in {"vocab", "merges"}:
                _renumber(item, number_of)
