"""Several processes train what one does, go on after a kill to the same bytes, end together and tell of an error once."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors.torch import load_file

from kdmodels.checkpoints import newest_whole
from kdmodels.errors import BadInputError
from kdmodels.files import read_json
from tasks.config import load_params
from tasks.ranks import Rank, RankFailedError, error_of, start, wanted
from tests.tiny_project import ROOT
from tests.trained_together import CASES, SAME, Data


def start_two(folder: Path, *names: str, **variables: str) -> list[tuple[int, str]]:
    """Train kinds of `tests.trained_together` by two processes; return the exit status of each and what it said."""
    folder.mkdir(exist_ok=True)
    (folder / "store").unlink(missing_ok=True)
    environment = {
        **os.environ, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "error", **variables,
    }  # fmt: skip
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.trained_together", str(folder), str(rank), "2", *names],
            cwd=ROOT, env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate()[0] for process in started]
    return [(process.returncode, text) for process, text in zip(started, said, strict=True)]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train each kind by two processes; return the folder of what came of it."""
    folder = tmp_path_factory.mktemp("together")
    ended = start_two(folder, *CASES)
    assert [status for status, _ in ended] == [0, 0], ended
    return folder


@pytest.mark.parametrize("name", SAME)
def test_two_processes_train_what_one_does(name: str, together: Path, tmp_path: Path) -> None:
    weights, history = SAME[name](Data(tmp_path), tmp_path / "checkpoints")
    theirs = load_file(together / f"{name}.safetensors")
    assert set(theirs) == set(weights)
    for key, ours in weights.items():
        if not key.endswith("key.bias"):  # it changes no answer: its gradient is rounding, which AdamW makes steps of
            assert (ours - theirs[key]).abs().max() < 2e-5, key
    for mine, other in zip(history, read_json(together / f"{name}.json"), strict=True):
        assert other == pytest.approx(mine, rel=1e-3, abs=1e-5)


def test_killed_and_resumed_equals_uninterrupted(together: Path, tmp_path: Path) -> None:
    ended = start_two(tmp_path / "two", "dropout", DIES_AT="5")
    assert [status for status, _ in ended] == [1, -signal.SIGKILL], ended
    checkpoint = newest_whole(tmp_path / "two/checkpoints-dropout")
    assert checkpoint is not None
    assert {path.name for path in checkpoint.glob("rng_state*")} == {"rng_state_0.pth", "rng_state_1.pth"}
    ended = start_two(tmp_path / "two", "dropout")
    assert [status for status, _ in ended] == [0, 0], ended
    for name in ("dropout.safetensors", "dropout.json"):
        assert (tmp_path / "two" / name).read_bytes() == (together / name).read_bytes()


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("processes: 1", "processes: 3"), encoding="utf-8")
    with pytest.raises(BadInputError) as caught:
        load_params(tmp_path)
    lines = str(caught.value).split("\n")
    assert [line.split(": ")[1] for line in lines] == ["teacher", "student", "joint"]
    assert "3 processes cannot share a batch_size of 16 evenly; take a multiple of processes" in lines[0]


def test_only_what_trains_with_torch_has_several_processes() -> None:
    params = load_params(ROOT)
    section = params.student.model_copy(update={"processes": 4})
    params = params.model_copy(update={"student": section, "joint": params.joint.model_copy(update={"processes": 4})})
    found = {
        (stage, name): wanted(stage, Path("data") / stage / name, params)
        for stage, name in [
            ("teacher", "teacher"), ("student", "de"), ("control", "hard_labels"), ("control", "tf_idf"), ("joint", "de"),
            ("evaluation", "de"),
        ]
    }  # fmt: skip
    assert [key for key, count in found.items() if count == 4] == [("student", "de"), ("control", "hard_labels")]
    assert params.most_threads == 4


def test_fewer_gpus_than_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(BadInputError, match=r"processes: 4, each with a GPU of its own, and this machine shows 2"):
        start(["student"], 4)


@pytest.mark.parametrize(
    ("told", "exits", "message", "bad_input"),
    [
        ([(1, "the peer is gone"), (2, "the shard is damaged")], [1, 2], "the shard is damaged", True),
        ([(1, "the peer is gone"), None], [1, -9], "process 2 of 2 was killed by signal 9; is there memory", False),
        ([(1, "out of memory"), (1, "the peer is gone")], [1, 1], "out of memory", False),
        ([(1, "out of memory"), None], [1, -15], "out of memory", False),
        ([None, None], [3, -15], "process 1 of 2 ended with status 3", False),
    ],
)
def test_the_error_that_is_told_is_what_the_others_followed_from(
    told: list[tuple[int, str] | None],
    exits: list[int],
    message: str,
    bad_input: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.ranks.signal.signal", lambda *_: None)
    for number, one in enumerate(told):
        if one is not None:
            Rank(number, 2, tmp_path, starter=1).fail(one[1], one[0])
            os.utime(tmp_path / f"error-{number}.json", (number, number))
    failures = {
        number: SimpleNamespace(local_rank=number, exitcode=status, timestamp=7) for number, status in enumerate(exits)
    }
    error = error_of(SimpleNamespace(failures=failures), tmp_path, 2)
    assert str(error).startswith(message)
    assert isinstance(error, BadInputError if bad_input else RankFailedError)
