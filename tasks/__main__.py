"""Run one stage: `python -m tasks <stage> key=path ... out=folder`, as dvc.yaml declares it."""

import argparse
import importlib
import inspect
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NoReturn

from kdmodels.errors import BadInputError
from tasks import places, pools, ranks
from tasks.config import load_params, stage_names
from tasks.process import end_with_parent
from tasks.ranks import BAD_INPUT as BAD_INPUT
from tasks.ranks import Rank, RankFailedError
from tasks.sections import Params


def main(arguments: list[str] | None = None) -> int:
    """Run the stage named on the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks", description=__doc__)
    parser.add_argument("stage", help="a stage of dvc.yaml, without its language")
    parser.add_argument("paths", nargs="*", metavar="key=path", help="what it reads, and out=the folder it writes")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    given = parser.parse_args(arguments)
    debug = given.debug or os.environ.get("DISTILINGUA_DEBUG") == "1"
    rank = ranks.this_rank()
    end_with_parent(rank.starter if rank else None)
    signal.signal(signal.SIGTERM, _interrupt)
    if rank and not debug:
        rank.be_silent()
    told = partial(_report, debug=debug, rank=rank)
    try:
        _run(given.stage, given.paths, rank)
    except BadInputError as error:
        return told(str(error), BAD_INPUT)
    except RankFailedError as error:
        return told(str(error), 1)
    except KeyboardInterrupt:
        if rank is not None:  # who started it says so
            return rank.fail(None, 1)
        return told("interrupted; run it again to go on from the last checkpoint or shard", 1)
    except MemoryError:
        return told("out of memory: lower batch_size or maximum_length in params.yaml", 1)
    except OSError as error:
        return told(f"{error.filename or 'input/output'}: {error.strerror or error}", 1)
    except RuntimeError as error:  # torch says everything with it
        hint = " Lower batch_size or maximum_length in params.yaml." if "out of memory" in str(error) else ""
        return told(f"{error}{hint}", 1)
    except Exception as error:
        if rank is None:
            raise
        return rank.fail(f"{type(error).__name__}: {error}", 1, unforeseen=True)
    return 0


def _run(stage: str, words: list[str], rank: Rank | None) -> None:
    """Run a stage here, as several processes where its section says so, or as one of these."""
    params = load_params(Path())
    pools.check(Path(), stage)
    set_threads(params.threads)
    paths = read_paths(words)
    if rank is not None:
        rank.take_part(lambda own: run_stage(stage, own, params), paths)
        return
    count = ranks.wanted(stage, paths["out"], params) if "out" in paths else 1
    if count == 1:
        run_stage(stage, paths, params)
    else:
        check_inputs(paths)
        ranks.start([stage, *words], count)


def _interrupt(number: int, frame: object) -> NoReturn:
    """End as Ctrl-C does, so that nothing half-written stays and the recorded run is closed."""
    raise KeyboardInterrupt


def _report(message: str, status: int, *, debug: bool, rank: Rank | None) -> int:
    if debug:
        traceback.print_exc()
    if rank is not None:
        return rank.fail(message, status)
    stage = os.environ.get("DVC_STAGE")
    print(f"error: {message}", file=sys.stderr)
    if stage:
        print(f"The earlier output of {stage}, if there was one: dvc checkout {stage}", file=sys.stderr)
    return status


def library_variables(threads: int) -> dict[str, str]:
    """Return the variables that libraries read when they are first imported, for a number of threads."""
    numeric = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    usual = {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic sums on a GPU
    }
    return {
        **dict.fromkeys(numeric, str(threads)),
        "TOKENIZERS_PARALLELISM": "false" if threads == 1 else "true",
        **{name: os.environ.get(name, value) for name, value in usual.items()},
    }


def set_threads(threads: int) -> None:
    """Bind the numeric libraries to a number of threads, before they are first imported."""
    os.environ.update(library_variables(threads))
    torch = sys.modules.get("torch")
    if torch is not None:  # of a `python` that was started before the number was changed in params.yaml
        torch.set_num_threads(threads)


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


def check_inputs(paths: Mapping[str, Path]) -> dict[str, Path]:
    """Return what a stage reads of its paths.

    Raises:
        BadInputError: where an input is missing.
    """
    inputs = {key: path for key, path in paths.items() if key != "out"}
    for key, path in inputs.items():
        if not path.exists():
            raise BadInputError(f"{key}={path}: no such file or folder. To make what is missing: dvc repro")
    return inputs


def run_stage(name: str, paths: Mapping[str, Path], params: Params) -> None:
    """Call a stage on its paths; its output appears under its name only when it is whole.

    Raises:
        BadInputError: where the paths are not those that the stage takes, or an input is missing.
    """
    from tasks.recording import recorded

    function = stage_function(name)
    expected = [key for key in inspect.signature(function).parameters if key not in {"params", "record"}]
    if sorted(expected) != sorted(paths):
        raise BadInputError(f"{name} takes {', '.join(expected)}; given: {', '.join(paths) or 'nothing'}")
    inputs = check_inputs(paths)
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
