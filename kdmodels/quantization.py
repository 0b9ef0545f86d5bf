"""An ONNX model with weights of eight bits: a quarter of the size, and whole-number products where they do no harm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.classification import Floats, agreement

Answer = Callable[[Path], Floats]  # logits [texts, classes] of a model in a file
_PRODUCTS = ("MatMul", "Gemm")
_BLOCK = 32  # numbers that share a scale
_SMALL = 1 << 20  # bytes of a table that is not worth it


def quantize(path: Path, answer: Answer, least: float) -> tuple[float, int]:
    """Put an int8 model in the place of a float32 one.

    A matrix has whole numbers with a scale and a zero for each of its channels; what it is multiplied with is quantized as
    it comes (dynamic quantization: Jacob et al. 2018, arXiv 1712.05877, section 2). A large embedding has a scale for each
    32 numbers of a row: with one scale for all, as onnxruntime would have it, one number in a few thousand that is large
    drowns the others. Weights have seven bits of the eight: processors without whole-number products of their own (AVX2)
    add two products of full ones in sixteen bits, which overflow, and the model is to answer the same everywhere. Small
    tables, such as BERT's positions, have the largest numbers, and stay float32. Where the model then does not answer as
    before often enough, the products whose quantization changes the logits most do, one by one.

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
                prepared, trial, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True,
                op_types_to_quantize=list(_PRODUCTS),
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
    """Replace each large table of float rows that is looked up by whole numbers and scales, which are looked up."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    tables = {one.name: one for one in graph.initializer}
    nodes = []
    for node in graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        by_row = all(one.i == 0 for one in node.attribute if one.name == "axis")
        if table is None or not by_row or table.data_type != TensorProto.FLOAT or len(table.dims) != 2:
            nodes.append(node)
            continue
        values_VH = numpy_helper.to_array(table)
        if values_VH.nbytes < _SMALL:
            nodes.append(node)
            continue
        whole, scale = to_int8(values_VH)
        width, out = values_VH.shape[1], node.output[0]
        names = [f"{table.name}_{what}" for what in ("int8", "scale", "shape")]
        kept: list[NDArray[Any]] = [whole, scale, np.array([0, 0, width])]
        for name, values in zip(names, kept, strict=True):
            tables[name] = numpy_helper.from_array(values, name)
        nodes += [
            *(helper.make_node("Gather", [name, node.input[1]], [f"{out}_{name}"], axis=0) for name in names[:2]),
            helper.make_node("Cast", [f"{out}_{names[0]}"], [f"{out}_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{out}_float", f"{out}_{names[1]}"], [f"{out}_blocks"]),
            helper.make_node("Reshape", [f"{out}_blocks", names[2]], [out]),  # 0 keeps texts and tokens as they are
        ]
    used = {name for node in nodes for name in node.input}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(one for name, one in tables.items() if name in used)


def to_int8(table_VH: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return whole numbers from -127 to 127, [rows, blocks, numbers of a block], and their scales, [rows, blocks, 1].

    A block is 32 numbers of a row, or the whole row where its width is no multiple of that; zeros stay zeros.
    """
    width = table_VH.shape[1]
    blocks_VBN = table_VH.reshape(len(table_VH), -1, width if width % _BLOCK else _BLOCK)
    largest_VB1 = np.abs(blocks_VBN).max(axis=2, keepdims=True)
    scale_VB1 = np.where(largest_VB1 > 0, largest_VB1 / 127, 1).astype(np.float32)
    return np.rint(blocks_VBN / scale_VB1).astype(np.int8), scale_VB1
