"""Whole numbers in the place of floats: by hand, never further off than half a step, and in float32 where they do harm."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from kdmodels.classification import Floats
from kdmodels.onnx_student import session
from kdmodels.quantization import quantize, to_int8


def test_whole_numbers_and_scales_by_hand() -> None:
    table = np.array([[1.0, -2.54, 0.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    whole, scale = to_int8(table)
    assert scale.reshape(-1).tolist() == pytest.approx([0.02, 1.0])  # 2.54 / 127, and a row of zeros
    assert whole.tolist() == [[[50, -127, 0]], [[0, 0, 0]]]


@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 32, 96]))
def test_a_number_is_off_by_half_a_step_of_its_block_at_most(seed: int, width: int) -> None:
    random = np.random.default_rng(seed)
    table = (random.normal(size=(5, width)) * 10.0 ** random.integers(-3, 4, size=(5, 1))).astype(np.float32)
    whole, scale = to_int8(table)
    assert whole.shape == (5, max(1, width // 32), min(width, 32))
    off = np.abs((whole * scale).reshape(5, width) - table).reshape(whole.shape)
    assert (off <= scale * 0.5001).all()


def network(path: Path, *, harmful: bool, rows: int = 2000) -> None:
    """Save a network of an embedding and two products, of which the second loses small columns when it is quantized."""
    random = np.random.default_rng(0)
    values = {
        "table": random.normal(size=(rows, 160)),
        "inner": random.normal(size=(160, 160)) / 12,
        "outer": random.normal(size=(160, 3)),
        "bend": np.array(1e5 if harmful else 0.0),
    }
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()]
    tensors.append(numpy_helper.from_array(np.array([1]), "first"))
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["seen"]),
        helper.make_node("ReduceMean", ["seen", "first"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "inner"], ["mixed"], name="inner_product"),
        helper.make_node("Sin", ["mixed"], ["turned"]),
        helper.make_node("Mul", ["turned", "bend"], ["large"]),
        helper.make_node("Sin", ["large"], ["wild"]),  # of large numbers: any error in them makes another answer
        helper.make_node("Add", ["turned", "wild"], ["both"]),
        helper.make_node("MatMul", ["both", "outer"], ["logits"], name="outer_product"),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", 3])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def answer(path: Path) -> Floats:
    ids = np.random.default_rng(1).integers(0, 1000, size=(300, 6))
    (logits,) = session(path, 1).run(None, {"input_ids": ids})
    return np.asarray(logits)


def test_a_harmless_model_is_a_quarter_of_its_size(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    network(path, harmful=False)
    before, size = answer(path), path.stat().st_size
    equal, floating = quantize(path, answer, 0.95)
    assert floating == 0 and equal >= 0.95
    assert path.stat().st_size < 0.35 * size
    assert np.abs(answer(path) - before).max() < 0.1 * before.std()
    assert [one.name for one in tmp_path.iterdir()] == ["model.onnx"]


def test_the_product_that_does_harm_stays_as_it_was_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    network(path, harmful=True, rows=1000)  # a table that is too small to be quantized
    assert quantize(path, answer, 0.0)[0] < 0.9
    network(path, harmful=True, rows=1000)
    assert quantize(path, answer, 0.97) == (pytest.approx(1.0, abs=0.03), 1)


def test_where_nothing_helps_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    network(path, harmful=True)
    with_all, _ = quantize(path, answer, 0.0)
    network(path, harmful=True)
    best, floating = quantize(path, answer, 0.999)
    assert floating == 2, "the embedding does harm by itself, so that no product can make up for it"
    assert with_all < 0.9 and best < 0.999
