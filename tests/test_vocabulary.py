"""A target vocabulary is the same in every process, and has no unknown words where a script has no spaces."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kdmodels.vocabulary import SPECIAL, train_vocabulary
from tests import tiny

FRAME = (["cls"], ["sep"])
TEXTS = [
    f"{word} {other}{number % 13} {word[::-1]}"
    for number, word in enumerate(" ".join(tiny.GERMAN).split() * 5)
    for other in ("straße", "über", "kauf")
]
TRAIN = """
import json, sys
from kdmodels.vocabulary import train_vocabulary
texts = json.load(sys.stdin)
print(train_vocabulary(texts, size=300, lowercase=True, frame=(["cls"], ["sep"])).to_str())
"""


def test_two_processes_train_the_same_vocabulary() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", TRAIN],
            input=json.dumps(TEXTS),
            text=True,
            capture_output=True,
            check=True,
            cwd=Path(__file__).parent.parent,
        ).stdout
        for _ in range(3)
    }
    assert len(found) == 1


def test_special_tokens_come_first_and_the_size_is_kept() -> None:
    tokenizer = train_vocabulary(TEXTS, size=150, lowercase=True, frame=FRAME)
    assert [tokenizer.token_to_id(token) for token in SPECIAL.values()] == [0, 1, 2, 3, 4]
    assert tokenizer.get_vocab_size() <= 150


def test_single_characters_are_ordinary_pieces() -> None:
    tokenizer = train_vocabulary(["abc abd c d"] * 3, size=80, lowercase=True, frame=FRAME)
    assert tokenizer.encode("c d ab").tokens == ["[CLS]", "c", "d", "ab", "[SEP]"]
    assert "##b" not in tokenizer.encode("##b").tokens, "a piece's name is not the piece"


def test_a_character_that_only_continues_words_is_in_the_pieces_of_words() -> None:
    tokenizer = train_vocabulary(["straße straßen"] * 4, size=80, lowercase=True, frame=FRAME)
    assert tokenizer.encode("straße").tokens == ["[CLS]", "straße", "[SEP]"]


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("第二台烤面包机不要了", ["我手滑点了两次", "烤面包机到了"]),
        ("ข้าวผัดอร่อยมาก" * 12, ["อร่อยมาก", "ข้าวผัด"]),
        ("コーヒーメーカーが届きません" * 12, ["コーヒーが好き", "届きました"]),
    ],
)
def test_texts_without_spaces_are_known(text: str, others: list[str]) -> None:
    tokenizer = train_vocabulary([text, *others], size=200, lowercase=True, frame=FRAME)
    tokens = tokenizer.encode(text).tokens
    assert "[UNK]" not in tokens
    assert len(tokens) >= 3


def test_accents_are_kept_and_case_is_a_choice() -> None:
    texts = ["Größe größe"] * 4
    assert "größe" in train_vocabulary(texts, size=200, lowercase=True, frame=FRAME).get_vocab()
    assert "Größe" in train_vocabulary(texts, size=200, lowercase=False, frame=FRAME).get_vocab()


def test_the_commonest_characters_stay_where_there_are_too_many() -> None:
    rare = [chr(0x4E00 + number) for number in range(500)]
    tokenizer = train_vocabulary([*["天天天"] * 50, *rare], size=64, lowercase=True, frame=FRAME)
    assert tokenizer.get_vocab_size() <= 64
    assert "天" in tokenizer.get_vocab()
