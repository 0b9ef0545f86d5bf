"""What all tests share: a home of their own, no network services, one Prefect server."""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.recording_project import client, fresh_store, params, project  # noqa: F401
from tests.team import scratch, server, team  # noqa: F401

if TYPE_CHECKING:
    from tests.tiny_project import TinyProject

ROOT = Path(__file__).parents[1]
_HOME = pytest.StashKey[Path]()
_SETTINGS = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
}
_FOREIGN = ("PREFECT_", "MLFLOW_", "DISTILINGUA_", "DVC_")  # a user's own settings change no test


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the tests that look at pages keep what they saw."""
    parser.addoption("--pictures", help="folder that pictures of Prefect's and MLflow's pages are kept in")


def pytest_configure(config: pytest.Config) -> None:
    """Set the environment before anything that reads it is imported."""
    hypothesis.settings.register_profile("ours", deadline=None, database=None)  # nothing is timed inside a test
    hypothesis.settings.load_profile("ours")
    # where the tests run in the background it is ignored, which every process that they start would inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="distilingua-tests-"))
    config.stash[_HOME] = home
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        del os.environ[name]
    os.environ.update(_SETTINGS)
    os.environ.update(HOME=str(home), PREFECT_HOME=str(home / "prefect"), XDG_CACHE_HOME=str(home / "cache"))
    # stage processes in scratch folders find the code, and `python` is the one that runs the tests
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the home."""
    shutil.rmtree(config.stash[_HOME], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take minutes first, so that the small ones fill up what is left at the end.

    Those with a server come before those that share the finished project: one process makes that, and another that
    wants it would wait.
    """

    def rank(fixtures: set[str]) -> int:
        return 1 if "made" in fixtures else 0 if "prefect_api" in fixtures else 2

    ranks: dict[Path, int] = {}
    for item in items:
        ranks[item.path] = min(ranks.get(item.path, 2), rank(set(getattr(item, "fixturenames", ()))))
    items.sort(key=lambda item: ranks[item.path])


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> "TinyProject":
    """Run the whole pipeline on tiny numbers, once for all tests of all processes. Tests that change it take a copy."""
    from filelock import FileLock

    from tests.tiny_project import TinyProject, make

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made"
    with FileLock(f"{folder}.lock"):
        ran = folder / "ran.json"
        if not ran.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            project = make(folder)
            stages = project.repro()
            project.commit("made")
            ran.write_text(json.dumps(stages), encoding="utf-8")
        return TinyProject.at(folder / "project")


@pytest.fixture
def copy(made: "TinyProject", tmp_path: Path) -> "TinyProject":
    """Return a copy of the finished project that a test may spoil."""
    return made.copied_to(tmp_path / "project")


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """Run one Prefect server for all tests that want one; yield the address of its API. All their flows share a `python`."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    from tests import loaded_python

    loaded_python.start("first")
    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())
