"""Labelled text is checked: whatever is wrong is named with its file and line."""

import json
from pathlib import Path

import pandas as pd
import pytest

from kdmodels.errors import BadInputError
from kdmodels.text_files import read_lines
from tests.text_project import LABELLED, TEST, make_labelled, write


def test_it_writes_splits_labels_and_a_test_set_for_every_language(tmp_path: Path) -> None:
    out = make_labelled(tmp_path, LABELLED)
    assert pd.read_parquet(out / "train.parquet")["text"].tolist() == ["first text", "second text"]
    assert pd.read_parquet(out / "valid.parquet")["id"].tolist() == ["3", "4"]
    assert json.loads((out / "labels.json").read_text()) == ["a", "b"]
    assert len(pd.read_parquet(out / "test/de.parquet")) == 2
    assert pd.read_parquet(out / "test/en.parquet").columns.tolist() == ["id", "label", "text", "group"]


def test_the_same_text_gives_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        make_labelled(folder, LABELLED)
    for name in ("train.parquet", "valid.parquet", "labels.json", "report.json", "test/de.parquet"):
        assert (folders[0] / "out" / name).read_bytes() == (folders[1] / "out" / name).read_bytes()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"labelled\.en\.tsv: the file is empty"),
        (LABELLED[:1], r"labelled\.en\.tsv: holds a header line and no rows"),
        (["id\tsplit\ttext", "1\ttrain\tx"], r"labelled\.en\.tsv:1: the column 'label' is missing; the header has id,"),
        (["id\tid\tsplit\tlabel\ttext"], r":1: the column 'id' stands twice"),
        ([*LABELLED, "9\ttrain\ta"], r"labelled\.en\.tsv:6: 3 tab-separated fields, expected 4"),
        ([*LABELLED, "9\ttrain\ta\ttoo\tmany"], r"labelled\.en\.tsv:6: 5 tab-separated fields, expected 4"),
        ([*LABELLED, "9\ttrain\ta\t "], r"labelled\.en\.tsv:6: the text is empty"),
        ([*LABELLED, "9\ttrain\t\ttext"], r"labelled\.en\.tsv:6: the label is empty"),
        ([*LABELLED, "9\tdev\ta\ttext"], r"labelled\.en\.tsv:6: the split is 'dev', allowed: train, valid"),
        ([*LABELLED, "1\ttrain\ta\ttext"], r"labelled\.en\.tsv:6: the id '1' was used in .*labelled\.en\.tsv:2"),
        (
            [*LABELLED, "9\ttrain\tb\tFirst  text"],
            r":6: the same text stands in .*:2 with the label 'a', here with 'b'",
        ),
        ([*LABELLED, "9\tvalid\ta\tfirst text"], r":6: the same text stands in .*:2 with the split 'train'"),
        ([*LABELLED, "9\tvalid\tc\ttext"], r":6: the label 'c' stands in no training text; those are: a, b"),
        ([*LABELLED, "9\ttrain\ta\tnul\0"], r":6: holds a NUL"),
        ([LABELLED[0], LABELLED[1], "3\tvalid\ta\tx"], r"all training texts have the label 'a'; at least two"),
        (LABELLED[:3], r"no text falls into the split 'valid'"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        make_labelled(tmp_path, lines)


def test_text_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "labelled.en.tsv"
    write(path, LABELLED)
    path.write_bytes(path.read_bytes() + "9\ttrain\ta\tgrün\n".encode("latin-1"))
    with pytest.raises(BadInputError, match=r"labelled\.en\.tsv:6: not UTF-8 at byte 12 of the line \(0xfc\)"):
        list(read_lines(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nowhere\.tsv: no such file"):
        list(read_lines(tmp_path / "nowhere.tsv"))


def test_an_unknown_label_in_a_test_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        BadInputError, match=r"test\.de\.tsv:4: the label 'c' stands in no training text; those are: a, b"
    ):
        make_labelled(tmp_path, LABELLED, [*TEST, "7\tc\tsiebter"])


def test_a_labelled_text_that_stands_in_the_test_set_is_removed_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "test.en.tsv", ["id\tlabel\ttext", "7\ta\tFIRST text"])
    out = make_labelled(tmp_path, [*LABELLED, "8\ttrain\ta\tanother text"])
    assert pd.read_parquet(out / "train.parquet")["text"].tolist() == ["second text", "another text"]
    assert json.loads((out / "report.json").read_text())["in_test_set"] == 1


def test_or_it_stops_the_stage_which_lists_both_places(tmp_path: Path) -> None:
    write(tmp_path / "test.en.tsv", ["id\tlabel\ttext", "7\ta\tFIRST text"])
    with pytest.raises(
        BadInputError, match=r"1 labelled texts stand in the test set(.|\n)*en\.tsv:2 and .*test\.en\.tsv:2"
    ):
        make_labelled(tmp_path, LABELLED, labelled={"leaks": "strict"})


def test_a_test_text_with_two_labels_is_left_out_and_counted_since_no_answer_would_be_right(tmp_path: Path) -> None:
    more = ["7\ta\tsiebter Text", "8\tb\tSIEBTER text", "9\ta\tsiebter  Text", "10\tb\tzehnter Text"]
    out = make_labelled(tmp_path, LABELLED, [*TEST, *more])
    assert pd.read_parquet(out / "test/de.parquet")["id"].tolist() == ["5", "6", "10"]
    report = json.loads((out / "report.json").read_text())
    assert (report["contradicted/de"], report["contradicted/en"]) == (1, 0)


def test_labels_are_renamed_merged_and_dropped(tmp_path: Path) -> None:
    lines = [*LABELLED, "9\ttrain\tc\tninth text", "10\tvalid\td\ttenth text"]
    out = make_labelled(tmp_path, lines, labelled={"label_map": {"c": "a", "b": "beta", "d": "drop"}}, test=[
        "id\tlabel\ttext", "5\tc\tfünfter Text", "6\tb\tsechster Text"])  # fmt: skip
    assert json.loads((out / "labels.json").read_text()) == ["a", "beta"]
    assert pd.read_parquet(out / "train.parquet")["label"].tolist() == ["a", "beta", "a"]
    assert pd.read_parquet(out / "test/de.parquet")["label"].tolist() == ["a", "beta"]
    assert json.loads((out / "report.json").read_text())["dropped_by_label"] == 1


def test_a_label_of_the_map_that_no_text_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"labelled\.label_map: no text has the label 'z'"):
        make_labelled(tmp_path, LABELLED, labelled={"label_map": {"z": "a"}})


def test_a_test_set_can_be_drawn_by_group_and_no_group_stands_on_two_sides(tmp_path: Path) -> None:
    lines = [
        "id\tsplit\tlabel\ttext\tgroup",
        *(f"{i}\t\t{'ab'[i % 2]}\ttext number {i}\tg{i // 4}" for i in range(200)),
    ]
    lines = [line.replace("\t\t", "\t", 1).replace("split\t", "", 1) for line in lines]
    test = ["id\tlabel\ttext\tgroup", *(f"d{i}\t{'ab'[i % 2]}\tText Nummer {i}\tg{i // 4}" for i in range(200))]
    out = make_labelled(
        tmp_path, lines, test, texts={"split_column": None, "group_column": "group"}, labelled={"test_share": 0.3}
    )
    frames = {name: pd.read_parquet(out / f"{name}.parquet") for name in ("train", "valid", "test/en", "test/de")}
    assert all(len(frame) for frame in frames.values())
    groups = {name: set(frame["group"]) for name, frame in frames.items()}
    assert groups["test/en"] == groups["test/de"]
    assert not groups["test/en"] & (groups["train"] | groups["valid"])
    assert not groups["train"] & groups["valid"]


def test_a_repeated_text_with_the_same_label_is_dropped_and_counted(tmp_path: Path) -> None:
    out = make_labelled(tmp_path, [*LABELLED, "9\ttrain\ta\tfirst text"])
    assert len(pd.read_parquet(out / "train.parquet")) == 2
    assert json.loads((out / "report.json").read_text())["repeated"] == 1


def test_without_a_split_column_the_split_is_drawn_by_the_text_alone(tmp_path: Path) -> None:
    lines = ["label\ttext", *(f"{'ab'[i % 2]}\ttext number {i}" for i in range(200))]
    given = {"texts": {"split_column": None, "id_column": None}, "labelled": {"valid_share": 0.25}}
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    test = ["label\ttext", "a\tx"]
    few = pd.read_parquet(make_labelled(folders[0], lines[:101], test, **given) / "valid.parquet")
    many = pd.read_parquet(make_labelled(folders[1], lines, test, **given) / "valid.parquet")
    assert 30 < len(many) < 70
    assert set(few["text"]) <= set(many["text"]), "a text stays on its side when others join"
