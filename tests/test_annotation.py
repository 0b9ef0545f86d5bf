"""A sample for people to label covers every class, keeps its design, and is read back without a slip."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from flows.cli import app
from kdmodels.annotation import draw, read_sample, stratified, write_sample
from kdmodels.comparison import Bootstrap
from kdmodels.errors import BadInputError
from kdmodels.likeness import likeness
from kdmodels.tables import write_table
from tests import tiny

ROOT = Path(__file__).parents[1]
DRAWS = Bootstrap(resamples=500, confidence=0.95, seed=1)


def answers(number: int = 300) -> tuple[list[str], np.ndarray]:
    random = np.random.default_rng(0)
    return [str(label) for label in random.choice(["a", "b", "c"], size=number, p=[0.9, 0.07, 0.03])], random.random(
        number
    )


def test_every_stratum_is_drawn_from_and_the_large_ones_most() -> None:
    labels, sure = answers()
    drawn = draw(labels, sure, 40, seed=1)
    assert len(set(drawn.rows.tolist())) == 40
    counts = {name: drawn.strata.count(name) for name in drawn.sizes}
    assert min(counts.values()) >= 2
    assert counts["a, sure"] > counts["b, sure"]
    assert sum(drawn.sizes.values()) == 300
    assert draw(labels, sure, 40, seed=1).rows.tolist() == drawn.rows.tolist()
    assert draw(labels, sure, 40, seed=2).rows.tolist() != drawn.rows.tolist()


def test_the_estimate_by_hand() -> None:
    # stratum x: 90 of 100 texts, half right; stratum y: 10, all right: 0.9 * 0.5 + 0.1 * 1
    found = stratified(np.array([1.0, 0.0, 1.0]), ["x", "x", "y"], {"x": 90, "y": 10}, DRAWS)
    assert found["value"] == pytest.approx(0.55)
    assert (found["low"], found["high"]) == pytest.approx((0.1, 1.0))
    alone = stratified(np.array([1.0, 0.0]), ["x", "x"], {"x": 90, "y": 10}, DRAWS)
    assert alone["value"] == pytest.approx(0.5), "a stratum without labels counts as the others do"


def test_the_interval_is_as_wide_as_that_of_a_sample_of_its_strata() -> None:
    random = np.random.default_rng(0)
    values = (random.random(400) < 0.7).astype(float)
    strata = ["x"] * 300 + ["y"] * 100
    found = stratified(values, strata, {"x": 3000, "y": 1000}, Bootstrap(resamples=4000, confidence=0.95, seed=1))
    variances = [values[:300].var(ddof=1) / 300 * 0.75**2, values[300:].var(ddof=1) / 100 * 0.25**2]
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * np.sqrt(sum(variances)), rel=0.05)


@pytest.mark.parametrize(
    ("number", "message"), [(400, "-n 400: there are only 300 texts"), (5, r"make 6 strata; draw 12 or more")]
)
def test_a_number_that_does_not_fit_is_refused(number: int, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        draw(*answers(), number, seed=1)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    labels, sure = answers()
    write_sample(tmp_path / "de.tsv", [f"Text \t {number}" for number in range(300)], draw(labels, sure, 20, seed=1))
    return tmp_path / "de.tsv"


def fill(path: Path, line: int, label: str, text: str | None = None) -> None:
    lines = path.read_text(encoding="utf-8").split("\n")
    cells = lines[line - 1].split("\t")
    lines[line - 1] = "\t".join([cells[0], cells[1] if text is None else text, label])
    path.write_text("\n".join(lines), encoding="utf-8")


def test_what_is_filled_in_is_read_and_the_rest_counted(sample: Path) -> None:
    fill(sample, 3, "b")
    fill(sample, 7, " a ")
    found = read_sample(sample, ["a", "b", "c"])
    assert found.labels == ["b", "a"]
    assert found.unlabelled == 18
    assert all(text.startswith("Text ") and "\t" not in text for text in found.texts)
    assert "sure" not in sample.read_text(encoding="utf-8"), "the table shows nothing of the student's answers"


def test_slips_are_named_with_their_line(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no text is labelled yet; fill the column label with: a, b"):
        read_sample(sample, ["a", "b"])
    fill(sample, 4, "x")
    with pytest.raises(BadInputError, match=r"de\.tsv:4: the label 'x' is none of: a, b"):
        read_sample(sample, ["a", "b"])
    fill(sample, 4, "a", "Another text")
    with pytest.raises(BadInputError, match=r"de\.tsv:4: the text is not the one that was drawn"):
        read_sample(sample, ["a", "b"])
    with pytest.raises(BadInputError, match="labels stand in it already"):
        labels, sure = answers()
        write_sample(sample, ["t"] * 300, draw(labels, sure, 20, seed=1))
    lines = sample.read_text(encoding="utf-8").split("\n")
    sample.write_text("\n".join(lines[:-2]) + "\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="19 texts, 20 were drawn"):
        read_sample(sample, ["a", "b"])
    sample.write_text("id\ttext\tlabel\n1\tonly two\n", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"de\.tsv:2: 2 tab-separated fields, expected 3"):
        read_sample(sample, ["a", "b"])
    sample.write_text("id\ttext\n", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"de\.tsv:1: the columns are id, text; expected id, text, label"):
        read_sample(sample, ["a", "b"])
    with pytest.raises(BadInputError, match=r"no such file\. To draw a sample"):
        read_sample(tmp_path / "fr.tsv", ["a"])


def test_text_of_another_kind_is_told_from_text_of_the_corpus() -> None:
    random = np.random.default_rng(0)
    words = [
        "das",
        "paket",
        "ist",
        "spät",
        "meine",
        "rechnung",
        "falsch",
        "lampe",
        "kaputt",
        "bitte",
        "senden",
        "wo",
        "bestellung",
    ]
    corpus = [" ".join(random.choice(words, 6)) for _ in range(200)]
    like = [" ".join(random.choice(words, 6)) for _ in range(50)]
    unlike = [
        " ".join(random.choice(["quantum", "flux", "theorem", "vector", "bundle", "proof"], 6)) for _ in range(50)
    ]
    same = likeness(like, corpus, resamples=300, seed=1)
    other = likeness(unlike, corpus, resamples=300, seed=1)
    assert not same.unlike
    assert other.unlike
    assert same.low <= same.high < other.value


def test_the_command_draws_and_reads_back(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    run = CliRunner()
    none = run.invoke(app, ["annotate", "--target", "de", "--root", str(tmp_path)])
    assert (none.exit_code, "there is no student for 'de' yet" in none.output) == (2, True)
    wrong = run.invoke(app, ["annotate", "--target", "fr", "--root", str(tmp_path)])
    assert (wrong.exit_code, "--target 'fr' is not one of the targets" in wrong.output) == (2, True)
    folder = tmp_path / "data/student/de/model"
    tokenizer = tiny.wordpiece(folder, tiny.GERMAN)
    tiny.bert(tokenizer).save_pretrained(folder)
    texts = [f"{text} {number}" for number in range(10) for text in tiny.GERMAN]
    (tmp_path / "data/corpus/de").mkdir(parents=True)
    write_table(
        tmp_path / "data/corpus/de/pairs.parquet",
        {"target": texts, "held_out": [number % 2 == 0 for number in range(80)]},
    )
    drawn = run.invoke(app, ["annotate", "--target", "de", "-n", "16", "--root", str(tmp_path)])
    assert drawn.exit_code == 0, drawn.output
    path = tmp_path / "annotations/de.tsv"
    for line in range(2, 18):
        fill(path, line, "delivery")
    read = run.invoke(app, ["annotate", "--target", "de", "--read", "--root", str(tmp_path)])
    assert read.exit_code == 0, read.output
    result = json.loads(path.with_suffix(".json").read_text())
    assert f"accuracy {result['accuracy']['value']:.3f}" in read.output
    assert result["labelled"] == 16
    (tmp_path / "own.txt").write_text("completely other words here\nquantum theorem\n" * 20, encoding="utf-8")
    path.unlink()
    own = run.invoke(
        app, ["annotate", "--target", "de", "-n", "2", "--from", str(tmp_path / "own.txt"), "--root", str(tmp_path)]
    )
    assert "look unlike the parallel corpus" in own.output
