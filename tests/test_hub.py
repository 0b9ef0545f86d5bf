"""A data set of the hub becomes one file of plain rows, whose columns are pairs or labelled texts."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdmodels.corpora import hub
from kdmodels.errors import BadInputError
from kdmodels.pairs import LabelledText, Pair
from kdmodels.provenance import Found
from tests.conftest import ROOT
from tests.hub_server import COMMIT, Repository
from tests.hub_server import hub as serve

TOKEN = "hf_abcdefghijklmnop"
PAIRS: dict[str, Any] = {
    "dataset": "owner/pairs",
    "config": "{first}-{second}",
    "split": "train",
    "revision": None,
    "source_column": "translation.{source}",
    "target_column": "translation.{target}",
    "id_column": None,
    "group_column": None,
    "codes": {},
    "licence": None,
}
TEXTS: dict[str, Any] = {
    "dataset": "owner/topics",
    "config": "{language}",
    "train_split": "train",
    "valid_split": "validation",
    "test_split": "test",
    "revision": COMMIT,
    "text_column": "text",
    "label_column": "label",
    "id_column": None,
    "group_column": None,
    "codes": {"de": "deu_Latn"},
    "licence": "CC-BY-4.0",
}
CARD = """---
license: cc-by-4.0
configs:
- config_name: de-en
  data_files:
  - {split: train, path: de-en/*.parquet}
- config_name: en-it
  data_files:
  - {split: train, path: en-it/*.parquet}
dataset_info:
- config_name: de-en
  features:
  - {name: kind, dtype: {class_label: {names: {'0': formal, '1': chat}}}}
  - {name: raw, dtype: binary}
  - {name: score, dtype: float64}
  - {name: translation, dtype: {translation: {languages: [de, en]}}}
- config_name: en-it
  features:
  - {name: raw, dtype: binary}
---
"""
# What is asked of the fake hub, in one process of its own: the address is read when its libraries are imported.
RUN = """
import json, sys
from pathlib import Path
from kdmodels import downloads
from kdmodels.corpora import hub
from kdmodels.errors import BadInputError
from kdmodels.limits import Limits
downloads.pause = lambda seconds: None
for number, (where, size) in enumerate(json.load(sys.stdin)):
    to = Path(sys.argv[1]) / str(number) / "rows.jsonl"
    to.parent.mkdir()
    try:
        outcome = hub.fetch(where, to, limits=Limits(size, 200.0, 3, 5.0))
    except BadInputError as error:
        outcome = f"BadInputError {error}"
    rows = to.read_text(encoding="utf-8") if to.exists() else None
    to.unlink(missing_ok=True)
    print("OUTCOME", json.dumps([outcome, rows, [path.name for path in to.parent.iterdir()]]), flush=True)
"""


def parquet(columns: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def repositories() -> dict[str, Repository]:
    translations = [{"de": "eins", "en": "one"}, {"de": "zwei\u2028", "en": "two"}]
    pairs = parquet({"kind": [1, -1], "raw": [b"x", b"y"], "score": [float("nan"), 1.5], "translation": translations})
    lines = b'{"b": {"c": 1, "a": ["x", "y"]}, "a": "one"}\n{"a": "two", "b": {"a": [], "c": null}}\n'
    return {
        "owner/pairs": Repository(
            {"README.md": CARD.encode(), "de-en/0.parquet": pairs, "en-it/0.parquet": parquet({"raw": [b"x"]})}
        ),
        "owner/lines": Repository({"train.jsonl": lines}, broken=1),
        "owner/gated": Repository({}, (401, "GatedRepo")),
        "owner/forbidden": Repository({}, (403, "Forbidden")),
        "owner/down": Repository({}, (503, "Down")),
        "owner/script": Repository({"README.md": b"", "script.py": b"raise SystemExit"}),
    }


def address(dataset: str, split: str = "train", revision: str = "main", **config: str) -> str:
    return f"hf://datasets/{dataset}@{revision}?{urlencode({**config, 'split': split})}"


ASKED = {
    "pairs": (address("owner/pairs", config="de-en"), 10**9),
    "lines": (address("owner/lines", revision=COMMIT), 10**9),
    "no text": (address("owner/pairs", config="en-it"), 10**9),
    "no config": (address("owner/pairs", config="fr"), 10**9),
    "which config": (address("owner/pairs"), 10**9),
    "no split": (address("owner/pairs", "dev", config="de-en"), 10**9),
    "no revision": (address("owner/pairs", revision="v9", config="de-en"), 10**9),
    "no data set": (address("owner/nothing"), 10**9),
    "gated": (address("owner/gated"), 10**9),
    "forbidden": (address("owner/forbidden"), 10**9),
    "down": (address("owner/down"), 10**9),
    "script": (address("owner/script"), 10**9),
    "large": (address("owner/lines"), 50),
}


@pytest.fixture(scope="module")
def served() -> dict[str, Repository]:
    return repositories()


@pytest.fixture(scope="module")
def outcomes(
    served: dict[str, Repository], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[str, str | None, list[str]]]]:
    """What came of each: the commit or the error, the file, and what else is left beside it."""
    folder = tmp_path_factory.mktemp("hub")
    with serve(served) as endpoint:
        own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "0", "HF_TOKEN": TOKEN}
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(folder)],
            input=json.dumps(list(ASKED.values())),
            env={**os.environ, **own},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    lines = [line.removeprefix("OUTCOME ") for line in done.stdout.split("\n") if line.startswith("OUTCOME ")]
    yield dict(zip(ASKED, map(json.loads, lines), strict=True))


def test_a_split_becomes_plain_rows(outcomes: dict[str, tuple[str, str, list[str]]]) -> None:
    commit, rows, left = outcomes["pairs"]
    assert (commit, left) == (COMMIT, [])
    assert rows == (
        '{"kind": "chat", "score": null, "translation.de": "eins", "translation.en": "one"}\n'
        '{"kind": null, "score": 1.5, "translation.de": "zwei\u2028", "translation.en": "two"}\n'
    )


def test_rows_are_those_of_the_commit(
    served: dict[str, Repository], outcomes: dict[str, tuple[str, str | None, list[str]]]
) -> None:
    assert outcomes["pairs"][0] == COMMIT
    files = [request for request in served["owner/pairs"].requests if "/resolve/" in request or "/tree/" in request]
    assert f"GET /datasets/owner/pairs/resolve/{COMMIT}/de-en/0.parquet" in files
    assert all(COMMIT in request for request in files), "a name may have moved on since it was resolved"


def test_columns_that_are_not_declared_are_read_all_the_same(outcomes: dict[str, tuple[str, str, list[str]]]) -> None:
    commit, rows, _ = outcomes["lines"]
    assert commit == COMMIT, "after the hub's first answer was an error"
    assert rows == '{"a": "one", "b.a": ["x", "y"], "b.c": 1}\n{"a": "two", "b.a": [], "b.c": null}\n'


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("no text", "hf://datasets/owner/pairs: no column holds text; there are raw"),
        ("no config", "owner/pairs: not the name of one configuration; there are 'de-en', 'en-it'"),
        ("which config", "owner/pairs: not the name of one configuration; there are 'de-en', 'en-it'"),
        ("no split", "owner/pairs: not the name of one split; there are 'train'"),
        ("no revision", "owner/pairs: no revision 'v9'; it is a commit"),
        ("no data set", "owner/nothing: no such data set, or it is private; then log in"),
        ("gated", "owner/gated: gated. Ask for access on its page, then log in"),
        ("forbidden", "owner/forbidden@main?split=train: the hub answers 403"),
        ("down", "owner/down@main?split=train: the hub could not be reached in 3 attempts"),
        ("script", "owner/script: cannot be read (RuntimeError: Dataset scripts are no longer supported"),
        ("large", "owner/lines: the split 'train' is larger than 50 bytes"),
    ],
)
def test_what_the_hub_does_not_give_is_said(
    outcomes: dict[str, tuple[str, str | None, list[str]]], asked: str, message: str
) -> None:
    outcome, rows, left = outcomes[asked]
    assert outcome.startswith("BadInputError ")
    assert message in outcome
    assert (rows, left) == (None, []), "nothing half-written"


def found(folder: Path, name: str, *rows: dict[str, Any]) -> Found:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Found(path, f"hf://datasets/owner/x@main?split={name}", path.name, "", 0, None, "2026-01-01", COMMIT)


def test_a_config_and_columns_follow_the_languages() -> None:
    (wanted,) = hub.pair_files(folder=Path(), source="en", target="de", **PAIRS)
    assert wanted.where == "hf://datasets/owner/pairs@main?config=de-en&split=train"
    assert wanted.name == "owner--pairs-de-en-train.jsonl"
    (wanted,) = hub.pair_files(folder=Path(), source="en", target="it", **PAIRS | {"config": None, "licence": "MIT"})
    assert (wanted.where, wanted.licence) == ("hf://datasets/owner/pairs@main?split=train", "MIT")
    train, valid = hub.labelled_files(folder=Path(), language="de", **TEXTS)
    assert train.where == f"hf://datasets/owner/topics@{COMMIT}?config=deu_Latn&split=train"
    assert valid.where.endswith("split=validation")
    (test,) = hub.test_files(folder=Path(), language="it", **TEXTS)
    assert test.where.endswith("config=it&split=test")
    assert hub.test_files(folder=Path(), language="it", **TEXTS | {"test_split": None}) == []


def test_pairs_are_read_by_their_columns(tmp_path: Path) -> None:
    one = found(
        tmp_path,
        "train",
        {"translation.en": "one ", "translation.de": "eins", "doc": "d", "n": 7},
        {"translation.en": "two", "translation.de": None, "doc": None, "n": 8},
    )
    read: dict[str, Any] = {"source": "en", "target": "de"}
    assert list(hub.read_pairs([one], **read, **PAIRS)) == [
        Pair("train:1", "one", "eins", None),
        Pair("train:2", "two", "", None),
    ]
    own = PAIRS | {"id_column": "n", "group_column": "doc"}
    assert [(pair.id, pair.group) for pair in hub.read_pairs([one], **read, **own)] == [("7", "d"), ("8", None)]
    missing = r"split=train:1: the field 'text' is missing; the object has translation\.en, translation\.de, doc, n"
    with pytest.raises(BadInputError, match=missing):
        list(hub.read_pairs([one], **read, **PAIRS | {"source_column": "text"}))
    with pytest.raises(BadInputError, match=r"\{lang\} stands for nothing here; allowed: \{source\}"):
        list(hub.read_pairs([one], **read, **PAIRS | {"source_column": "{lang}"}))


def test_labelled_texts_are_read_by_their_columns(tmp_path: Path) -> None:
    train = found(tmp_path, "train", {"text": "a", "label": "x"})
    valid = found(tmp_path, "valid", {"text": "b", "label": 3})
    assert list(hub.read_labelled([train, valid], language="en", **TEXTS)) == [
        ("hf://datasets/owner/x@main?split=train:1", LabelledText("train:1", "x", "a", "train", None)),
        ("hf://datasets/owner/x@main?split=valid:1", LabelledText("valid:1", "3", "b", "valid", None)),
    ]
    drawn = TEXTS | {"valid_split": None}
    assert [text.split for _, text in hub.read_labelled([train], language="en", **drawn)] == [None]
    assert [text.id for _, text in hub.read_test([valid], language="en", **TEXTS)] == ["valid:1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "glue"}, "dataset: 'glue' is no name of the hub, such as owner/name"),
        ({"dataset": "../x"}, "dataset: '../x' is no name"),
        ({"split": "train[:1%]"}, r"split: 'train\[:1%\]' is no name"),
        ({"revision": "a?b"}, r"revision: 'a\?b' is no name"),
        ({"config": "{language}"}, r"\{language\} stands for nothing here"),
    ],
)
def test_names_that_are_none_are_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        hub.pair_files(folder=Path(), source="en", target="de", **PAIRS | changes)


@pytest.mark.parametrize("changes", [{"valid_split": "train"}, {"test_split": "validation"}])
def test_a_split_has_one_use(changes: dict[str, str]) -> None:
    with pytest.raises(BadInputError, match="a text has one split"):
        hub.labelled_files(folder=Path(), language="en", **TEXTS | changes)


@pytest.mark.parametrize("changes", [{"config": None}, {"config": "all", "test_split": "held"}])
def test_one_test_split_is_not_that_of_every_language(changes: dict[str, Any]) -> None:
    with pytest.raises(
        BadInputError, match=r"as the test texts of every language; write \{language\} in config, test_sp"
    ):
        hub.test_files(folder=Path(), language="de", **TEXTS | changes)
    for column in ({"text_column": "text_{language}"}, {"test_split": "test_{language}"}):
        assert len(hub.test_files(folder=Path(), language="de", **TEXTS | changes | column)) == 1


def test_long_names_keep_their_split_apart() -> None:
    long = TEXTS | {"config": "c" * 200}
    train, valid = hub.labelled_files(folder=Path(), language="en", **long)
    assert train.name != valid.name
    assert train.name.endswith("-train.jsonl")
