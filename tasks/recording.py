"""What stages and flows record of themselves: each computation is one MLflow run."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdmodels.errors import BadInputError
from kdmodels.files import sha256
from kdmodels.provenance import Found
from kdmodels.redaction import redacted
from tasks import lineage, places, pools, tracking, tracking_settings, usage
from tasks.config import GRAPH_FILE
from tasks.hashes import dvc_md5
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.promotion import Trained

_WEIGHTS = "model.safetensors"


class Recorder:
    """The run of one stage. None of its methods raises: recording never fails what is recorded."""

    def __init__(self, run: tracking.Run) -> None:
        self._run = run

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        """Record numbers, of a step of training or of the whole; they are written in batches."""
        self._run.metrics(values, step)

    def artifact(self, path: Path) -> None:
        """Record a file, or a folder under its name."""
        self._run.artifact(path)

    def teacher_model(self, folder: Path) -> None:
        """Record a teacher by the hash of its weights; the model stays where DVC keeps it."""
        self._run.attempt(lambda: self._run.external_model("teacher", {"weights_sha256": sha256(folder / _WEIGHTS)}))

    def student_model(self, folder: Path, language: str, register: bool) -> None:
        """Record a student so that `mlflow.pyfunc.load_model` predicts with it anywhere.

        Args:
            folder: the Hugging Face folder.
            language: the target language.
            register: whether it becomes the newest version of `distilingua-<language>`, with the alias `latest`.
        """
        self._run.packed_model(folder, f"distilingua-{language}", {"language": language}, register)

    def evaluated(self, student: Path, test_set: Path, values: dict[str, float]) -> None:
        """Record scores of a student on a test set, so that the student's own page shows them too."""

        def action() -> None:
            self._run.metrics(
                values,
                model_id=self._model(student, dvc_md5(student)),
                dataset_name=lineage.data_set(test_set),
                dataset_digest=dvc_md5(test_set),
            )

        self._run.attempt(action)

    def sources(self, found: list[tuple[str, Found]]) -> None:
        """Record the files from outside that a stage reads, each with its use: where from, licence, hash, day."""
        self._run.outside_data(found)

    def output(self, out: Path) -> None:
        """Tag the run with the hash of each piece of its output; by them a later run finds what made it."""
        self._run.attempt(lambda: self._run.tags(lineage.output_tags(out)))

    def inputs(self, paths: dict[str, Path]) -> None:
        """Record what the stage reads, with the hashes that stand in dvc.lock, and the models among it."""

        def action() -> None:
            read = [(key, path, dvc_md5(path)) for key, path in paths.items()]
            found = [self._model(path, md5) for _, path, md5 in read if (path / "config.json").is_file()]
            if read:
                self._run.data_sets(read, [model for model in found if model])

        self._run.attempt(action)

    def _model(self, folder: Path, md5: str) -> str | None:
        found = self._run.find({folder.as_posix(): md5})
        return found.model if found else None


class FlowRecorder:
    """The run of one flow, above those of its stages. None of its methods raises."""

    def __init__(self, run: tracking.Run) -> None:
        self._run, self.wanted = run, run.wanted
        self._rows: list[tuple[str, str, str]] = []

    @property
    def id(self) -> str | None:
        """Return the run's id, or none where nothing is recorded."""
        return self._run.id or None

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make the runs of stage processes children of this one."""
        if not self._run.on:  # spare each stage the wait for a server that does not answer
            return {tracking_settings.SWITCH: "off"}
        return {tracking_settings.PARENT: self._run.id}

    def link(self, stage: str, outputs: dict[str, str]) -> str | None:
        """Find the run that made a stage's present outputs, and tag the flow's run with it.

        Args:
            stage: the stage's name in dvc.yaml, such as `student@de`.
            outputs: path -> md5, as dvc.lock has them.

        Returns:
            The id of the run, or None where none is recorded.
        """
        found = self._run.find(outputs)
        if found is None:
            self._rows.append((stage, "", "not recorded"))
            return None
        self._rows.append((stage, found.id, "ran now" if found.parent == self._run.id else "made earlier"))
        self._run.tags({f"result.{stage}": found.id})
        return found.id

    def promote(self, root: Path, trained: "Trained", params: Params) -> str | None:
        """Decide whether a registered student becomes the champion of its language.

        Returns:
            What was decided; None where nothing was to be, or nothing is recorded.
        """
        from tasks.promotion import promote

        return self._run.attempt(lambda: promote(tracking.reader(root), root, trained, params))

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        """Record numbers of the whole flow."""
        self._run.metrics(values, step)

    def artifact(self, path: Path) -> None:
        """Record a file, or a folder under its name."""
        self._run.artifact(path)

    def table(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Record rows of equal columns as a table."""
        self._run.table(name, rows)

    def end_earlier(self, tags: dict[str, str]) -> None:
        """Close the runs of earlier flows with these tags, of which none is running any more."""
        self._run.end_lost(tags)

    def finish(self) -> None:
        """Write the list of stages, and close the runs of stages that were killed."""
        if self._rows:
            lines = [f"| {stage} | {how} | {made} |" for stage, made, how in self._rows]
            self._run.text("stages.md", "\n".join(["| stage | result | run |", "|---|---|---|", *lines, ""]))
        self._run.end_lost({"mlflow.parentRunId": self._run.id})


@contextmanager
def recorded(name: str, inputs: dict[str, Path], out: Path, params: Params) -> Iterator[Recorder]:
    """Record the block as the run of a stage; what the block raises passes unchanged.

    Args:
        name: the stage, without its language.
        inputs: what it reads.
        out: the folder its output is published as.
        params: the whole of params.yaml.
    """
    root = Path()
    run = tracking.Run(root, params.recording.experiment)
    record = Recorder(run)

    def start() -> None:
        language = lineage.language_of(name, out)
        tags = {"stage": name, **({"language": language} if language else {}), **lineage.versions(root)}
        tags |= {"mlflow.source.name": GRAPH_FILE, "mlflow.note.content": lineage.description(root, name)}
        run.start(lineage.instance(name, out), tags, lineage.numbers(name, params))
        record.inputs(lineage.pieces(root, inputs, params))
        for file in lineage.STATE_FILES:
            if (root / file).is_file():
                run.text(f"{lineage.STATE}/{file}", (root / file).read_text(encoding="utf-8"))

    with _closing(run):
        run.attempt(start)
        used = usage.Usage(run.metrics, _price(root, name, params))
        run.attempt(used.start)
        try:
            yield record
        finally:
            used.stop()
            run.attempt(used.finish)


def _price(root: Path, stage: str, params: Params) -> float | None:
    if not (root / GRAPH_FILE).is_file():
        return None
    return params.recording.price_per_hour.get(pools.pool_of(root, stage) or "")


@contextmanager
def recorded_flow(
    root: Path, params: Params, name: str, parent: str | None = None, tags: Mapping[str, str] | None = None
) -> Iterator[FlowRecorder]:
    """Record the block as the run of a flow; what the block raises passes unchanged.

    Args:
        parent: id of the run above it; none: there is none.
        tags: of the run, besides the versions of code and results.
    """
    run = tracking.Run(root, params.recording.experiment)
    record = FlowRecorder(run)
    every = {"flow": name, **(tags or {}), **lineage.versions(root)}
    with _closing(run):
        run.attempt(lambda: run.start(name, every, lineage.every_number(params), parent))
        try:
            yield record
        finally:
            record.finish()


def run_that_made(root: Path, stage: str, outputs: dict[str, str]) -> str:
    """Return the id of the run that made a stage's outputs (path -> md5).

    Raises:
        BadInputError: where none is recorded.
    """
    found = tracking.makers(tracking.reader(root), outputs)
    if not found:
        raise BadInputError(
            f"{stage}: no run is recorded that made its present outputs; they were made with recording off, or elsewhere"
        )
    return found[0]


@contextmanager
def _closing(run: tracking.Run) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        run.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED", error)
        raise
    run.end("FINISHED")


def ui_command(root: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the command, and the variables it needs, of MLflow's pages over this project's runs.

    Raises:
        BadInputError: where the runs are kept by a tracking server, which has pages of its own.
    """
    uri = places.tracking_store(root)
    if uri.startswith(("http://", "https://")):
        raise BadInputError(f"MLFLOW_TRACKING_URI is {redacted(uri)}, which has pages of its own: open that address")
    tracking.create_store(root)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    variables = {
        **tracking_settings.settings(root),
        "MLFLOW_BACKEND_STORE_URI": uri,  # not on the command line, which every user of the machine can read
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": places.tracking_artifacts(root).as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return command, {name: os.environ.get(name, value) for name, value in variables.items()}
