"""Rows of token ids are what lists of lists would be."""

import numpy as np
import pyarrow as pa
import pytest

from kdmodels.token_rows import TokenRows, joined

ROWS = [[1, 2, 3], [], [4], [2, 5]]


def lists(rows: TokenRows) -> list[list[int]]:
    return [row.tolist() for row in rows]


def test_rows_come_back_one_by_one_and_all_together() -> None:
    rows = TokenRows.of(ROWS)
    assert lists(rows) == ROWS and len(rows) == 4
    assert [rows[number].tolist() for number in range(4)] == ROWS
    assert rows[-1].tolist() == [2, 5] and lists(rows[1:3]) == [[], [4]]
    assert rows.lengths.tolist() == [3, 0, 1, 2]
    assert TokenRows.of(rows) is rows
    assert rows[0].dtype == np.int32
    for number in (4, -5):
        with pytest.raises(IndexError, match="of 4"):
            rows[number]


def test_some_rows_are_taken_in_any_order_and_more_than_once() -> None:
    rows = TokenRows.of(ROWS)
    assert lists(rows.at(np.array([3, 0, 1, 0]))) == [[2, 5], [1, 2, 3], [], [1, 2, 3]]
    assert lists(rows.at(np.array([], dtype=np.int64))) == []


def test_tokens_are_left_out_and_parts_joined() -> None:
    rows = TokenRows.of(ROWS)
    assert lists(rows.without([2, 9])) == [[1, 3], [], [4], [5]]
    assert lists(joined([rows, TokenRows.of([]), TokenRows.of([[7]])])) == [*ROWS, [7]]
    assert lists(joined([])) == []


def test_rows_are_written_as_a_column_and_read_again() -> None:
    column = TokenRows.of(ROWS).column()
    assert column.to_pylist() == ROWS
    assert lists(TokenRows.of_column(pa.chunked_array([column]))) == ROWS


@pytest.mark.parametrize("type_of_ids", [pa.int64(), pa.int32()])
def test_a_column_of_several_chunks_is_read(type_of_ids: pa.DataType) -> None:
    chunks = [pa.array(ROWS[:2], pa.list_(type_of_ids)), pa.array(ROWS[2:], pa.list_(type_of_ids))]
    assert lists(TokenRows.of_column(pa.chunked_array(chunks))) == ROWS
    sliced = pa.chunked_array([pa.array(ROWS, pa.list_(type_of_ids))[1:]])
    assert lists(TokenRows.of_column(sliced)) == ROWS[1:]
    assert lists(TokenRows.of_column(pa.chunked_array([], pa.list_(type_of_ids)))) == []
