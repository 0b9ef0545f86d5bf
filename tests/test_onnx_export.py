"""An exported student answers as the student does, by itself, and one that does not is never written."""

import json
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from kdmodels import onnx_export
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.inference import Predictor
from kdmodels.onnx_export import export
from kdmodels.onnx_student import MODEL, SETTINGS, TOKENIZER, OnnxStudent
from tests import tiny
from tests.test_small_students import build

LAYERS = 2  # the first on all tokens, the last on one; each costs an export seconds
TEXTS = [*tiny.GERMAN, "", "lampe", " ".join(tiny.GERMAN), "ein Wort, das niemand kennt 🙂"]


def student(kind: str, folder: Path) -> Path:
    """Save a random student of an architecture."""
    if kind == "transformer":
        tokenizer = tiny.wordpiece(folder / "tokenizer", tiny.GERMAN)
        model = tiny.bert(tokenizer, num_hidden_layers=LAYERS)
    elif kind == "multilingual":
        model, tokenizer = tiny.sentencepiece_teacher(num_hidden_layers=LAYERS)
    else:
        model, tokenizer = build(kind, folder)
    model.eval().save_pretrained(folder / "student")
    tokenizer.save_pretrained(folder / "student")
    (folder / "student/README.md").write_text("# A student\n")
    return folder / "student"


def exported(student: Path, out: Path, **changes: Any) -> dict[str, float]:
    out.mkdir()
    usual = {"quantize": "none", "texts": TEXTS, "held_out": TEXTS, "difference": 1e-4, "least_agreement": 0.0}
    return export(student, out, card="# A student\n", **usual | changes)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return student("transformer", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def plain(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the student exported in float32."""
    out = tmp_path_factory.mktemp("plain") / "onnx"
    assert exported(bert, out).keys() == {"difference"}
    return out


def exported_again(student: Path, plain: Path, out: Path, **changes: Any) -> dict[str, float]:
    """Export a student with the model that an earlier export of it has traced, which is what takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_export, "_write_model", lambda model, path, padding: shutil.copy(plain / MODEL, path))
        return exported(student, out, **changes)


@pytest.fixture(scope="module")
def folder(bert: Path, plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the student exported in int8."""
    out = tmp_path_factory.mktemp("export") / "onnx"
    exported_again(bert, plain, out, quantize="int8")
    return out


def check_answers(student: Path, out: Path) -> None:
    """See that an export answers as the student does, whatever number of texts is answered at once."""
    assert json.loads((out / SETTINGS).read_text())["checks"]["difference"] < 1e-5
    theirs = list(Predictor(student, 4).predict(TEXTS))
    for rows in (1, 5):
        for one, other in zip(Predictor(out, rows).predict(TEXTS), theirs, strict=True):
            assert (one.text, one.label, one.truncated) == (other.text, other.label, other.truncated)
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_a_transformer_answers_as_in_torch_for_any_batch(bert: Path, plain: Path) -> None:
    check_answers(bert, plain)


@pytest.mark.parametrize("kind", ["multilingual", "cnn", "bag"])
def test_each_architecture_answers_as_in_torch_for_any_batch(kind: str, tmp_path: Path) -> None:
    made = student(kind, tmp_path)
    assert exported(made, tmp_path / "onnx").keys() == {"difference"}
    check_answers(made, tmp_path / "onnx")


def test_an_architecture_that_onnx_does_not_know_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        BadInputError, match=r"architecture bilstm cannot be exported.*transformer, multilingual, cnn and bag"
    ):
        exported(student("bilstm", tmp_path), tmp_path / "onnx")
    assert not (tmp_path / "onnx" / SETTINGS).exists()


def test_the_folder_says_what_it_is_and_its_example_runs_by_itself(folder: Path, bert: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "example.py", MODEL, SETTINGS, TOKENIZER,
    ]  # fmt: skip
    settings = json.loads((folder / SETTINGS).read_text())
    assert settings["labels"] == tiny.LABELS and settings["maximum_length"] == 64 and settings["quantize"] == "int8"
    page = (folder / "README.md").read_text()
    assert page.startswith("# A student\n") and "int8 weights" in page and "python example.py" in page
    long = "die lampe " * 100
    code = (  # nothing of torch, transformers or the project may be needed
        "import sys\n"
        "for name in ('torch', 'transformers', 'kdmodels', 'tasks', 'flows'): sys.modules[name] = None\n"
        f"import runpy; sys.argv = ['example.py', 'die lampe', {long!r}]\n"
        f"runpy.run_path({str(folder / 'example.py')!r}, run_name='__main__')"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for line, found in zip(said.splitlines(), Predictor(folder, 2).predict(["die lampe", long]), strict=True):
        label, share, text = line.split("\t")
        assert (label, text) == (found.label, found.text)
        assert float(share) == pytest.approx(found.probability, abs=1e-3)


def test_int8_is_smaller_and_near(folder: Path, bert: Path, plain: Path) -> None:
    assert (folder / MODEL).stat().st_size < (plain / MODEL).stat().st_size
    for one, other in zip(Predictor(folder, 4).predict(TEXTS), Predictor(bert, 4).predict(TEXTS), strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.02)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"difference": 0.0}, r"a logit of the ONNX model differs by .* export\.difference allows 0\.0e\+00"),
        (
            {"quantize": "int8", "least_agreement": 1.1},
            r"the int8 model answers .* of 12 held-out texts.*export\.agreement asks for 1\.1.*--quantize none",
        ),
    ],
)
def test_a_model_that_strays_is_refused(
    changes: dict[str, Any], message: str, bert: Path, plain: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match=message):
        exported_again(bert, plain, tmp_path / "onnx", **changes)
    assert not (tmp_path / "onnx" / SETTINGS).exists()


def test_a_library_that_is_missing_is_named_with_its_extra(
    bert: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(name: str) -> Any:
        if name.startswith("onnx"):
            raise ImportError(name)
        return import_module(name)

    monkeypatch.setattr("importlib.import_module", without)
    with pytest.raises(BadInputError, match=r"onnx is not installed.*pip install 'distilingua\[onnx\]'"):
        exported(bert, tmp_path / "onnx")
    with pytest.raises(BadInputError, match=r"onnxruntime is not installed.*pip install 'distilingua\[serve\]'"):
        OnnxStudent(folder, 1)


def test_a_damaged_folder_is_named_with_the_remedy(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no exported student there.*distilingua export"):
        OnnxStudent(tmp_path, 1)
    for name in (MODEL, TOKENIZER, SETTINGS):
        for path in folder.iterdir():
            content = path.read_bytes()
            (tmp_path / path.name).write_bytes(content[: len(content) // 2] if path.name == name else content)
        with pytest.raises(DamagedError, match="distilingua export"):
            OnnxStudent(tmp_path, 1)
    (tmp_path / SETTINGS).write_text("{}")
    with pytest.raises(DamagedError, match=r"not of an exported student.*distilingua export"):
        OnnxStudent(tmp_path, 1)
