"""`distilingua worker`: an ordinary Prefect worker that knows which machine it stands on."""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.command_line import Debug, Root, plain_errors
from kdmodels.errors import BadInputError

HEARTBEAT = 30  # seconds; Prefect takes no fewer
_ASKS = 1  # seconds between two looks for work


def worker(
    pool: Annotated[
        str, typer.Option("--pool", help="The kind of this machine, as dvc.yaml's meta names it: cpu or gpu.")
    ],
    device: Annotated[
        str | None,
        typer.Option("--device", help="The GPU that this worker's stages see, such as 0; or several, such as 0,1."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", help="Runs at once. [default: 1 on the pool gpu, else as many as the pool has]", min=1),
    ] = None,
    root: Root = Path(),
    debug: Debug = False,
) -> None:
    """Take stages, and whole pipelines, from a pool of the Prefect server until Ctrl-C."""
    with plain_errors(debug):
        from flows.server import settle
        from tasks.config import load_params
        from tasks.pools import ROOT, SERVED

        load_params(root)
        settle()
        from flows.prefect_api import check_pool

        check_pool(pool)
        if device is not None and not device.replace(",", "").isalnum():
            raise BadInputError(
                f"--device {device!r}: the number or the id of a GPU is expected, such as 0, or of several"
            )
        limit = limit or (1 if pool == "gpu" else None)
        variables = {
            ROOT: str(root.absolute()),
            SERVED: pool,
            "PREFECT_WORKER_QUERY_SECONDS": os.environ.get("PREFECT_WORKER_QUERY_SECONDS", str(_ASKS)),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": os.environ.get("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(HEARTBEAT)),
            **({"CUDA_VISIBLE_DEVICES": device} if device is not None else {}),
        }
        name = "-".join([socket.gethostname(), pool, *([device] if device is not None else []), str(os.getpid())])
        command = [
            sys.executable,
            "-m",
            "prefect",
            "worker",
            "start",
            "--pool",
            pool,
            "--type",
            "process",
            "--name",
            name,
        ]
        command += ["--limit", str(limit)] if limit is not None else []
        os.chdir(root)
        os.execve(sys.executable, command, {**os.environ, **variables})
