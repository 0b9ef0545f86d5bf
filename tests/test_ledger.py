"""One line swapped behind a stage, and the next one stops with the stage and the row."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from kdmodels import token_table
from kdmodels.errors import DamagedError
from kdmodels.files import read_json, sha256, write_json
from kdmodels.label_rows import SoftLabels
from kdmodels.label_store import read_labels, write_labels
from kdmodels.ledger import label_seal, pair_seal, prove_pairs, token_seal
from kdmodels.pairs import pair_hash, text_hash
from kdmodels.tables import TableWriter, read_table, write_table
from kdmodels.token_table import FILE, read_tokens
from tests.test_label_store import IDENTITY

ROWS = 6


def pairs() -> dict[str, list[str]]:
    texts = [(f"p{i}", f"source {i}", f"Ziel {i}", i % 2 == 0, 1.0 + i) for i in range(ROWS)]
    return {
        "id": [row[0] for row in texts],
        "content_hash": [pair_hash(*row[1:3]) for row in texts],
        "source_hash": [text_hash(row[1]) for row in texts],
        "source": [row[1] for row in texts],
        "target": [row[2] for row in texts],
        "held_out": [row[3] for row in texts],
        "weight": [row[4] for row in texts],
        "seal": [pair_seal(*row) for row in texts],
    }


def swap(column: list[Any], row: int) -> None:
    column[row], column[row + 1] = column[row + 1], column[row]


def test_pairs_that_are_whole_pass() -> None:
    prove_pairs(Path("pairs.parquet"), *pairs().values())


@pytest.mark.parametrize(
    "column", ["id", "content_hash", "source_hash", "source", "target", "held_out", "weight", "seal"]
)
def test_a_line_swapped_behind_corpus_is_found_with_its_row(column: str) -> None:
    columns = pairs()
    swap(columns[column], 2)
    with pytest.raises(
        DamagedError, match=r"pairs\.parquet, row 2 \(p[23]\): what `corpus` wrote together has come apart"
    ):
        prove_pairs(Path("pairs.parquet"), *columns.values())


def token_columns() -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        "id": [f"p{i}" for i in range(ROWS)],
        "source_hash": [text_hash(f"source {i}") for i in range(ROWS)],
        "source_ids": [[1, i, 2] for i in range(ROWS)],
        "target_ids": [[1, 9 + i, 9, 2] for i in range(ROWS)],
        "held_out": [i % 2 == 0 for i in range(ROWS)],
        "weight": [1.0 + i for i in range(ROWS)],
        "translation_score": [None, *(i / ROWS for i in range(1, ROWS))],
    }
    columns["seal"] = [token_seal(*row) for row in zip(*columns.values(), strict=True)]
    return columns


def test_tokens_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_table(tmp_path / FILE, token_columns())
    assert [row.tolist() for row in read_tokens(tmp_path, ["target_ids"])["target_ids"]] == token_columns()[
        "target_ids"
    ]


@pytest.mark.parametrize(
    "column", ["id", "source_hash", "source_ids", "target_ids", "held_out", "weight", "translation_score", "seal"]
)
@pytest.mark.parametrize("together", [2, 100])
def test_a_line_swapped_behind_tokens_is_found_with_its_row(
    tmp_path: Path, column: str, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_table, "_TOGETHER", together)
    columns = token_columns()
    swap(columns[column], 3)
    write_table(tmp_path / FILE, columns)
    with pytest.raises(DamagedError, match=r"row 3 \(p[34]\): what `tokens` wrote together has come apart"):
        read_tokens(tmp_path, ["weight"])


@pytest.mark.parametrize("tensor", ["hashes", "logits", "hidden", "folds", "seals"])
def test_a_line_swapped_behind_soft_labels_is_found_with_its_row(tmp_path: Path, tensor: str) -> None:
    random = np.random.default_rng(0)
    hashes = np.array(sorted(text_hash(f"source {i}") for i in range(ROWS)))
    values = (random.normal(size=(ROWS, width)).astype(np.float32) for width in (3, 5))
    write_labels(tmp_path, IDENTITY, SoftLabels(hashes, *values, np.arange(ROWS).astype(np.int8)), shard_rows=8)
    read_labels(tmp_path, IDENTITY)
    shard = tmp_path / "labels-00000.safetensors"
    tensors = load_file(shard)
    tensors[tensor][[1, 2]] = tensors[tensor][[2, 1]]
    save_file(tensors, shard)
    with pytest.raises(DamagedError, match=r"labels-00000\.safetensors: the shard is damaged"):
        read_labels(tmp_path, IDENTITY)
    manifest = read_json(tmp_path / "manifest.json")
    manifest["shards"][0]["sha256"] = sha256(shard)  # as if whoever swapped them had also sealed the shard anew
    write_json(tmp_path / "manifest.json", manifest)
    with pytest.raises(DamagedError, match=r"row 1 \(\w+\): what `soft_labels` wrote together has come apart"):
        read_labels(tmp_path, IDENTITY)


@given(st.lists(st.text(), min_size=3, max_size=3), st.integers(0, 2), st.text())
def test_any_change_of_a_pair_breaks_its_seal(parts: list[str], place: int, other: str) -> None:
    changed = [other if number == place else part for number, part in enumerate(parts)]
    parts, changed = ([part.encode("utf-8", "replace").decode() for part in row] for row in (parts, changed))
    one, two, three = parts
    assert (pair_seal(one, two, three, False, 1.0) == pair_seal(*changed, held_out=False, weight=1.0)) == (
        parts == changed
    )
    assert pair_seal(one, two, three, False, 1.0) != pair_seal(one, two, three, True, 1.0)
    assert pair_seal(one, two, three, False, 1.0) != pair_seal(one, two, three, False, 0.5)


IDS = st.lists(st.integers(0, 2**31 - 1), max_size=4)


@given(st.tuples(st.text("ab"), st.text("01"), IDS, IDS), st.integers(0, 3), st.data())
def test_any_change_of_tokens_breaks_their_seal(row: tuple[Any, ...], place: int, data: st.DataObject) -> None:
    kinds = (st.text("ab"), st.text("01"), IDS, IDS)
    changed = list(row)
    changed[place] = data.draw(kinds[place])
    use: dict[str, Any] = {"held_out": False, "weight": 1.0, "translation_score": 0.5}
    assert (token_seal(*row, **use) == token_seal(*changed, **use)) == (list(row) == changed)
    assert token_seal(*row, **use) != token_seal(*row, **use | {"held_out": True})
    assert token_seal(*row, **use) != token_seal(*row, **use | {"translation_score": None})


@given(st.integers(0, 3), st.integers(0, 15), st.integers(0, 7))
def test_any_flipped_bit_of_soft_labels_breaks_their_seal(part: int, byte: int, bit: int) -> None:
    row: list[Any] = [text_hash("source"), np.ones(4, np.float32), np.full(5, 0.5, np.float32), 3]
    seal = label_seal(*row)
    if part == 0:
        row[0] = text_hash(f"source {byte} {bit}")
    elif part == 3:
        row[3] ^= 1 << bit
    else:
        row[part].view(np.uint8)[byte] ^= 1 << bit
    assert label_seal(*row) != seal


def test_rows_that_move_whole_are_still_pairs(tmp_path: Path) -> None:
    columns = pairs()
    for column in columns.values():
        swap(column, 2)
    prove_pairs(Path("pairs.parquet"), *columns.values())
    tokens = token_columns()
    for one in tokens.values():
        swap(one, 2)
    write_table(tmp_path / FILE, tokens)
    read_tokens(tmp_path, ["id"])


def test_a_boundary_that_moves_breaks_the_seal() -> None:
    use: dict[str, Any] = {"held_out": False, "weight": 1.0}
    scored = {**use, "translation_score": 0.5}
    assert pair_seal("a", "bc", "d", **use) != pair_seal("a", "b", "cd", **use)
    assert token_seal("a", "h", [1, 2], [3], **scored) != token_seal("a", "h", [1], [2, 3], **scored)


def test_a_flipped_bit_in_a_table_is_found(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_table(path, {"text": [f"text {i}" for i in range(500)]})
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedError, match="not readable as Parquet"):
        read_table(path, ["text"])


def test_a_table_written_piece_by_piece_is_whole_or_not_there(tmp_path: Path) -> None:
    schema = pa.schema([("text", pa.string())])
    with TableWriter(tmp_path / "whole.parquet", schema) as writer:
        writer.write({"text": ["a", "b"]})
        writer.write({"text": ["c"]})
    assert pq.read_table(tmp_path / "whole.parquet")["text"].to_pylist() == ["a", "b", "c"]
    with pytest.raises(RuntimeError), TableWriter(tmp_path / "half.parquet", schema) as writer:
        writer.write({"text": ["a"]})
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["whole.parquet"]
    before = (tmp_path / "whole.parquet").read_bytes()
    with pytest.raises(RuntimeError), TableWriter(tmp_path / "whole.parquet", schema) as writer:
        writer.write({"text": ["other"]})
        raise RuntimeError
    assert (tmp_path / "whole.parquet").read_bytes() == before, "what was there stays"


def test_a_table_whose_last_bytes_cannot_be_written_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Any) -> None:
        raise OSError(28, "No space left on device")

    writer = TableWriter(tmp_path / "table.parquet", pa.schema([("text", pa.string())]))
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(pq.ParquetWriter, "close", full)
        with writer:
            writer.write({"text": ["a"]})
    assert not list(tmp_path.iterdir())


def test_the_same_pieces_give_the_same_bytes(tmp_path: Path) -> None:
    schema = pa.schema([("text", pa.string())])
    for name in ("a", "b"):
        with TableWriter(tmp_path / name, schema) as writer:
            for start in (0, 100):
                writer.write({"text": [f"text {i}" for i in range(start, start + 100)]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_columns_that_are_not_those_of_the_table_leave_no_file(tmp_path: Path) -> None:
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    with pytest.raises((KeyError, pa.ArrowInvalid)), TableWriter(tmp_path / "t.parquet", schema) as writer:
        writer.write({"id": ["a", "b"], "text": ["one"]})
    assert not list(tmp_path.iterdir())
