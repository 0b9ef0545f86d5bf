"""An ONNX model with weights of eight bits: a quarter of the size, and whole-number products where they do no harm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.classification import Floats, agreement

Answer = Callable[[Path], Floats]  # logits [texts, classes] of a model in a file
_PRODUCTS = ("MatMul", "Gemm")


def quantize(path: Path, answer: Answer, least: float) -> tuple[float, int]:
    """Put an int8 model in the place of a float32 one.

    A matrix has whole numbers with a scale and a zero for each of its channels; what it is multiplied with is quantized as
    it comes (dynamic quantization: Jacob et al. 2018, arXiv 1712.05877, section 2). An embedding has a scale for each of its
    rows: with one scale for all, as onnxruntime would have it, frequent pieces drown. Where the model then does not answer
    as before often enough, the products whose quantization changes the logits most stay float32, one by one.

    Args:
        path: the float32 model, replaced
        answer: gives the logits by which models are compared
        least: share of equal answers that is enough, 0 to 1

    Returns:
        the share of equal answers, and how many products stayed float32
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    before = answer(path)
    prepared, trial = path.with_suffix(".prepared"), path.with_suffix(".trial")
    try:
        # its symbolic shapes fail on BERT ("Incomplete symbolic shape inference"); ONNX's own do
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        model = onnx.load(str(prepared))
        constant = {one.name for one in model.graph.initializer}
        products = [one.name for one in model.graph.node if one.op_type in _PRODUCTS and one.input[1] in constant]
        _quantize_embeddings(model)
        onnx.save(model, str(prepared))

        def without(floating: list[str]) -> Floats:
            quantize_dynamic(
                prepared, trial, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=list(_PRODUCTS),
                nodes_to_exclude=floating, extra_options={"WeightSymmetric": False},
            )  # fmt: skip
            return answer(trial)

        floating: list[str] = []
        equal = agreement(without(floating), before)
        if equal < least:
            harm = {one: _distance(without([other for other in products if other != one]), before) for one in products}
            for one in sorted(products, key=lambda name: -harm[name]):
                floating.append(one)
                equal = agreement(without(floating), before)
                if equal >= least:
                    break
        trial.replace(path)
    finally:
        prepared.unlink(missing_ok=True)
        trial.unlink(missing_ok=True)
    return equal, len(floating)


def _distance(ours_NC: Floats, theirs_NC: Floats) -> float:
    return float(np.square(ours_NC - theirs_NC).mean())


def _quantize_embeddings(model: Any) -> None:
    """Replace each table of float rows that is looked up by a table of whole numbers and a scale for each row."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    tables = {one.name: one for one in graph.initializer}
    nodes = []
    for node in graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        by_row = table is not None and all(one.i == 0 for one in node.attribute if one.name == "axis")
        if table is None or not by_row or table.data_type != TensorProto.FLOAT or len(table.dims) != 2:
            nodes.append(node)
            continue
        whole, scale = rows_to_int8(numpy_helper.to_array(table))
        names = [f"{table.name}_int8", f"{table.name}_scale"]
        tables[names[0]] = numpy_helper.from_array(whole, names[0])
        tables[names[1]] = numpy_helper.from_array(scale, names[1])
        out = node.output[0]
        picked = [helper.make_node("Gather", [name, node.input[1]], [f"{out}_{name}"], axis=0) for name in names]
        nodes += [
            *picked,
            helper.make_node("Cast", [f"{out}_{names[0]}"], [f"{out}_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{out}_float", f"{out}_{names[1]}"], [out]),
        ]
    used = {name for node in nodes for name in node.input}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(one for name, one in tables.items() if name in used)


def rows_to_int8(table_VH: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return whole numbers from -127 to 127 [rows, width] and the scale of each row [rows, 1]; a row of zeros keeps them."""
    largest = np.abs(table_VH).max(axis=1, keepdims=True)
    scale_V1 = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.rint(table_VH / scale_V1).astype(np.int8), scale_V1
