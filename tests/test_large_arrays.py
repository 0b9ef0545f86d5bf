"""Arrays that lie on the disk once they are large are what they would be in memory."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdmodels import large_arrays
from kdmodels.errors import BadInputError
from kdmodels.large_arrays import Growing, empty, kept, pieces, take
from kdmodels.text_hashes import HASH, corpus_sha256, distinct, find

VALUES = np.arange(600, dtype=np.float32).reshape(200, 3)


@pytest.fixture(params=[8, 1 << 20], ids=["on the disk", "in memory"])
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[int]:
    """Count as large what has more bytes than this; nothing of it is left in the folder for temporary files."""
    monkeypatch.setattr(large_arrays, "_LARGE", request.param)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield request.param
    assert list(tmp_path.iterdir()) == []


def lies_in_a_file(values: Any) -> bool:
    while values is not None and not isinstance(values, np.memmap):
        values = values.base
    return values is not None


def test_what_is_large_lies_in_a_file_and_can_be_written(large: int) -> None:
    made = empty(VALUES.shape, np.float32)
    assert lies_in_a_file(made) == (large == 8) and type(made) is np.ndarray
    made[:] = VALUES
    made[7] *= 2
    assert np.array_equal(made[:7], VALUES[:7]) and made[7, 1] == 2 * VALUES[7, 1]
    assert empty((0, 3), np.int8).shape == (0, 3)
    moved = kept(VALUES)
    assert np.array_equal(moved, VALUES) and lies_in_a_file(moved) == (large == 8) and moved is not VALUES


def test_rows_are_taken_in_any_order_and_more_than_once(large: int) -> None:
    rows = np.array([199, 0, 0, 57])
    taken = take(VALUES, rows)
    assert np.array_equal(taken, VALUES[rows]) and lies_in_a_file(taken) == (large == 8)
    assert take(VALUES, np.array([], dtype=np.int64)).shape == (0, 3)
    assert take(np.array(["a", "bc"]), np.array([1, 0])).tolist() == ["bc", "a"]


def test_an_array_grows_some_rows_at_a_time(large: int) -> None:
    growing = Growing(np.float32, (3,))
    for start, stop in ((0, 1), (1, 1), (1, 150), (150, 200)):
        growing.add(VALUES[start:stop])
    made = growing.done()
    assert np.array_equal(made, VALUES) and lies_in_a_file(made) == (large == 8)
    assert Growing(np.float32, (3,)).done().shape == (0, 3)


def test_pieces_are_all_rows_once(large: int) -> None:
    cut = list(pieces(100, 4))
    assert [row for one in cut for row in range(one.start, one.stop)] == list(range(100))
    assert len(cut) == (50 if large == 8 else 1) and list(pieces(0, 4)) == []


@pytest.mark.parametrize("what", ["empty", "growing"])
def test_a_full_disk_is_an_error_that_says_what_to_do(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    class Full:
        write = flush = full

    monkeypatch.setattr(large_arrays, "_LARGE", 8)
    monkeypatch.setattr(os, "posix_fallocate", full)
    if what == "growing":
        monkeypatch.setattr(large_arrays, "TemporaryFile", Full)
    with pytest.raises(BadInputError, match=r"no room for 0 MB more \(No space left on device\)\. .*TMPDIR"):
        empty(100, np.int64) if what == "empty" else Growing(np.int64).add(np.arange(100))


def test_texts_are_found_by_their_hashes(large: int) -> None:
    names = np.array(["c", "a", "b", "a", "c"], dtype=HASH)
    rows = distinct(names)
    assert rows.tolist() == [1, 2, 0]
    assert find(names[rows], ["b", "x", "c", "", "a"]).tolist() == [1, -1, 2, -1, 0]
    assert find(names[:0], ["b"]).tolist() == [-1] and distinct(names[:0]).tolist() == []


def test_the_hash_of_a_corpus_is_that_of_its_texts_in_lines(large: int) -> None:
    from hashlib import sha256

    for names in ([], ["a"], ["a", "bb", "c"]):
        assert corpus_sha256(np.array(names, dtype=HASH)) == sha256("\n".join(names).encode()).hexdigest()
