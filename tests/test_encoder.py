"""The teacher's weights are found without a network, and checked."""

from pathlib import Path

import pytest

from kdmodels.classification import load_model
from kdmodels.encoder import find_encoder, frame_roles, load_tokenizer, special_ids, tokenizer_sha256
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import sha256
from tasks.config import load_params
from tests import tiny

ROOT = Path(__file__).parent.parent


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.usefixtures("no_network")
def test_the_default_teacher_is_there_without_a_network_with_the_weights_that_params_name() -> None:
    teacher = load_params(ROOT).teacher
    assert teacher.weights_sha256 is not None
    folder = find_encoder(teacher.init, revision=None, weights_sha256=teacher.weights_sha256, key="teacher.init")
    assert sha256(folder / "model.safetensors") == teacher.weights_sha256
    tokenizer = load_tokenizer(folder)
    assert frame_roles(tokenizer) == (["cls"], ["sep"])
    assert special_ids(tokenizer) == {"pad": 0, "unk": 100, "cls": 101, "sep": 102, "mask": 103}


def test_weights_with_another_hash_are_refused(tmp_path: Path) -> None:
    folder = tiny.bert_teacher(tmp_path / "teacher")
    with pytest.raises(DamagedError, match=r"model\.safetensors: sha256 is [0-9a-f]{64}, expected 0{64}"):
        find_encoder(str(folder), revision=None, weights_sha256="0" * 64, key="teacher.init")


def test_a_local_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = tiny.bert_teacher(tmp_path / "teacher")
    expected = sha256(folder / "model.safetensors")
    assert find_encoder(str(folder), revision=None, weights_sha256=expected, key="teacher.init") == folder


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"has no model\.safetensors"):
        find_encoder(str(tmp_path), revision=None, weights_sha256=None, key="teacher.init")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["somebody/some-model", "not a name", "../x/y/z"])
def test_an_encoder_that_is_nowhere_is_named_with_what_is_allowed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        BadInputError, match=r"teacher\.init: .*Allowed: a name on the Hugging Face hub, a local folder"
    ):
        find_encoder(name, revision=None, weights_sha256=None, key="teacher.init")


def test_a_folder_that_holds_no_classifier_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadInputError, match="no classifier can be loaded"):
        load_model(tmp_path)


def test_the_tokenizers_hash_follows_its_definition(tmp_path: Path) -> None:
    one, two = tiny.wordpiece(tmp_path / "1"), tiny.wordpiece(tmp_path / "2")
    other = tiny.wordpiece(tmp_path / "3", tiny.GERMAN)
    assert tokenizer_sha256(one) == tokenizer_sha256(two) != tokenizer_sha256(other)
