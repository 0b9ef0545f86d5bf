"""What `distilingua predict` takes in memory and time for more and more lines: the first must stay, the second grow alike.

    python benchmarks/predict_memory.py FOLDER --target de --lines 20000 200000

FOLDER is a project that has run; where its student is exported (`distilingua export`), that answers. The lines are the
target language's test texts, over and over; the output is JSON lines.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from kdmodels.tables import read_table  # noqa: E402

MAIN = [sys.executable, "-c", "from flows.cli import main; main()"]


def main() -> None:
    """Measure, and print a table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", default="de")
    parser.add_argument("--lines", type=int, nargs="+", default=[1, 20_000, 200_000])
    given = parser.parse_args()
    texts = read_table(given.folder / f"data/labelled/test/{given.target}.parquet", ["text"])["text"].to_pylist()
    print("| lines | seconds | lines a second | peak memory, MB |\n|---|---|---|---|")
    for count in given.lines:
        with tempfile.TemporaryDirectory() as folder:
            lines = Path(folder) / "lines.txt"
            with lines.open("w", encoding="utf-8") as file:
                file.writelines(f"{text}\n" for text in islice(cycle(texts), count))
            words = ["--input", str(lines), "--output", f"{folder}/found.jsonl", "--root", str(given.folder)]
            start = time.perf_counter()
            program = subprocess.Popen([*MAIN, "predict", "--target", given.target, *words], env=os.environ, cwd=ROOT)
            _, status, used = os.wait4(program.pid, 0)
            seconds = time.perf_counter() - start
            program.returncode = os.waitstatus_to_exitcode(status)
            assert program.returncode == 0, "predict failed; what it said stands above"
        print(f"| {count:,} | {seconds:.1f} | {count / seconds:,.0f} | {used.ru_maxrss / 1024:.0f} |", flush=True)


if __name__ == "__main__":
    main()
