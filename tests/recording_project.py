"""An empty project whose runs are recorded, and what its tests share."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tasks import tracking
from tasks.config import read_yaml
from tasks.recording import recorded
from tasks.sections import Params

PROJECT = Path(__file__).parent.parent
OURS = ("MLFLOW_", "DISTILINGUA_", "DVC_STAGE", "DVC_EXP_NAME")


@pytest.fixture(scope="session")
def params() -> Params:
    return Params.model_validate(read_yaml(PROJECT / "params.yaml"))


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without runs: making one takes seconds, copying it none."""
    root = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(OURS)]:
            patch.delenv(name)
        tracking.create_store(root)
    return root / ".distilingua" / "mlflow.db"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of an empty project, where the tests work, without a database."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def client(project: Path, fresh_store: Path) -> Any:
    """A client of the project's own store."""
    store = project / ".distilingua" / "mlflow.db"
    store.parent.mkdir()
    shutil.copy(fresh_store, store)
    return client_of(f"sqlite:///{store}")


def client_of(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(uri, uri)


def runs(client: Any) -> dict[str, Any]:
    """Return the runs by name, the newest of each."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return {run.info.run_name: run for run in reversed(client.search_runs(experiments))}


def own_metrics(run: Any) -> dict[str, float]:
    """Return a run's metrics, without what it used of the machine."""
    return {name: value for name, value in run.data.metrics.items() if not name.startswith(("usage/", "system/"))}


def write(path: str, text: str = "text") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def make(name: str, inputs: dict[str, Path], out: str, params: Params, content: str = "made") -> None:
    """Run a stage that writes one file."""
    with recorded(name, inputs, Path(out), params) as record:
        write(f"{out}/made.txt", content)
        record.output(Path(out))


def tiny_student(folder: Path) -> None:
    """Save a text classifier of random weights."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz", *(f"##{x}" for x in "abcdefghijklmno")]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=32,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        id2label={0: "billing", 1: "parcel", 2: "other"},
        label2id={"billing": 0, "parcel": 1, "other": 2},
        initializer_range=1.0,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    write(f"{folder}/README.md", "---\nlicense: cc0-1.0\n---\n# A student\n")
