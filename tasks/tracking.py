"""MLflow, and only here: a run that is recorded, where that is possible, and never hinders what it records."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from kdmodels.errors import BadInputError
from kdmodels.provenance import Found
from kdmodels.redaction import redacted
from tasks import lineage, places
from tasks.attempts import Attempts, Patient, unless_there
from tasks.lineage import Made, recordable
from tasks.packing import pack
from tasks.tracking_settings import PARENT, SWITCH, artifact_location, create_once, database_file, knock, prepare

_FLUSH_ROWS, _FLUSH_SECONDS = 500, 5.0  # metrics that wait together; a call costs SQLite some 45 ms
_MODEL_TAG = "logged_model"
_LOST = "its record stops here: the process was killed, or MLflow did not answer any more"
CANDIDATE = "candidate"  # alias of the student that was trained last
_DIGEST = 32  # characters of a hash; MLflow keeps 36


class Run(Attempts):
    """One MLflow run. After the first failure it says so once and stops recording; its methods raise nothing."""

    def __init__(self, root: Path, experiment: str) -> None:
        super().__init__(on=os.environ.get(SWITCH) != "off")
        self.id = ""
        self._root = root
        self._experiment = experiment
        self._experiment_id = ""
        self._client: Any = None
        self._waiting: list[Any] = []
        self._flushed = time.monotonic()

    def start(self, name: str, tags: dict[str, str], params: dict[str, str], parent: str | None = None) -> None:
        """Create the run, below its parent, or else below the flow's run where there is one."""

        def action() -> None:
            self._client = client = _connect(self._root)
            from mlflow.entities import Param

            above = parent or os.environ.get(PARENT)
            every = {**tags, **({"mlflow.parentRunId": above} if above else {})}
            self._experiment_id = _experiment(client, self._experiment, self._root)
            self.id = client.create_run(self._experiment_id, tags=recordable(every), run_name=name).info.run_id
            values = [Param(key, value) for key, value in recordable(params).items()]
            for first in range(0, len(values), 100):
                client.log_batch(self.id, params=values[first : first + 100])

        self.attempt(action)

    def end(self, status: str, error: BaseException | None = None) -> None:
        """Close the run with a status and, where it failed, the error's text."""
        if not self.id:
            return
        self._flush()
        if error is not None:
            self.tags({"error": f"{type(error).__name__}: {error}"})
        self.attempt(lambda: self._client.set_terminated(self.id, status))
        self.on = False

    def metrics(self, values: dict[str, float], step: int | None = None, **where: str | None) -> None:
        """Record numbers; they are written in batches."""

        def action() -> None:
            from mlflow.entities import Metric

            now = time.time_ns() // 1_000_000
            for name, value in values.items():
                self._waiting.append(Metric(lineage.plain(name), float(value), now, step or 0, **where))

        self.attempt(action)
        if len(self._waiting) >= _FLUSH_ROWS or time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        def action() -> None:
            while self._waiting:
                batch, self._waiting = self._waiting[:_FLUSH_ROWS], self._waiting[_FLUSH_ROWS:]
                self._client.log_batch(self.id, metrics=batch)

        self.attempt(action)
        self._flushed = time.monotonic()

    def artifact(self, path: Path) -> None:
        """Record a file, or a folder under its name."""
        if path.is_dir():
            self.attempt(lambda: self._client.log_artifacts(self.id, str(path), path.name))
        else:
            self.attempt(lambda: self._client.log_artifact(self.id, str(path)))

    def text(self, name: str, text: str) -> None:
        """Record text as a file."""
        self.attempt(lambda: self._client.log_text(self.id, redacted(text), name))

    def table(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Record rows of equal columns as a table that the pages of MLflow show."""
        if rows:
            columns = {key: [row.get(key) for row in rows] for key in rows[0]}
            self.attempt(lambda: self._client.log_table(self.id, columns, f"{name}.json"))

    def tags(self, tags: dict[str, str]) -> None:
        """Tag the run; secrets are taken out."""

        def action() -> None:
            from mlflow.entities import RunTag

            self._client.log_batch(self.id, tags=[RunTag(key, value) for key, value in recordable(tags).items()])

        self.attempt(action)

    def data_sets(self, read: list[tuple[str, Path, str]], models: list[str]) -> None:
        """Record what is read (key, path, md5), and the logged models among it."""

        def action() -> None:
            from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput

            inputs = []
            for key, path, md5 in read:
                data = Dataset(lineage.data_set(path), md5, "local", lineage.source(path))
                inputs.append(DatasetInput(data, [InputTag("mlflow.data.context", key)]))
            self._client.log_inputs(self.id, inputs, [LoggedModelInput(model) for model in models])

        self.attempt(action)

    def outside_data(self, found: list[tuple[str, Found]]) -> None:
        """Record files from outside (use, file) as data sets, each with its address, licence and day of download."""

        def action() -> None:
            from mlflow.entities import Dataset, DatasetInput, InputTag

            inputs = []
            for use, file in found:
                tags = {"mlflow.data.context": use, "sha256": file.sha256, "licence": file.licence or "not stated"}
                tags |= {
                    name: value for name, value in (("fetched", file.fetched), ("revision", file.revision)) if value
                }
                kind = "local" if file.fetched is None else "http"
                data = Dataset(lineage.plain(file.name), file.sha256[:_DIGEST], kind, lineage.address(file.where))
                inputs.append(DatasetInput(data, [InputTag(key, value) for key, value in tags.items()]))
            self._client.log_inputs(self.id, inputs)

        if found:
            self.attempt(action)

    def external_model(self, name: str, tags: dict[str, str]) -> None:
        """Record a model that is kept elsewhere."""

        def action() -> None:
            model = self._model(name, {**tags, "mlflow.model.isExternal": "true"})
            self._made(model.model_id)

        self.attempt(action)

    def packed_model(self, folder: Path, name: str, tags: dict[str, str], register: bool) -> None:
        """Record a Hugging Face text classifier so that `mlflow.pyfunc.load_model` predicts with it anywhere."""

        def action() -> None:
            model = self._model(name, tags)
            with tempfile.TemporaryDirectory() as temporary:
                packed = Path(temporary) / "model"
                pack(folder, packed, model, self.id)
                self._client.log_model_artifacts(model.model_id, str(packed))
            self._made(model.model_id)
            if register:
                _register(self._client, name, model, self.id)

        self.attempt(action)

    def _model(self, name: str, tags: dict[str, str]) -> Any:
        return self._client.create_logged_model(
            self._experiment_id, name, self.id, recordable(tags), model_type="text-classification"
        )

    def _made(self, model: str) -> None:
        from mlflow.entities import LoggedModelOutput

        self._client.finalize_logged_model(model, "READY")
        self._client.log_outputs(self.id, [LoggedModelOutput(model, step=0)])
        self.tags({_MODEL_TAG: model})

    def find(self, outputs: dict[str, str]) -> Made | None:
        """Return the newest run that made exactly these outputs (path -> md5)."""

        def action() -> Made | None:
            experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
            made = lineage.made(outputs)
            for run in self._client.search_runs(experiments, made, max_results=1, order_by=["start_time DESC"]):
                return Made(run.info.run_id, run.data.tags.get("mlflow.parentRunId"), run.data.tags.get(_MODEL_TAG))
            return None

        return self.attempt(action) if outputs else None

    def end_lost(self, tags: dict[str, str]) -> None:
        """Close the other runs with these tags that could not close themselves, and those below them."""

        def action(tags: dict[str, str]) -> None:
            having = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
            for run in self._client.search_runs([self._experiment_id], f"{having} and attributes.status = 'RUNNING'"):
                if run.info.run_id != self.id:
                    action({"mlflow.parentRunId": run.info.run_id})
                    self._client.set_tag(run.info.run_id, "error", _LOST)
                    self._client.set_terminated(run.info.run_id, "KILLED")

        self.attempt(lambda: action(tags))


def create_store(root: Path) -> None:
    """Create the SQLite database where there is none: MLflow itself fails where several processes do so at once."""

    def create(path: Path) -> None:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        SqlAlchemyStore(f"sqlite:///{path}", places.tracking_artifacts(root).as_uri()).engine.dispose()

    prepare()
    database = database_file(root)
    if database is not None:
        create_once(database, create)


def reader(root: Path) -> Any:
    """Return a client of the recorded runs, for reading.

    Raises:
        BadInputError: where there are none, or their server does not answer.
    """
    store = database_file(root)
    if store is not None and not store.is_file():
        raise BadInputError(f"{store}: nothing is recorded yet. To bring the project up to date: distilingua run")
    try:
        return _connect(root)
    except Exception as error:
        raise BadInputError(f"the recorded runs cannot be read: {error}") from None


def makers(client: Any, outputs: dict[str, str]) -> list[str]:
    """Return the ids of the runs that made exactly these outputs (path -> md5), the newest first."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, lineage.made(outputs), order_by=["start_time DESC"])
    return [str(one.info.run_id) for one in found]


def _connect(root: Path) -> Any:
    prepare()
    knock(root)
    from mlflow import MlflowClient

    create_store(root)
    uri = places.tracking_store(root)
    return Patient(MlflowClient(uri, os.environ.get("MLFLOW_REGISTRY_URI", uri)))


def _experiment(client: Any, name: str, root: Path) -> str:
    chosen = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if chosen:
        return chosen
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", name)
    found = client.get_experiment_by_name(name)
    if found is None:
        unless_there(lambda: client.create_experiment(name, artifact_location(root)))
        found = client.get_experiment_by_name(name)
    identity: str = found.experiment_id
    return identity


def _register(client: Any, name: str, model: Any, run: str) -> None:
    """Make a model the newest of its name: MLflow itself answers to the alias `latest`, and refuses to have it set."""
    unless_there(lambda: client.create_registered_model(name))
    made = client.create_model_version(name, model.artifact_location, run, model_id=model.model_id)
    client.set_registered_model_alias(name, CANDIDATE, made.version)
