"""Label texts with the student of this folder: python example.py "a text" "another"

It needs onnxruntime and tokenizers, and nothing else of where the student was made.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def main(folder: Path, texts: list[str]) -> None:
    """Print each text's label and its probability."""
    labels = json.loads((folder / "student.json").read_text(encoding="utf-8"))["labels"]
    encoded = Tokenizer.from_file(str(folder / "tokenizer.json")).encode_batch(
        texts
    )  # cut and filled up as it should be
    inputs = {
        "input_ids": np.array([one.ids for one in encoded], dtype=np.int64),
        "attention_mask": np.array([one.attention_mask for one in encoded], dtype=np.int64),
    }
    (logits,) = onnxruntime.InferenceSession(str(folder / "model.onnx")).run(["logits"], inputs)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    for text, row in zip(texts, shares, strict=True):
        print(f"{labels[row.argmax()]}\t{row.max():.3f}\t{text}")


if __name__ == "__main__":
    main(Path(__file__).parent, sys.argv[1:])
