"""Soft labels on disk are what their manifest says, or they are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import read_json
from kdmodels.label_rows import Collected, SoftLabels, join
from kdmodels.label_store import Identity, append_shard, read_labels, read_store, write_labels
from kdmodels.pairs import text_hash

IDENTITY = Identity(
    "teacher", (), "tokenizer", 64, ("a", "b"), "mean", "torch", "float32", (4, 8), ("float32", 0, "float32")
)


def make(number: int, first: int = 0) -> SoftLabels:
    random = np.random.default_rng(first)
    return SoftLabels(
        np.array([text_hash(f"text {first + i}") for i in range(number)]),
        random.normal(size=(number, 2)).astype(np.float32),
        random.normal(size=(number, 5)).astype(np.float32),
        random.integers(-1, 3, size=number).astype(np.int8),
    )


def test_what_is_written_is_read_sorted_by_hash(tmp_path: Path) -> None:
    labels = make(10)
    write_labels(tmp_path, IDENTITY, labels, shard_rows=4)
    found = read_labels(tmp_path, IDENTITY)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
    assert list(found.hashes_N) == sorted(labels.hashes_N)
    rows = found.rows_of(labels.hashes_N.tolist())
    assert np.array_equal(found.logits_NC[rows], labels.logits_NC)
    assert np.array_equal(found.hidden_NH[rows], labels.hidden_NH)
    assert np.array_equal(found.folds_N[rows], labels.folds_N)


def test_the_manifest_says_what_made_the_labels(tmp_path: Path) -> None:
    write_labels(tmp_path, IDENTITY, make(3), shard_rows=4)
    made_by = read_json(tmp_path / "manifest.json")["made_by"]
    assert made_by["teacher"] == "teacher"
    assert made_by["labels"] == ["a", "b"]
    assert set(made_by) == {
        "teacher", "folds", "tokenizer", "maximum_length", "labels", "pooling", "backend", "dtype", "batch",
        "storage",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("teacher", "x"),
        ("folds", ("y",)),
        ("tokenizer", "x"),
        ("maximum_length", 32),
        ("labels", ("b", "a")),
        ("dtype", "bfloat16"),
        ("storage", ("float16", 0, "float32")),
    ],
)
def test_labels_of_another_maker_are_refused(tmp_path: Path, field: str, value: object) -> None:
    write_labels(tmp_path, IDENTITY, make(3), shard_rows=4)
    other = replace(IDENTITY, **{field: value})
    assert other.key != IDENTITY.key
    with pytest.raises(DamagedError, match=rf"manifest\.json: the soft labels were made with {field} .* expected"):
        read_labels(tmp_path, other)


def test_a_flipped_bit_is_found_and_named(tmp_path: Path) -> None:
    write_labels(tmp_path, IDENTITY, make(10), shard_rows=4)
    shard = tmp_path / "labels-00001.safetensors"
    content = bytearray(shard.read_bytes())
    content[-3] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DamagedError, match=r"labels-00001\.safetensors: the shard is damaged.*expected.*dvc"):
        read_labels(tmp_path, IDENTITY)


@pytest.mark.parametrize("change", ["truncate", "remove"])
def test_a_truncated_or_missing_shard_is_named(tmp_path: Path, change: str) -> None:
    write_labels(tmp_path, IDENTITY, make(10), shard_rows=4)
    shard = tmp_path / "labels-00002.safetensors"
    if change == "truncate":
        shard.write_bytes(shard.read_bytes()[:-8])
    else:
        shard.unlink()
    with pytest.raises(DamagedError, match=r"labels-00002\.safetensors"):
        read_labels(tmp_path, IDENTITY)


@pytest.mark.parametrize("text", ["{", "[]", '{"shards": []}'])
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str) -> None:
    write_labels(tmp_path, IDENTITY, make(3), shard_rows=4)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DamagedError, match=r"manifest\.json"):
        read_labels(tmp_path, IDENTITY)


def test_a_store_gives_up_only_the_damaged_shard(tmp_path: Path) -> None:
    for first in (0, 10, 20):
        append_shard(tmp_path, IDENTITY, make(4, first))
    damaged = tmp_path / "labels-00001.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    found: list[SoftLabels] = []
    refused = read_store(tmp_path, IDENTITY, found.append)
    assert [one.hashes_N.tolist() for one in found] == [make(4, 0).hashes_N.tolist(), make(4, 20).hashes_N.tolist()]
    assert [str(damaged) in message for message in refused] == [True]
    append_shard(tmp_path, IDENTITY, make(4, 10))
    assert len(read_labels(tmp_path, IDENTITY)) == 12


def test_values_that_are_not_finite_are_never_written(tmp_path: Path) -> None:
    labels = make(3)
    labels.logits_NC[1, 0] = np.nan
    with pytest.raises(DamagedError, match=rf"logits of text {labels.hashes_N[1]} are not finite"):
        append_shard(tmp_path, IDENTITY, labels)
    assert not (tmp_path / "manifest.json").exists()


def test_a_text_without_labels_is_named() -> None:
    labels = make(3).sorted_rows()
    with pytest.raises(BadInputError, match=r"row 1: the text .* has no soft labels"):
        labels.rows_of([str(labels.hashes_N[0]), text_hash("unheard of")])


def test_hidden_states_are_left_out_where_nobody_wants_them(tmp_path: Path) -> None:
    labels = make(10)
    write_labels(tmp_path, IDENTITY, labels, shard_rows=4)
    found = read_labels(tmp_path, IDENTITY, hidden=False)
    assert found.hidden_NH.shape == (10, 0)
    assert np.array_equal(found.logits_NC, labels.sorted_rows().logits_NC)


def test_rows_are_collected_in_the_order_of_their_hashes_as_they_come() -> None:
    parts = [make(5), make(4, first=5), make(1, first=9)]
    whole = join(parts).sorted_rows()
    wanted = whole.hashes_N[[0, 3, 7, 9]]
    collected = Collected(wanted)
    assert collected.missing().tolist() == [0, 1, 2, 3]
    for part in (parts[2], parts[0]):
        collected.add(part)
    left = [row for row, name in enumerate(wanted) if name in parts[1].hashes_N]
    assert collected.missing().tolist() == left and left
    with pytest.raises(ValueError, match=f"{len(left)} of 4 texts have no soft labels"):
        collected.done()
    collected.add(parts[1])
    found = collected.done()
    assert found.hashes_N.tolist() == wanted.tolist()
    rows = whole.rows_of(wanted)
    for name in ("logits_NC", "hidden_NH", "folds_N"):
        assert np.array_equal(getattr(found, name), getattr(whole, name)[rows])
