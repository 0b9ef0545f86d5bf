"""Write requirements.lock from a report of `pip install --dry-run --report`: each package and its version."""

import json
import sys
from pathlib import Path

HEADER = "# Every version that `make` installs, made by `make lock` from pyproject.toml. Used as constraints.\n"


def main(report: str, lock: str) -> None:
    """Write the lock; the project itself is no part of it, and a build's own suffix such as +cpu is left out."""
    found = json.loads(Path(report).read_text(encoding="utf-8"))["install"]
    named = [
        (item["metadata"]["name"], item["metadata"]["version"])
        for item in found
        if "dir_info" not in item["download_info"]
    ]
    lines = sorted((f"{name}=={version.partition('+')[0]}" for name, version in named), key=str.lower)
    Path(lock).write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
