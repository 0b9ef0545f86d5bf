"""Run one stage: `python -m tasks <stage> key=path ... out=folder`, as dvc.yaml declares it."""

import argparse
import importlib
import inspect
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from kdmodels.errors import BadInputError
from tasks import places, pools
from tasks.config import load_params, stage_names
from tasks.process import end_with_parent
from tasks.sections import Params

BAD_INPUT = 2  # exit status; the flow does not try again after it


def main(arguments: list[str] | None = None) -> int:
    """Run the stage named on the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks", description=__doc__)
    parser.add_argument("stage", help="a stage of dvc.yaml, without its language")
    parser.add_argument("paths", nargs="*", metavar="key=path", help="what it reads, and out=the folder it writes")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    given = parser.parse_args(arguments)
    debug = given.debug or os.environ.get("DISTILINGUA_DEBUG") == "1"
    end_with_parent()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        params = load_params(Path())
        pools.check(Path(), given.stage)
        set_threads(params.threads)
        run_stage(given.stage, read_paths(given.paths), params)
    except BadInputError as error:
        return _report(str(error), BAD_INPUT, debug)
    except KeyboardInterrupt:
        return _report("interrupted; run it again to go on from the last checkpoint or shard", 1, debug)
    except MemoryError:
        return _report("out of memory: lower batch_size or maximum_length in params.yaml", 1, debug)
    except OSError as error:
        return _report(f"{error.filename or 'input/output'}: {error.strerror or error}", 1, debug)
    except RuntimeError as error:  # torch says everything with it
        hint = " Lower batch_size or maximum_length in params.yaml." if "out of memory" in str(error) else ""
        return _report(f"{error}{hint}", 1, debug)
    return 0


def _interrupt(number: int, frame: object) -> NoReturn:
    """End as Ctrl-C does, so that nothing half-written stays and the recorded run is closed."""
    raise KeyboardInterrupt


def _report(message: str, status: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    stage = os.environ.get("DVC_STAGE")
    print(f"error: {message}", file=sys.stderr)
    if stage:
        print(f"The earlier output of {stage}, if there was one: dvc checkout {stage}", file=sys.stderr)
    return status


def set_threads(threads: int) -> None:
    """Bind the numeric libraries to a number of threads; they read it when they are first imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false" if threads == 1 else "true"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic sums on a GPU


def read_paths(words: list[str]) -> dict[str, Path]:
    """Read `key=path` words.

    Raises:
        BadInputError: for a word of another form or a key given twice.
    """
    paths: dict[str, Path] = {}
    for word in words:
        key, equals, path = word.partition("=")
        if not (key and equals and path) or key in paths:
            raise BadInputError(f"{word!r}: key=path is expected, each key once")
        paths[key] = Path(path)
    return paths


def stage_function(name: str) -> Callable[..., None]:
    """Return the function of a stage.

    Raises:
        BadInputError: where dvc.yaml declares no such stage.
    """
    allowed = stage_names(Path())
    if name not in allowed:
        raise BadInputError(f"no stage {name!r}; those of dvc.yaml are: {', '.join(allowed)}")
    function: Callable[..., None] = getattr(importlib.import_module(f"tasks.{name}"), name)
    return function


def run_stage(name: str, paths: dict[str, Path], params: Params) -> None:
    """Call a stage on its paths; its output appears under its name only when it is whole.

    Raises:
        BadInputError: where the paths are not those that the stage takes, or an input is missing.
    """
    from tasks.recording import recorded

    function = stage_function(name)
    expected = [key for key in inspect.signature(function).parameters if key not in {"params", "record"}]
    if sorted(expected) != sorted(paths):
        raise BadInputError(f"{name} takes {', '.join(expected)}; given: {', '.join(paths) or 'nothing'}")
    inputs = {key: path for key, path in paths.items() if key != "out"}
    for key, path in inputs.items():
        if not path.exists():
            raise BadInputError(f"{key}={path}: no such file or folder. To make what is missing: dvc repro")
    out = paths["out"]
    partial = places.partial_output(out)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with recorded(name, inputs, out, params) as record:
            function(**inputs, out=partial, params=params, record=record)
            publish(partial, out)
            record.output(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def publish(partial: Path, out: Path) -> None:
    """Put a whole output in the place of an earlier one."""
    if out.exists():
        shutil.rmtree(out)
    partial.rename(out)


def _exit() -> NoReturn:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main())


if __name__ == "__main__":
    _exit()
