"""One stage as several processes that train together: torch's elastic launcher starts them, and they end together.

Each runs the whole stage up to the end of its last training. Only the first writes, records and prints; the others are
silent, and what they would write goes into a folder that is removed.
"""

import json
import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdmodels.errors import BadInputError
from kdmodels.files import write_json
from tasks.sections import Params
from tasks.tracking_settings import SWITCH

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing import RunProcsResult

BAD_INPUT = 2  # exit status; the flow does not try again after it

_FOLDER = "DISTILINGUA_RANKS"  # where the processes of a stage meet, and leave their errors
_STARTER = "DISTILINGUA_RANKS_STARTER"  # the process that started them, without which they end
_SOON = 5.0  # seconds in which the others of a killed process fail too, for want of it
_EVERY = 0.2  # seconds between looks at whether they have ended


class RankFailedError(Exception):
    """A process of a stage failed, not for bad input; the message is its own."""


@dataclass(frozen=True)
class Rank:
    """This process as one of those that train together.

    Attributes:
        folder: where they meet
        starter: id of the process that started them
    """

    number: int
    count: int
    folder: Path
    starter: int

    def take_part(self, run: Callable[[Mapping[str, Path]], None], paths: Mapping[str, Path]) -> None:
        """Run the stage on its paths, together with the others, to the end of this process's part."""
        from kdmodels import ranks

        if self.number:
            os.environ[SWITCH] = "off"
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # it has nothing to close
            paths = {**paths, "out": self.folder / str(self.number) / paths["out"].name}
        ranks.join(self.folder, self.number, self.count)
        with suppress(ranks.PartDone):
            run(paths)
        ranks.leave()

    def be_silent(self) -> None:
        """Let nothing of this process be seen, unless it is the first."""
        if self.number:
            with Path(os.devnull).open("w") as nowhere:
                for stream in (sys.stdout, sys.stderr):
                    os.dup2(nowhere.fileno(), stream.fileno())

    def fail(self, message: str | None, status: int, *, unforeseen: bool = False) -> int:
        """Leave an error, where there is one, for the process that started this one, which tells of one; return the status."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # it comes soon, and shall not interrupt the interpreter's end
        if message is None:
            return status
        told = {"message": message, "status": status, "traceback": traceback.format_exc() if unforeseen else None}
        write_json(_error_file(self.folder, self.number), told)
        return status


def this_rank() -> Rank | None:
    """Return this process's place among those of its stage; none where it is the only one."""
    if _FOLDER not in os.environ:
        return None
    variables = os.environ
    return Rank(
        int(variables["RANK"]), int(variables["WORLD_SIZE"]), Path(variables[_FOLDER]), int(variables[_STARTER])
    )


def wanted(stage: str, out: Path, params: Params) -> int:
    """Return how many processes a stage is to have: those of its section, where it trains with torch at all."""
    section = {"teacher": params.teacher, "student": params.student, "control": params.student, "joint": params.joint}
    if stage not in section or section[stage].epochs is None or (stage, out.name) == ("control", "tf_idf"):
        return 1
    return section[stage].processes


def start(words: Sequence[str], count: int) -> None:
    """Run a stage as several processes of this machine, and return when all have ended well. If one fails, all are ended.

    Args:
        words: what follows `python -m tasks`

    Raises:
        BadInputError: where one of them met some, or where there are fewer GPUs.
        RankFailedError: where one of them failed for something else.
        KeyboardInterrupt: where this process was told to end; they have.
    """
    import torch
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, start_processes

    gpus = torch.cuda.device_count()
    if 0 < gpus < count:
        raise BadInputError(
            f"processes: {count}, each with a GPU of its own, and this machine shows {gpus}. Lower it in params.yaml, or let "
            "CUDA_VISIBLE_DEVICES name more"
        )
    log = logging.getLogger("torch.distributed.elastic")  # which would tell of each process that it ends
    log.addHandler(logging.NullHandler())
    log.propagate = False
    with tempfile.TemporaryDirectory(prefix="distilingua-") as name:
        folder = Path(name)
        processes = start_processes(
            words[0],
            sys.executable,
            dict.fromkeys(range(count), ("-m", "tasks", *words)),
            {rank: _variables(rank, count, folder) for rank in range(count)},
            DefaultLogsSpecs(log_dir=os.devnull),
        )
        try:
            result = processes.wait(period=_EVERY)
        except SignalException:
            raise KeyboardInterrupt from None
        finally:
            processes.close()
        if result is not None and result.is_failed():
            raise error_of(result, folder, count)


def _variables(rank: int, count: int, folder: Path) -> dict[str, str]:
    inside = "lo0" if sys.platform == "darwin" else "lo"  # nothing of theirs can be reached from outside
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", inside),
        "NCCL_SOCKET_IFNAME": os.environ.get("NCCL_SOCKET_IFNAME", inside),
        "TORCH_CPP_LOG_LEVEL": os.environ.get(
            "TORCH_CPP_LOG_LEVEL", "ERROR"
        ),  # it warns of batches that use every weight
        _FOLDER: str(folder),
        _STARTER: str(os.getpid()),
    }


def _error_file(folder: Path, rank: int) -> Path:
    return folder / f"error-{rank}.json"


def error_of(result: "RunProcsResult", folder: Path, count: int) -> Exception:
    """Return the error that the others followed from: bad input, else a kill, else the first that was told of."""
    files = [path for rank in range(count) if (path := _error_file(folder, rank)).is_file()]
    files.sort(key=lambda path: path.stat().st_mtime_ns)
    told: list[dict[str, Any]] = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    for one in told:
        if one["status"] == BAD_INPUT:
            return BadInputError(one["message"])
    failures = sorted(result.failures.values(), key=lambda failure: failure.timestamp)
    began = failures[0].timestamp
    for failure in failures:
        if failure.exitcode < 0 and failure.exitcode != -signal.SIGTERM and failure.timestamp <= began + _SOON:
            return RankFailedError(
                f"process {failure.local_rank + 1} of {count} was killed by signal {-failure.exitcode}; is there memory "
                "enough? Run it again to go on from the last checkpoint"
            )
    for one in told:
        if one["traceback"]:
            print(one["traceback"], file=sys.stderr)
        return RankFailedError(one["message"])
    return RankFailedError(f"process {failures[0].local_rank + 1} of {count} ended with status {failures[0].exitcode}")
