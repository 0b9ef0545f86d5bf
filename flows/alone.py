"""One flow at a time in a project's folder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from kdmodels.errors import BadInputError


@contextmanager
def alone(project: Path) -> Iterator[None]:
    """Keep other flows out of a project's folder for the block; the lock ends with the process, however that ends.

    Raises:
        BadInputError: where another is in it.
    """
    from filelock import FileLock, Timeout

    path = project / ".dvc/tmp/pipeline.lock"
    holder = path.with_suffix(".txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text(encoding="utf-8") if holder.is_file() else "not known which"
        raise BadInputError(
            f"{project}: another flow runs in this folder ({who}). Wait until it has ended, or end it; a second one would "
            "overwrite its results. A clone of the project can run beside it"
        ) from None
    try:
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}, since {now}", encoding="utf-8")
        yield
    finally:
        lock.release()
