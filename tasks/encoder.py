"""The encoder that the teacher is fine-tuned from, as it is before: pretrained, or of random weights."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from kdmodels.encoder import FILES, find_encoder
from kdmodels.files import read_json
from kdmodels.tables import read_table
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder


def encoder(train: Path, labels: Path, out: Path, params: Params, record: "Recorder") -> None:
    """Write the encoder and its tokenizer as a Hugging Face folder, so that what came from outside has a hash here too.

    `teacher.init: bilstm` is one from random weights, its vocabulary trained on the labelled source text.

    Raises:
        BadInputError, DamagedError: where the encoder is not found, or is not the one that is meant.
    """
    if params.teacher.init == "bilstm":
        from kdmodels.untrained import save_untrained_bilstm

        numbers = params.teacher.untrained
        save_untrained_bilstm(
            out,
            read_table(train, ["text"])["text"].to_pylist(),
            read_json(labels),
            vocabulary_size=numbers.vocabulary_size,
            lowercase=numbers.lowercase,
            maximum_length=params.tokens.maximum_length,
            embedding_width=numbers.embedding_width,
            hidden_width=numbers.hidden_width,
            depth=numbers.depth,
            dropout=numbers.dropout,
            seed=params.seed,
        )
        return
    found = find_encoder(
        params.teacher.init,
        revision=params.teacher.revision,
        weights_sha256=params.teacher.weights_sha256,
        key="teacher.init",
    )
    for path in sorted({path for pattern in FILES for path in found.glob(pattern)}):
        shutil.copyfile(path, out / path.name)
