"""How MLflow is set and reached; the user's own environment variables win."""

import logging
import os
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tasks import places

PARENT = "DISTILINGUA_PARENT_RUN"  # the flow's run, for the runs of its stages
SWITCH = "DISTILINGUA_RECORDING"  # "off": nothing is recorded

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # MLflow's own 7 retries of 120 s would hold a stage up
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
}
_DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")
_CONNECT_SECONDS = 2.0
_CREATE_SECONDS = 120.0  # to wait for another process that creates the database


def prepare() -> None:
    """Set MLflow's variables and silence its logs; to be called before it is imported."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)


def settings(root: Path) -> dict[str, str]:
    """Return the variables for another process."""
    own = {"MLFLOW_TRACKING_URI": places.tracking_store(root)}
    return {name: os.environ.get(name, value) for name, value in {**_SETTINGS, **own}.items()}


def database_file(root: Path) -> Path | None:
    """Return the file of a SQLite store, or None where the store is of another kind."""
    uri = places.tracking_store(root)
    name = uri.removeprefix("sqlite:///").split("?")[0]
    return Path(name) if uri.startswith("sqlite:///") and name else None


def create_once(path: Path, create: Callable[[Path], None]) -> None:
    """Create a file that is whole when it appears under its name, though several processes try at once."""
    if path.exists():
        return
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock", timeout=_CREATE_SECONDS):
        if path.exists():
            return
        partial = path.with_name(f".{path.name}.partial")
        partial.unlink(missing_ok=True)
        create(partial)
        partial.replace(path)


def artifact_location(root: Path) -> str | None:
    """Return where files are kept, or None where a server chooses for itself."""
    local = places.tracking_store(root).startswith(_DATABASES)
    return places.tracking_artifacts(root).as_uri() if local else None


def knock(root: Path) -> None:
    """See within two seconds whether a tracking server is there; MLflow itself takes long to give up.

    Raises:
        OSError: where it is not.
    """
    address = urlsplit(places.tracking_store(root))
    if address.scheme in {"http", "https"} and address.hostname and not urllib.request.getproxies():
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname, port), timeout=_CONNECT_SECONDS).close()
