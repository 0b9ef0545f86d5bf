"""A finished student as an ONNX folder, proved against the student it was made of."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.classification import label_names, load_model, logits_of
from kdmodels.encoder import load_tokenizer
from kdmodels.errors import BadInputError
from kdmodels.files import folder_sha256, write_json
from kdmodels.first_token import only_first_token
from kdmodels.onnx_graph import Tensors, quiet, write_graph
from kdmodels.onnx_student import MODEL, OUTPUT, SETTINGS, TOKENIZER, needs, run, session
from kdmodels.quantization import quantize as to_int8

Rows = Sequence[NDArray[np.integer[Any]]]
_ROWS = 32  # texts that are compared together
_EXAMPLE = Path(__file__).with_name("onnx_example.py")
_CARD = """

## This folder

`{model}` is the student in ONNX, with {weights} weights{quantized}. `{tokenizer}` cuts and fills up texts as it should be;
`{settings}` has the labels in the order of the logits. On {compared} texts its logits in float32 were those of the student
in torch within {difference:.1e}.{agreed} An example that needs nothing but onnxruntime and tokenizers:

```bash
python example.py "..."
```
"""


def export(
    student: Path,
    out: Path,
    *,
    quantize: str,
    texts: Sequence[str],
    held_out: Sequence[str],
    difference: float,
    least_agreement: float,
    card: str,
) -> dict[str, float]:
    """Write a student's ONNX folder: model, tokenizer, labels, card and example.

    The last layer computes the first token alone where the head reads no other, as everywhere else. How a model becomes
    int8 stands in `kdmodels.quantization`.

    Args:
        student: the Hugging Face folder
        out: an empty folder
        quantize: none or int8
        texts: that logits in float32 are compared with torch's on
        held_out: that the int8 model is to answer as the float32 model does
        difference: of a logit, allowed at most
        least_agreement: share of the held-out texts, 0 to 1
        card: what stands in README.md before what is said of the folder

    Returns:
        the largest `difference` of a logit; for int8 the `agreement` and the number of `products_in_float32`

    Raises:
        BadInputError: where a library is missing, the architecture cannot be exported, or the model strays from the student.
    """
    for module in ("onnx", "onnxscript", "onnxruntime"):
        needs(module, "onnx")
    model, tokenizer = load_model(student).eval(), load_tokenizer(student)
    padding = tokenizer.pad_token_id
    _write_model(model, out / MODEL, padding)
    checks = {"difference": _difference(model, out / MODEL, _ids(tokenizer, texts), padding)}
    if checks["difference"] > difference:
        raise BadInputError(
            f"{student}: a logit of the ONNX model differs by {checks['difference']:.1e} from torch's, "
            f"export.difference allows {difference:.1e}. It was not written"
        )
    if quantize == "int8":
        rows = _ids(tokenizer, held_out)
        with quiet():
            checks["agreement"], checks["products_in_float32"] = to_int8(
                out / MODEL, lambda path: _answers(path, rows, padding), least_agreement
            )
        if checks["agreement"] < least_agreement:
            raise BadInputError(
                f"{student}: the int8 model answers {checks['agreement']:.4f} of {len(held_out)} held-out texts as the "
                f"float32 model does, export.agreement asks for {least_agreement}. It was not written; "
                "--quantize none keeps float32"
            )
    _write_tokenizer(tokenizer, out / TOKENIZER)
    settings = {
        "labels": label_names(model),
        "maximum_length": tokenizer.model_max_length,
        "padding": padding,
        "made_from": folder_sha256(student),
        "quantize": quantize,
        "checks": checks,
    }
    write_json(out / SETTINGS, settings)
    shutil.copyfile(_EXAMPLE, out / "example.py")
    page = card.rstrip() + _CARD.format(
        model=MODEL,
        tokenizer=TOKENIZER,
        settings=SETTINGS,
        weights="int8" if quantize == "int8" else "float32",
        quantized=f", {checks['products_in_float32']} of its products in float32" if quantize == "int8" else "",
        compared=len(texts),
        difference=checks["difference"],
        agreed=f" It answers {checks['agreement']:.2%} of {len(held_out)} held-out texts as in float32."
        if quantize == "int8"
        else "",
    )
    (out / "README.md").write_text(page, encoding="utf-8")
    return checks


def _write_model(model: Any, path: Path, padding: int) -> None:
    """Write the float32 model."""
    try:
        with only_first_token(model):
            write_graph(Tensors(model, hidden=False), path, [OUTPUT], padding + 8, optimize=True)
    except BadInputError as error:
        kind = getattr(model.config, "architecture", type(model).__name__)
        raise BadInputError(
            f"a student of the architecture {kind} cannot be exported: {error}. transformer, multilingual, cnn and bag can; "
            "the others serve by distilingua predict and MLflow"
        ) from None


def _difference(model: Any, path: Path, rows: Rows, padding: int) -> float:
    ours = logits_of(model, rows, padding=padding, batch_rows=_ROWS)
    return float(np.abs(ours - _answers(path, rows, padding)).max())


def _answers(path: Path, rows: Rows, padding: int) -> NDArray[np.float32]:
    opened = session(path, 1)
    order = np.argsort([len(row) for row in rows], kind="stable")
    found = [
        run(opened, [rows[i].tolist() for i in order[start : start + _ROWS]], padding)
        for start in range(0, len(order), _ROWS)
    ]
    return np.concatenate(found)[np.argsort(order, kind="stable")]


def _ids(tokenizer: Any, texts: Sequence[str]) -> Rows:
    return [np.array(row) for row in tokenizer(list(texts), truncation=True, verbose=False)["input_ids"]]


def _write_tokenizer(tokenizer: Any, path: Path) -> None:
    """Write a tokenizer that cuts and fills up by itself, so that a reader needs to know nothing of it."""
    own = tokenizer.backend_tokenizer
    own.enable_truncation(tokenizer.model_max_length)
    own.enable_padding(pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    own.save(str(path))
    own.no_padding()
