"""Transtokenization: a model of one language given the vocabulary of another, before any training.

The body stays the teacher's; the embedding of each target piece is the average of the teacher's embeddings of the
source tokens it is aligned to in a parallel corpus (the idea of Remy et al. 2024, "Trans-Tokenization and
Cross-lingual Vocabulary Transfers", arXiv 2408.04303).
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import nn

from kdmodels.encoder import special_ids
from kdmodels.errors import BadInputError

_CONTINUES = "##"  # marks a piece inside a word in the vocabularies that are trained here


def target_embeddings(
    teacher_VH: torch.Tensor, counts: csr_array, teacher_tokenizer: Any, tokenizer: Any
) -> torch.Tensor:
    """Return embeddings for a target vocabulary.

    A piece that was aligned gets the average over its source tokens, weighted by the counts; one that was not, and is
    written the same in the teacher's vocabulary, gets that embedding; else one that is made of aligned pieces gets their
    average, the longest first and weighted by their lengths; any other the mean of all. Special tokens go by role.

    Args:
        teacher_VH: [source vocabulary, width]
        counts: [target vocabulary, source vocabulary], from `kdmodels.alignment.align`

    Returns:
        [target vocabulary, width]
    """
    teacher = teacher_VH.detach().to(torch.float64).numpy()
    total = np.asarray(counts.sum(axis=1)).ravel()
    aligned = total > 0
    embeddings = np.tile(teacher[: len(teacher_tokenizer)].mean(axis=0), (counts.shape[0], 1))
    embeddings[aligned] = (counts @ teacher[: counts.shape[1]])[aligned] / total[aligned, None]
    same = teacher_tokenizer.get_vocab()
    known = {piece: number for piece, number in tokenizer.get_vocab().items() if aligned[number]}
    for piece, number in tokenizer.get_vocab().items():
        if aligned[number]:
            continue
        if piece in same:
            embeddings[number] = teacher[same[piece]]
        elif parts := _parts(piece, known):
            lengths = [len(part.removeprefix(_CONTINUES)) for part in parts]
            embeddings[number] = np.average(embeddings[[known[part] for part in parts]], axis=0, weights=lengths)
    theirs = special_ids(teacher_tokenizer)
    for role, number in special_ids(tokenizer).items():
        if role in theirs:
            embeddings[number] = teacher[theirs[role]]
    return torch.from_numpy(embeddings).to(teacher_VH.dtype)


def _parts(piece: str, known: Mapping[str, int]) -> list[str]:
    """Return known pieces that make up a piece, from its start the longest each; nothing where there are none."""
    text = piece.removeprefix(_CONTINUES)
    parts: list[str] = []
    start = 0
    while start < len(text):
        mark = "" if start == 0 and text == piece else _CONTINUES
        ends = (end for end in range(len(text), start, -1) if f"{mark}{text[start:end]}" in known)
        end = next(ends, None)
        if end is None:
            return []
        parts.append(f"{mark}{text[start:end]}")
        start = end
    return parts


def narrower(embeddings_VH: torch.Tensor, width: int) -> torch.Tensor:
    """Return embeddings cut to their first principal components, scaled to the spread that they had.

    Returns:
        [vocabulary, width]
    """
    exact = embeddings_VH.to(torch.float64)
    centred = exact - exact.mean(dim=0)
    _, _, components = torch.linalg.svd(centred, full_matrices=False)
    found = centred @ components[:width].T
    narrow: torch.Tensor = (found * (exact.std() / found.std())).to(embeddings_VH.dtype)
    return narrow


def student_config(
    teacher_config: Any, tokenizer: Any, layers: Sequence[int], width: int | None, dropout: float
) -> Any:
    """Return the teacher's configuration cut to some layers and a width, and set to another vocabulary.

    Raises:
        BadInputError: where the teacher has no such layer, or its attention heads cannot share the width.
    """
    depth = getattr(teacher_config, "num_hidden_layers", None)
    if depth is None:
        raise BadInputError(
            "student.architecture: a transformer is cut from the layers of its teacher, and this teacher has none; "
            "use bilstm, cnn or bag"
        )
    if not layers or min(layers) < 0 or max(layers) >= depth or len(set(layers)) != len(layers):
        raise BadInputError(
            f"student.options.layers: {list(layers)} are not layers of the teacher, which has {depth}: "
            f"one or more of 0 to {depth - 1}, each at most once"
        )
    config = copy.deepcopy(teacher_config)
    for name, value in list(config.to_dict().items()):  # lists with an entry a layer, such as ModernBERT's layer_types
        if isinstance(value, list) and len(value) == depth:
            setattr(config, name, [value[layer] for layer in layers])
    config.num_hidden_layers = len(layers)
    config.vocab_size = len(tokenizer)
    if width is not None and width != config.hidden_size:
        heads = config.num_attention_heads
        if not 0 < width < config.hidden_size or width % heads:
            raise BadInputError(
                f"student.options.width: {width} does not fit: a multiple of the teacher's {heads} attention heads below "
                f"its {config.hidden_size} is expected, or none"
            )
        config.intermediate_size = max(1, config.intermediate_size * width // config.hidden_size)
        config.hidden_size = width
        if hasattr(config, "embedding_size"):  # ELECTRA's; its projection would be random where it need not be there
            config.embedding_size = width
    for role, number in special_ids(tokenizer).items():
        for name in {"cls": ["cls", "bos"], "sep": ["sep", "eos"]}.get(role, [role]):
            if getattr(config, f"{name}_token_id", None) is not None:
                setattr(config, f"{name}_token_id", number)
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"):
        if hasattr(config, name):
            setattr(config, name, dropout)
    return config


def transplant(teacher: nn.Module, student: nn.Module, layers: Sequence[int], embeddings_VH: torch.Tensor) -> None:
    """Copy the chosen layers and all that is not a layer or a word embedding from the teacher; set the embeddings.

    Raises:
        BadInputError: where the teacher is built so that its layers cannot be told apart.
    """
    stack = _layer_stack(teacher)
    words = _embedding_name(teacher)
    theirs, ours = teacher.state_dict(), student.state_dict()
    of_layer = {f"{stack}.{number}.": f"{stack}.{layer}." for number, layer in enumerate(layers)}
    state = {}
    for name in ours:
        if name == words:
            state[name] = embeddings_VH
            continue
        prefix = next((prefix for prefix in of_layer if name.startswith(prefix)), None)
        state[name] = theirs[name if prefix is None else of_layer[prefix] + name.removeprefix(prefix)]
    _shift_positions(teacher, student, state)
    with torch.no_grad():
        for name, value in student.state_dict().items():
            value.copy_(state[name])


def _embedding_name(model: nn.Module) -> str:
    words = model.get_input_embeddings()  # type: ignore[operator]
    return next(f"{name}.weight" for name, module in model.named_modules() if module is words)


def _layer_stack(model: Any) -> str:
    """Return the name of the list of a model's layers."""
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == model.config.num_hidden_layers:
            return str(name)
    raise BadInputError(
        f"teacher.init: {type(model).__name__} has no list of its {model.config.num_hidden_layers} layers "
        "(ALBERT shares one), so student.layers cannot choose among them; use student.init: random or another teacher"
    )


def _shift_positions(teacher: nn.Module, student: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Mend position tables that start behind the padding id, as RoBERTa's do, where the padding id has moved."""
    ours = dict(student.named_modules())
    words = teacher.get_input_embeddings()  # type: ignore[operator]
    for name, module in teacher.named_modules():
        if isinstance(module, nn.Embedding) and module is not words and module.padding_idx is not None:
            moved = ours[name]
            if not isinstance(moved, nn.Embedding) or moved.padding_idx is None:
                continue
            offset = moved.padding_idx - module.padding_idx
            state[f"{name}.weight"] = torch.roll(state[f"{name}.weight"], offset, dims=0)
