"""Time and memory a pair as the corpus grows: the stages from `tokens` to `student`, a process each.

    python benchmarks/scale.py 20000 100000 1000000

The pairs are pairs of the sample joined at random, so that none is like another; the teacher and the student are so
small (two layers of 64) that what the machinery costs is seen, not what the model costs. Cleaning is switched off here:
`corpus_speed.py` measures it. Memory is the largest resident set of the process, and of it what is its own (not pages of
files, which the system takes back when it needs them), sampled ten times a second.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from kdmodels.encoder import find_encoder  # noqa: E402

STAGES = ("sources", "labelled", "corpus", "encoder", "tokens", "teacher", "labelling", "soft_labels", "student")
MEASURED = ("tokens", "labelling", "soft_labels", "student")
FILTERS = ("characters", "words", "word_characters", "length_ratio", "similarity", "letters", "script", "numbers",
           "language", "near_duplicates", "leak_near", "translation_score")  # fmt: skip
CHANGES: dict[str, dict[str, Any]] = {
    "corpus": {"cleaning": {"mend_encoding": False, "html": False, **dict.fromkeys(FILTERS, "none")}},
    "teacher": {"weights_sha256": "none", "epochs": 1, "init": "teacher", "frozen_layers": 0},
    "student": {"epochs": 1, "options": {"layers": [0, 1]}, "evaluations_per_epoch": 1, "batch_size": 256},
    "labelling": {"bucket": 16, "batch_rows": 64},
}


def main() -> None:
    """Measure each number of pairs, and print a table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=int, nargs="+")
    parser.add_argument("--until", choices=MEASURED, default=MEASURED[-1], help="the last stage that is run")
    given = parser.parse_args()
    stages = STAGES[: STAGES.index(given.until) + 1]
    print("| stage | pairs | seconds | microseconds a pair | peak MB | of it own MB |\n|---|---|---|---|---|---|")
    for pairs in given.pairs:
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), pairs)
            for stage in stages:
                seconds, resident, own = run(Path(folder), stage)
                if stage in MEASURED:
                    micro = 1e6 * seconds / pairs
                    print(
                        f"| {stage} | {pairs:,} | {seconds:.0f} | {micro:.0f} | {resident / 1e6:.0f} | {own / 1e6:.0f} |",
                        flush=True,
                    )


def prepare(folder: Path, pairs: int) -> None:
    """Write a project of so many pairs."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    rows = [line.split("\t") for line in (ROOT / "data/sample/parallel.en-de.tsv").read_text().splitlines()]
    header, rows = rows[0], rows[1:]
    sides = [header.index("en"), header.index("de")]
    chance = random.Random(1)
    seen: set[tuple[int, ...]] = set()
    texts = folder / "data/sample"
    texts.mkdir(parents=True)
    for path in (ROOT / "data/sample").glob("*.en.tsv"):
        (texts / path.name).write_bytes(path.read_bytes())
    with (texts / "parallel.en-de.tsv").open("w") as file:
        file.write("id\ten\tde\n")
        while len(seen) < pairs:
            drawn = tuple(chance.sample(range(len(rows)), 2))
            if drawn not in seen:
                seen.add(drawn)
                joined = (" ".join(rows[one][side] for one in drawn) for side in sides)
                file.write("\t".join([f"x{len(seen)}", *joined]) + "\n")
    (texts / "test.de.tsv").write_bytes((ROOT / "data/sample/test.de.tsv").read_bytes())
    for name in ("dvc.yaml", "corpora.lock", "feedback.json"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text())
    params["targets"] = ["de"]
    encoder = params["teacher"]["init"]
    for section, changes in CHANGES.items():
        change(params[section], changes)
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    tokenizer = AutoTokenizer.from_pretrained(
        find_encoder(encoder, revision=None, weights_sha256=None, key="teacher.init")
    )
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 256}
    BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(folder / "teacher")
    tokenizer.save_pretrained(folder / "teacher")


def change(section: Any, changes: dict[str, Any]) -> None:
    """Change values in a section, however deep."""
    for name, value in changes.items():
        if isinstance(value, dict):
            change(section[name], value)
        else:
            section[name] = value


def run(folder: Path, stage: str) -> tuple[float, int, int]:
    """Run a stage; its seconds, largest resident set and largest memory of its own."""
    command: str = YAML(typ="safe").load(folder / "dvc.yaml")["stages"][stage]["cmd"]
    for name, word in (("item.target", "de"), ("item.part", "all"), ("source", "en")):
        command = command.replace(f"${{{name}}}", word)
    words = command.replace("exec python", sys.executable).split()
    start, resident, own = time.monotonic(), 0, 0
    environment = {"PYTHONPATH": str(ROOT), "DISTILINGUA_RECORDING": "off", "DISTILINGUA_HOME": str(folder / "home")}
    with (folder / f"{stage}.log").open("w") as log:
        process = subprocess.Popen(words, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log)
        while process.poll() is None:
            try:
                found = psutil.Process(process.pid).memory_info()
                resident, own = max(resident, found.rss), max(own, found.rss - found.shared)
            except psutil.Error:
                pass
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{stage}:\n{(folder / f'{stage}.log').read_text()[-2000:]}")
    return time.monotonic() - start, resident, own


if __name__ == "__main__":
    print(json.dumps({"cores": psutil.cpu_count(), "gigabytes": round(psutil.virtual_memory().total / 2**30)}))
    main()
