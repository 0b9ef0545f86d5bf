"""params.yaml: each wrong key, type or range is one line that says what is allowed."""

import re
import shutil
from pathlib import Path

import pytest

from kdmodels.errors import BadInputError
from tasks import places
from tasks.config import load_params, stage_names

ROOT = Path(__file__).parents[1]


def changed(folder: Path, old: str, new: str) -> Path:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert old in text
    (folder / "params.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_the_projects_own_params_are_right_and_frozen() -> None:
    params = load_params(ROOT)
    assert params.source == "en"
    assert params.targets == ["de", "es", "zh"]
    with pytest.raises(ValueError, match="frozen"):
        params.seed = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  temperature: 2.0", "  temprature: 2.0", "student.temprature: no such key"),
        ("  temperature: 2.0", "  temperature: 0", "student.temperature: input should be greater than 0, given 0"),
        ("  temperature: 2.0", "  temperature: warm", "student.temperature: input should be a valid number"),
        ("  temperature: 2.0", "  temperature: .nan", "student.temperature: input should be a finite number"),
        ("seed: 1 ", "seed: 1.5 ", "seed: "),
        ("seed: 1 ", "seed: yes ", "seed: input should be a valid integer"),
        ("threads: 1 ", "threads: 0 ", "threads: input should be greater than 0"),
        ("threads: 1 ", "", "threads: the key is missing"),
        ("  held_out: 0.1 ", "  held_out: 0.9 ", "corpus.held_out: input should be less than or equal to 0.5"),
        (
            "    source: sample ",
            "    source: opus7 ",
            "corpus.first.source: 'opus7' is not one of: cedict, debian, files",
        ),
        ("  source: sample", "  source: hub7", "labelled.source: 'hub7' is not one of: cedict, debian, files"),
        (
            "  source: sample",
            "  source: opus",
            "labelled.source: 'opus' offers no labelled text; those that do: debian",
        ),
        ("    options: {}", "    options: {path: x}", "corpus.first.options.path: no such key"),
        ("  options: {}", "  options: {path: x}", "labelled.options.path: no such key; sample takes: none"),
        ("second: {source: none", "second: {source: files", "corpus.second.options.paths: the key is missing"),
        ("    cap: none ", "    cap: 0 ", "corpus.first.cap: input should be greater than 0, given 0"),
        ("    weight: 1.0 ", "    weight: -1.0 ", "corpus.first.weight: input should be greater than 0"),
        ("    characters: [1, 2000]", "    characters: [1]", "corpus.cleaning.characters: "),
        (
            "    similarity: 0.8",
            "    similarity: 8",
            "corpus.cleaning.similarity: input should be less than or equal to 1",
        ),
        ("refresh: pinned", "refresh: newest", "sources.refresh: input should be 'pinned' or 'latest'"),
        ("  output_loss: soft_kl", "  output_loss: kl", "student.output_loss: 'kl' is not one of: contrastive, "),
        (
            "  architecture: transformer",
            "  architecture: lstm",
            "student.architecture: 'lstm' is not one of: bag, bilstm",
        ),
        ("  output_loss: soft_kl", "  output_loss: ../soft_kl", "student.output_loss: "),
        (
            "    init: transtokenized",
            "    init: magic",
            "student.options.init: input should be 'transtokenized' or 'random'",
        ),
        ("    width: none", "    breadth: none", "student.options.width: the key is missing"),
        (
            "    width: none",
            "    width: none\n    depth: 2",
            "student.options.depth: no such key; transformer takes: init",
        ),
        (
            "  hidden_loss: none",
            "  hidden_loss: soft_kl",
            "student.hidden_loss: the loss 'soft_kl' cannot stand there; those",
        ),
        (
            "  label_loss: none",
            "  label_loss: cross_entropy",
            "needs labelled target text: set labelled.target_labels: true",
        ),
        (
            "    loss: none                # a file",
            "    loss: dist                # a file",
            "student.hidden_phase.loss: the loss 'dist' cannot stand there; those that can: con",
        ),
        (
            "    loss: none                # cross",
            "    loss: soft_kl                # cross",
            "student.glosses.loss: the loss 'soft_kl' cannot stand there; those that can: cross_entropy, none",
        ),
        ("    copies: 10", "    copies: 0", "student.glosses.copies: "),
        ("  strength: 1.0", "  strength: -1.0", "feedback.strength: "),
        ("  rounds: 3", "  rounds: many", "feedback.rounds: "),
        ("  teacher_weight: 0.5", "  teacher_weight: -1", "joint.teacher_weight: "),
        ("    depth: 1", "    depth: 0", "teacher.untrained.depth: "),
        ("  hidden_loss: none", "  hidden_loss: mse", "student.hidden_loss: 'mse' is not one of: "),
        (
            "  output_loss: soft_kl",
            "  output_loss: none",
            "output_loss, hidden_loss, label_loss and glosses.loss are all none",
        ),
        (
            "  temperature: 2.0",
            "  temperature: {shape: steps, start: 1.0, end: 2.0}",
            "student.temperature.shape: input should",
        ),
        ("  temperature: 2.0", "  temperature: {shape: linear, start: 1.0, end: 0.0}", "start and end must be above 0"),
        (
            "  hidden_weight: 1.0",
            "  hidden_weight: -1.0",
            "student.hidden_weight: input should be greater than or equal to 0",
        ),
        ("  pair_weight: none", "  pair_weight: length", "student.pair_weight: input should be 'none', 'confidence', "),
        ("    body: 0.0", "    body: 1.5", "student.frozen.body: input should be less than or equal to 1"),
        ("  folds: none", "  folds: 1", "teacher.folds: input should be greater than or equal to 2"),
        ("  seeds: [1, 2, 3]", "  seeds: [1, 1]", "sweep.seeds: a value stands in it twice"),
        ("  seeds: [1, 2, 3]", "  seeds: []", "sweep.seeds: list should have at least 1 item"),
        ("  - tf_idf", "  - svm", "control.chosen: 'svm'; allowed: tf_idf, hard_labels"),
        ("  - tf_idf", "  - tf_idf_seed_2", "control.chosen: 'tf_idf_seed_2'; allowed: tf_idf, hard_labels"),
        ("  - tf_idf", "  - student_seed_02", "control.chosen: 'student_seed_02'; allowed"),
        ("  - tf_idf", "  - hard_labels_seed_2", "its first training is missing; put hard_labels beside it"),
        ("  - tf_idf", "  - $(touch x)", "control.chosen: '$(touch x)'; allowed"),
        ("  - tf_idf", "  - tf_idf\n  - tf_idf", "control.chosen: a value stands in it twice"),
        ("  folder: data/sample", "  folder: ../elsewhere", "sources.folder: may not contain '..' or start with '/'"),
        ("  folder: data/sample", "  folder: /elsewhere", "sources.folder: may not contain '..' or start with '/'"),
        ("- zh", "- en", "targets: 'en' is the source language"),
        ("- zh", "- de", "targets: a language stands in it twice"),
        ("- zh", "- ../x", "targets.2: a language code such as de, zh-Hant or pt-BR is expected"),
        ("- zh", "- a;touch x", "targets.2: a language code"),
        ("- zh", "- $(x)", "targets.2: a language code"),
        ("- zh", "- German", "targets.2: a language code"),
        ("- zh", "- 7", "targets.2: "),
        ("  top_classes: none", "  top_classes: 0", "soft_labels.top_classes: "),
        ("  logits: float32", "  logits: float8", "soft_labels.logits: "),
        ("  backend: torch", "  backend: tensorrt", "labelling.backend: "),
        ("  shard_rows: 512", "  shard_rows: 100", "shard_rows 100 is no multiple of labelling.batch_rows 32"),
        (
            "  - all ",
            "  - 1_of_2 ",
            "labelling.parts: 2_of_2 is missing; expected: [all], or every part of one split, such",
        ),
        ("  - all ", "  - 1_of_2\n  - 1_of_2\n  - 2_of_2 ", "labelling.parts: a part stands in it twice; expected: "),
        ("  - all ", "  - 1_of_2\n  - 2_of_3 ", "labelling.parts: '1_of_2' is no part of a split into 3; expected: "),
        (
            "  - all ",
            "  - all\n  - 2_of_2 ",
            "labelling.parts: 'all' is no part of a split into 2; expected: [all], or",
        ),
        (
            "  - all ",
            "  - 3_of_2 ",
            "labelling.parts: '3_of_2' is no name of a part; expected: [all], or every part of",
        ),
        ("  - all ", "  - 1_of_1 ", "labelling.parts: '1_of_1' is no name of a part; expected: [all]"),
        ("  - all ", "  - ../x ", "labelling.parts: '../x' is no name of a part; expected: [all]"),
        ("  - all ", "  - $(touch x) ", "labelling.parts: '$(touch x)' is no name of a part; expected: [all]"),
        ("  - all ", "  - 1 ", "labelling.parts.0: input should be a valid string"),
        ("  weights_sha256: 53", "  weights_sha256: xy", "teacher.weights_sha256: "),
        ("seed: 1 ", "seed: !!python/object:os.system 1 ", "not readable as YAML"),
        ("seed: 1 ", "seed: 1\nseed: 2 ", "not readable as YAML"),
        ("seed: 1 ", "seed: [1 ", "not readable as YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(BadInputError) as caught:
        load_params(changed(tmp_path, old, new))
    assert message in str(caught.value)
    assert str(tmp_path / "params.yaml") in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"  backend: torch": "  backend: onnxruntime", "precision: float32": "precision: bfloat16"},
            "precision bfloat16 is one of the backend torch; onnxruntime has float32",
        ),
        (
            {"  hidden: float32": "  hidden: none", "  hidden_loss: none": "  hidden_loss: hidden_mse"},
            "student.hidden_loss: 'hidden_mse' needs the teacher's hidden states: set soft_labels.hidden: float32 or float16",
        ),
        (
            {"  hidden: float32": "  hidden: none", "    loss: none                # a": "    loss: hidden_cosine # a"},
            "student.hidden_phase.loss: 'hidden_cosine' needs the teacher's hidden states",
        ),
    ],
)
def test_values_that_do_not_go_together_are_named(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    start = text.index("labelling:  ")
    for old, new in changes.items():
        assert old in text[start:]
        text = text[:start] + text[start:].replace(old, new, 1)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match=re.escape(message)):
        load_params(tmp_path)


@pytest.mark.parametrize("code", ["no", "pt-BR", "zh-Hant", "swh", "es-419"])
def test_language_codes_of_every_kind_are_taken(tmp_path: Path, code: str) -> None:
    assert load_params(changed(tmp_path, "- zh", f"- {code}")).targets[-1] == code


def test_the_parts_of_a_split_are_taken_in_any_order(tmp_path: Path) -> None:
    assert load_params(ROOT).labelling.parts == ["all"]
    found = load_params(changed(tmp_path, "  - all ", "  - 3_of_3\n  - 1_of_3\n  - 2_of_3 "))
    assert found.labelling.parts == ["3_of_3", "1_of_3", "2_of_3"]


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "a mapping"), (b"- a\n", "a mapping"), (b"\xff", "not readable")]
)
def test_a_file_that_is_no_mapping_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(BadInputError, match=message):
        load_params(tmp_path)


def test_a_missing_file_says_where_to_stand(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no such file\. Run this in the project's root folder"):
        load_params(tmp_path)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    changed(tmp_path, "seed: 1 ", "seed: -1 ")
    text = (tmp_path / "params.yaml").read_text().replace("threads: 1 ", "threads: two ")
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(BadInputError) as caught:
        load_params(tmp_path)
    assert len(str(caught.value).split("\n")) == 2


def test_a_temporary_copy_of_an_experiment_finds_the_projects_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places.home(tmp_path) == tmp_path / ".distilingua"
    assert places.home(tmp_path / ".dvc/tmp/exps/standalone/tmp1") == tmp_path / ".distilingua"
    assert places.home(tmp_path / ".dvc/tmp/exps/tmp1") == tmp_path / ".distilingua"
    monkeypatch.setenv("DISTILINGUA_HOME", str(tmp_path / "shared"))
    assert places.home(tmp_path) == tmp_path / "shared"


def test_the_stages_are_those_of_dvc_yaml(tmp_path: Path) -> None:
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    assert stage_names(tmp_path) == [
        "sources", "labelled", "corpus", "encoder", "tokens", "teacher", "labelling", "soft_labels",
            "student", "control", "joint", "evaluation",
    ]  # fmt: skip


def test_what_starts_untrained_has_no_layers_to_freeze(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^  init: sentence-transformers\S+", "  init: bilstm", text)
    text = re.sub(r"(?m)^  frozen_layers: \d+", "  frozen_layers: 1", text)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match="frozen_layers: 1, and init: bilstm starts untrained; set it to 0"):
        load_params(tmp_path)
