"""What the flow costs above the stages: a project that is up to date, in-process and through a server with workers.

    python benchmarks/overhead.py FOLDER

FOLDER is a project that has run (`distilingua run`), with prefect.yaml. Each figure is the median of three
runs after one that is not counted. What a stage that runs costs above its own work is the difference of two rows: the
stage's command alone, recording nothing, and the same stage through DVC, recorded.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from flows.server import answers, free_port  # noqa: E402
from tasks.config import read_yaml  # noqa: E402

MAIN = [sys.executable, "-c", "from flows.cli import main; main()"]
TIMES = 3
WAIT = 300  # seconds, at most
STAGE = "tokens@de"  # quick, so that what is above it shows


def main() -> None:
    """Measure, and print a table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.absolute()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "DO_NOT_TRACK": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DVC_NO_ANALYTICS": "1",
    }
    dvc = [sys.executable, "-m", "dvc", "--cd", str(folder)]
    command = str(read_yaml(folder / "dvc.lock")["stages"][STAGE]["cmd"]).removeprefix("exec python").split()
    unrecorded = {**environment, "DISTILINGUA_RECORDING": "off"}
    rows = {
        f"{STAGE} alone, not recorded": timed(lambda: call([sys.executable, *command], unrecorded, folder)),
        "dvc status": timed(lambda: call([*dvc, "status"], environment)),
        "dvc repro, all up to date": timed(lambda: call([*dvc, "repro"], environment)),
        "distilingua status": timed(lambda: call([*MAIN, "status", "--root", str(folder)], environment)),
        "flow in-process, all up to date": timed(lambda: call([*MAIN, "run", "--root", str(folder)], environment)),
        f"dvc repro --force --single-item {STAGE}": timed(
            lambda: call([*dvc, "repro", "--force", "--single-item", STAGE], environment)
        ),
    }
    with tempfile.TemporaryDirectory() as home:
        rows |= through_server(folder, {**environment, "PREFECT_HOME": home})
    print("| what | seconds, median of three | least, most |\n|---|---|---|")
    for name, found in rows.items():
        print(f"| {name} | {statistics.median(found):.1f} | {min(found):.1f}, {max(found):.1f} |")


def timed(action: Callable[[], object]) -> list[float]:
    """Return the seconds of some runs, after one that is not counted."""
    action()
    found = []
    for _ in range(TIMES):
        start = time.monotonic()
        action()
        found.append(time.monotonic() - start)
    return found


def call(command: list[str], environment: dict[str, str], folder: Path | None = None) -> None:
    """Run a command, in a folder; its output is shown where it fails."""
    ended = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(command)}:\n{ended.stdout}{ended.stderr}")


def through_server(folder: Path, environment: dict[str, str]) -> dict[str, list[float]]:
    """Measure with a server and a worker of each pool, which are ended afterwards."""
    port = str(free_port())
    address = f"http://127.0.0.1:{port}/api"
    started: list[subprocess.Popen[bytes]] = []

    def start(command: list[str], variables: dict[str, str]) -> None:
        quiet = subprocess.DEVNULL
        started.append(subprocess.Popen(command, env=variables, stdout=quiet, stderr=quiet))

    try:
        start([sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port], environment)
        answers(f"{address}/health", WAIT, lambda: started[0].poll() is None)
        with_server = {**environment, "PREFECT_API_URL": address}
        call([*MAIN, "deploy", "--root", str(folder)], with_server)
        for pool in ("cpu", "gpu"):
            start([*MAIN, "worker", "--pool", pool, "--root", str(folder)], with_server)
        time.sleep(10)
        return {
            "flow through server and worker, all up to date": timed(lambda: trigger(address)),
        }
    finally:
        for process in reversed(started):  # workers first; one that was started from a background shell may need two
            for _ in range(2):
                process.terminate()
                try:
                    process.wait(20)
                    break
                except subprocess.TimeoutExpired:
                    continue
            process.kill()
            process.wait()


def trigger(address: str) -> None:
    """Run the deployment `scheduled` and wait for it."""
    from prefect.client.orchestration import SyncPrefectClient

    with SyncPrefectClient(address) as client:
        found = client.read_deployment_by_name("pipeline/scheduled")
        made = client.create_flow_run_from_deployment(found.id)

        def ended() -> bool:
            state = client.read_flow_run(made.id).state
            return state is not None and state.is_final()

        wait(ended)
        state = client.read_flow_run(made.id).state
        if state is None or not state.is_completed():
            sys.exit(f"the run ended as {state}")


def wait(what: Callable[[], bool]) -> None:
    """Wait until something is so, at most five minutes."""
    end = time.monotonic() + WAIT
    while not what():
        if time.monotonic() > end:
            sys.exit("nothing for five minutes")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
