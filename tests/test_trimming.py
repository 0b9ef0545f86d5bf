"""A trimmed checkpoint computes what it computed before, on text that it covers."""

from pathlib import Path
from typing import Any

import pytest
import torch

from kdmodels.encoder import special_ids
from kdmodels.errors import BadInputError
from kdmodels.students.multilingual import build, trimmed
from kdmodels.trimming import trim
from tests import tiny
from tests.test_transtokenization import TEACHERS, make_teacher

COVERED = tiny.ENGLISH[:3]


def kept(before: Any, after: Any) -> list[int]:
    numbers = before.get_vocab()
    return [numbers[piece] for piece, _ in sorted(after.get_vocab().items(), key=lambda item: item[1])]


@pytest.mark.parametrize("kind", TEACHERS)
def test_logits_are_the_same_before_and_after(kind: str, tmp_path: Path) -> None:
    model, before = make_teacher(kind, tmp_path)
    after = trim(before, COVERED)
    assert len(after) < len(before)
    assert set(special_ids(after)) == set(special_ids(before))
    small = trimmed(model, after, kept(before, after), [0, 1, 2], dropout=0.0).eval()
    assert small.get_input_embeddings().weight.shape[0] == len(after)
    for text in COVERED:
        ours, theirs = (one(text, return_tensors="pt") for one in (after, before))
        pieces = [one.convert_ids_to_tokens(ids["input_ids"][0]) for one, ids in ((after, ours), (before, theirs))]
        assert pieces[0] == pieces[1]
        with torch.inference_mode():
            found, expected = (
                one(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"]).logits
                for one, ids in ((small, ours), (model, theirs))
            )
        assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kind", TEACHERS)
def test_a_trimmed_tokenizer_is_saved_and_loaded_and_reads_other_text(kind: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    _, before = make_teacher(kind, tmp_path)
    after = trim(before, COVERED)
    after.save_pretrained(tmp_path / "trimmed")
    again = AutoTokenizer.from_pretrained(tmp_path / "trimmed")
    for text in [*COVERED, tiny.ENGLISH[5]]:
        assert again(text)["input_ids"] == after(text)["input_ids"]
    assert again.unk_token_id not in again(COVERED[0])["input_ids"]


def test_a_multilingual_student_has_the_teachers_labels_and_the_checkpoints_body(tmp_path: Path) -> None:
    theirs = tiny.wordpiece(tmp_path / "teacher")
    folder = tiny.bert_teacher(tmp_path / "checkpoint", seed=7)
    checkpoint = tiny.bert(tiny.wordpiece(tmp_path / "checkpoint"), seed=7)
    after = trim(tiny.wordpiece(tmp_path / "checkpoint"), COVERED)
    given: dict[str, Any] = {
        "teacher": tiny.bert(theirs), "teacher_tokenizer": theirs, "align": lambda: None, "dropout": 0.0, "seed": 1,
        "checkpoint": str(folder), "layers": [0, 2],
    }  # fmt: skip
    student = build(tokenizer=after, **given)
    name = "bert.encoder.layer.{}.output.dense.weight"
    assert torch.equal(student.state_dict()[name.format(1)], checkpoint.state_dict()[name.format(2)])
    assert student.config.id2label == dict(enumerate(tiny.LABELS))
    assert student.config.num_hidden_layers == 2
    other = tiny.wordpiece(tmp_path / "other", tiny.GERMAN)
    with pytest.raises(
        BadInputError, match=r"does not have \d+ of the .* Set tokens\.trimmed_from to the same checkpoint"
    ):
        build(tokenizer=other, **given)
    with pytest.raises(BadInputError, match=r"student\.options\.checkpoint: 'nowhere' is no local folder"):
        build(tokenizer=after, **given | {"checkpoint": "nowhere"})


def test_a_tokenizer_of_another_kind_is_refused() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
    with pytest.raises(
        BadInputError, match="of the kind WordLevel cannot be trimmed; those that can: WordPiece, Unigram, BPE"
    ):
        trim(words, ["a"])
