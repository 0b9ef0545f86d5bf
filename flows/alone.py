"""One flow at a time in a project's folder, and one run of a stage at a time in a folder that machines share."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from kdmodels.errors import BadInputError
from tasks.guard import Closed, Processes

_POLL = 1.0  # seconds
_PATIENCE = 20.0  # seconds between two times that it is said who is waited for


@contextmanager
def alone(project: Path) -> Iterator[None]:
    """Keep other flows out of a project's folder for the block; the lock ends with the process, however that ends.

    Raises:
        BadInputError: where another is in it.
    """
    with _locked(project / ".dvc/tmp/pipeline.lock") as holder:
        if holder is not None:
            raise BadInputError(
                f"{project}: another flow runs in this folder ({holder}). Wait until it has ended, or end it; a second one "
                "would overwrite its results. A clone of the project can run beside it"
            )
        yield


@contextmanager
def turn(project: Path, stage: str, processes: Processes, tell: Callable[[str], None]) -> Iterator[None]:
    """Have a stage in a shared folder for oneself for the block, waiting while another is at it.

    That may be a run which was given up since its machine was frozen or cut off. Who comes after finds the stage done, or
    goes on from its checkpoint.

    Args:
        project: the folder that machines share.
        stage: its name in dvc.yaml, such as `student@de`.
        processes: once they are closed nothing is waited for.
        tell: called with who is waited for, now and then.

    Raises:
        Closed: where `processes` were closed while it waited.
    """
    told = -_PATIENCE
    while True:
        with _locked(project / f".dvc/tmp/stages/{stage}.lock") as holder:
            if holder is None:
                yield
                return
        if processes.closed:
            raise Closed(stage)
        if time.monotonic() - told > _PATIENCE:
            told = time.monotonic()
            tell(f"waits: {stage} is still run in this folder by another ({holder})")
        time.sleep(_POLL)


@contextmanager
def _locked(path: Path) -> Iterator[str | None]:
    """Try to lock a file for the block; give none where that went well, or who has it."""
    from filelock import FileLock, Timeout

    holder = path.with_suffix(".txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield holder.read_text(encoding="utf-8") if holder.is_file() else "not known which"
        return
    try:
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}, since {now}", encoding="utf-8")
        yield None
    finally:
        lock.release()
