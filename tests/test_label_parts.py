"""Soft labels that are made in parts are the same bytes as those of one pass, or what does not fit is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdmodels.classification import load_model
from kdmodels.encoder import load_tokenizer
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.label_parts import LabelPart, join_parts, write_part
from kdmodels.label_rows import SoftLabels, join
from kdmodels.label_store import Identity, read_labels, write_labels
from kdmodels.labelling import bucket_of, label_texts
from kdmodels.pairs import text_hash
from kdmodels.parts import belongs
from kdmodels.teacher_pass import teacher_pass
from kdmodels.text_hashes import corpus_sha256
from kdmodels.untrained import save_untrained_bilstm
from tests import tiny
from tests.tiny import Text
from tests.tiny_project import TinyProject

THIRDS = ("1_of_3", "2_of_3", "3_of_3")
HALVES = ["1_of_2", "2_of_2"]
IDENTITY = Identity(
    "teacher", (), "tokenizer", 64, ("a", "b"), "mean", "torch", "float32", (4, 8), ("float32", 0, "float32")
)
FOLDS = ("of fold 0", "of fold 1", "of fold 2")  # teachers
NAMES = [text_hash(f"text {number}") for number in range(60)]


@given(st.text(), st.integers(2, 12))
def test_each_text_belongs_to_one_part_whatever_others_there_are(text: str, count: int) -> None:
    name = text_hash(text)
    assert belongs(name, "all")
    assert sum(belongs(name, f"{number}_of_{count}") for number in range(1, count + 1)) == 1


def test_parts_are_about_equal() -> None:
    sizes = [sum(belongs(text_hash(f"text {number}"), name) for number in range(3000)) for name in THIRDS]
    assert all(900 < size < 1100 for size in sizes) and sum(sizes) == 3000


def rows(names: list[str]) -> SoftLabels:
    """Return made-up labels, each row of its text alone; every fourth text is of a fold."""
    numbers = [int(name, 16) % 1000 for name in names]
    return SoftLabels(
        np.array(names),
        np.array([[number, 1.0] for number in numbers], dtype=np.float32),
        np.array([[number / 7, 0.0, 2.0] for number in numbers], dtype=np.float32),
        np.array([number // 4 % 3 if number % 4 == 0 else -1 for number in numbers], dtype=np.int8),
    )


def write(folder: Path, names: list[str], of: list[str] | None = None, **other: Any) -> None:
    """Write the part that a folder is named after, of some texts."""
    own = [name for name in names if belongs(name, folder.name)]
    labels = rows(own).sorted_rows() if own else None
    folds = [] if labels is None else sorted(set(labels.folds_N.tolist()) - {-1})
    identity = replace(IDENTITY, **{"folds": tuple(FOLDS[fold] for fold in folds), **other})
    counts = {"texts": len(own), "in_sample": 0, "out_of_fold": sum(int(name, 16) % 4 == 0 for name in own)}
    write_part(folder, LabelPart(identity, labels, counts, corpus_sha256(np.array(sorted(of or names)))), shard_rows=8)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("size", [1, 5, 60])
def test_joined_parts_are_what_one_part_of_all_texts_is(tmp_path: Path, size: int) -> None:
    """A part may have no text at all, or none of some fold."""
    names = NAMES[:size]
    for name in ("all", *THIRDS):
        write(tmp_path / name, names)
    whole, joined = join_parts(tmp_path, ["all"]), join_parts(tmp_path, THIRDS[::-1])
    assert joined.identity == whole.identity and joined.counts == whole.counts
    assert len(whole.identity.folds) == len(set(rows(names).folds_N.tolist()) - {-1})
    for name, part in (("one", whole), ("other", joined)):
        write_labels(tmp_path / name, part.identity, part.labels, shard_rows=16)
    assert files(tmp_path / "one") == files(tmp_path / "other")
    assert len(read_labels(tmp_path / "other", whole.identity)) == size


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    folder = tmp_path / "de"
    for name in THIRDS:
        write(folder / name, NAMES)
    return folder


def test_a_missing_part_is_named(parts: Path) -> None:
    shutil.rmtree(parts / "2_of_3")
    with pytest.raises(
        BadInputError, match=r"de/2_of_3: this part of the soft labels is missing\. To make it: dvc repro"
    ):
        join_parts(parts, THIRDS)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"teacher": "x"}, r"the part 3_of_3 was made with teacher 'x', 1_of_3 with 'teacher'"),
        ({"backend": "x"}, r"the part 3_of_3 was made with backend 'x', 1_of_3 with 'torch'"),
        ({"batch": (8, 8)}, r"the part 3_of_3 was made with batch \(8, 8\), 1_of_3 with \(4, 8\)"),
        ({"folds": (FOLDS[0], "x", FOLDS[2])}, r"the part 3_of_3 was made with another teacher of fold 1"),
        ({"folds": FOLDS[:2]}, r"3_of_3: it has rows of 3 folds, and manifest\.json names 2 teachers"),
    ],
)
def test_a_part_of_another_maker_is_refused(parts: Path, other: dict[str, Any], message: str) -> None:
    shutil.rmtree(parts / "3_of_3")
    write(parts / "3_of_3", NAMES, **other)
    with pytest.raises(DamagedError, match=rf"{message}.*dvc repro --force .*labelling@de-3_of_3"):
        join_parts(parts, THIRDS)


def test_a_part_of_another_corpus_or_with_other_texts_is_refused(parts: Path) -> None:
    def again(name: str, texts: list[str], of: list[str]) -> None:
        shutil.rmtree(parts / name)
        write(parts / name, texts, of)

    again("2_of_3", NAMES[:50], NAMES[:50])
    with pytest.raises(DamagedError, match="the part 2_of_3 was made for another corpus"):
        join_parts(parts, THIRDS)
    again("2_of_3", NAMES[:50], NAMES)
    with pytest.raises(DamagedError, match=r"do not have each text of the corpus once.*force labelling@de-1_of_3 lab"):
        join_parts(parts, THIRDS)
    own = [name for name in NAMES if belongs(name, "2_of_3")]
    again("2_of_3", [*own, own[0]], NAMES)
    with pytest.raises(DamagedError, match="do not have each text of the corpus once"):
        join_parts(parts, THIRDS)
    shutil.rmtree(parts / "2_of_3")
    shutil.copytree(parts / "1_of_3", parts / "2_of_3")
    with pytest.raises(DamagedError, match=r"de/2_of_3: the text \w+ belongs to another part"):
        join_parts(parts, THIRDS)


@pytest.mark.parametrize("name", ["manifest.json", "part.json"])
def test_an_incomplete_part_is_refused(parts: Path, name: str) -> None:
    path = parts / "1_of_3" / name
    content = json.loads(path.read_text())
    content.get("made_by", content).popitem()
    path.write_text(json.dumps(content))
    with pytest.raises(DamagedError, match=r"1_of_3: .* is incomplete\. Make it again: dvc repro"):
        join_parts(parts, THIRDS)


Texts = tuple[Any, list[Text]]


def read(folder: Path, made: list[str]) -> Texts:
    tokenizer = load_tokenizer(folder)
    return load_model(folder).eval(), [(text_hash(text), np.array(tokenizer(text)["input_ids"])) for text in made]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    """A tiny teacher, and texts of several lengths."""
    made = [f"{one} {two}" for one in tiny.ENGLISH for two in ("", *tiny.ENGLISH[:4])]
    return read(tiny.bert_teacher(tmp_path_factory.mktemp("teacher")), made)


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    """A teacher whose sums depend on the lengths of what it reads together: it must be as wide as real ones for that."""
    random = np.random.default_rng(0)
    made = [" ".join(f"w{word}" for word in random.integers(300, size=random.integers(3, 30))) for _ in range(300)]
    folder = tmp_path_factory.mktemp("recurrent")
    save_untrained_bilstm(
        folder, made, ["a", "b"], vocabulary_size=400, lowercase=True, maximum_length=64, embedding_width=300,
        hidden_width=256, depth=1, dropout=0.3, seed=1,
    )  # fmt: skip
    return read(folder, made)


@pytest.mark.parametrize(
    ("teacher", "count"),
    [("texts", 2), ("texts", 7), ("recurrent", 2), pytest.param("recurrent", 7, marks=pytest.mark.slow)],
)
def test_what_the_teacher_says_of_a_text_does_not_depend_on_the_part(
    teacher: str, count: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model, every = request.getfixturevalue(teacher)
    identity = replace(IDENTITY, batch=(16, bucket_of(model, 8)))

    def label(store: Path, name: str) -> SoftLabels:
        own = [text for text in every if belongs(text[0], name)]
        settings: Any = {"identity": identity, "shard_rows": 32, "padding": 0, "say": lambda _: None}
        labels, made = label_texts(
            lambda: teacher_pass(model, "torch", "float32", 0, hidden=True),
            *tiny.columns(own),
            store=store,
            part=name,
            **settings,
        )
        assert made == len(own)
        return labels

    whole = label(tmp_path / "whole", "all")
    names = [f"{number}_of_{count}" for number in range(1, count + 1)]
    for stores in (names, ["shared"] * count):  # of a worker each, or of all
        parts = [label(tmp_path / store, name) for store, name in zip(stores, names, strict=True)]
        joined = join(parts).sorted_rows()
        assert joined.hashes_N.tolist() == whole.hashes_N.tolist()
        assert joined.logits_NC.tobytes() == whole.logits_NC.tobytes()
        assert joined.hidden_NH.tobytes() == whole.hidden_NH.tobytes()


def test_workers_of_one_store_label_other_parts_at_once_and_the_same_part_one_after_the_other(
    texts: Texts, tmp_path: Path
) -> None:
    from filelock import FileLock, Timeout

    model, every = texts
    own = {name: [text for text in every if belongs(text[0], name)] for name in HALVES}
    settings: Any = {"store": tmp_path, "identity": IDENTITY, "shard_rows": 8, "padding": 0, "say": lambda _: None}
    seen: list[int] = []

    plain = teacher_pass(model, "torch", "float32", 0, hidden=True)

    def reading(ids: Any, mask: Any) -> Any:
        """A teacher's pass, in whose first batch another worker labels the other part."""
        if not seen:
            seen.append(0)
            _, seen[0] = label_texts(lambda: plain, *tiny.columns(own["2_of_2"]), part="2_of_2", **settings)
            with pytest.raises(Timeout):
                FileLock(tmp_path / IDENTITY.key / ".1_of_2.lock", timeout=0).acquire()
        return plain(ids, mask)

    _, made = label_texts(lambda: reading, *tiny.columns(own["1_of_2"]), part="1_of_2", **settings)
    assert [made, *seen] == [len(own["1_of_2"]), len(own["2_of_2"])]
    labels = read_labels(tmp_path / IDENTITY.key, IDENTITY)
    assert labels.hashes_N.tolist() == sorted(name for name, _ in every), "each once"


def test_another_split_gives_the_same_bytes_and_students_do_not_run(copy: TinyProject) -> None:
    """Each part by a pass of its own: the label store is taken away."""
    lock, before = (copy.root / "dvc.lock").read_bytes(), copy.outputs()
    shutil.rmtree(copy.root / ".distilingua/labels")
    copy.set(labelling={"parts": HALVES})
    (copy.root / "data/labelling/de/.3_of_4.partial").mkdir()  # of a worker that was killed
    said = copy.dvc("repro")
    ran = [line.split("'")[1] for line in said.split("\n") if line.startswith("Running stage")]
    assert set(ran) == {"sources", "labelling@de-1_of_2", "labelling@de-2_of_2", "soft_labels@de"}
    assert said.count("0 of ") == 2 and "removed data/labelling/de/all, which is of another split" in said
    after = copy.outputs()
    assert {path: after[path] for path in before} == before, "the old part's entry stays in dvc.lock too"
    assert sorted(path.name for path in (copy.root / "data/labelling/de").iterdir()) == HALVES
    assert copy.repro() == []
    copy.set(labelling={"parts": ["all"]})
    assert copy.repro() == ["soft_labels@de"], "the part comes from the run cache, and the halves lie beside it"
    assert copy.repro() == []
    found = json.loads(copy.dvc("status", "--json").split("\n")[0])
    assert found == {} and (copy.root / "data/labelling/de/all").is_dir()
    entry = b"  soft_labels@de:"
    assert (copy.root / "dvc.lock").read_bytes().split(entry)[1][:900] == lock.split(entry)[1][:900]
