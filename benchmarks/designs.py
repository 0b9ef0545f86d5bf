"""Students of several designs, and their controls, over seeds: the tables of quality in RESULTS.md and the README.

    python benchmarks/designs.py run FOLDER --seeds 1 2 3
    python benchmarks/designs.py run FOLDER --seeds 4 5 --designs both_directions hidden_phase --targets de
    python benchmarks/designs.py run FOLDER --seeds 1 2 3 --designs as_it_is --set corpus.first.cap=400
    python benchmarks/designs.py run FOLDER --seeds 1 2 3 --designs --set teacher.epochs=5     (teachers alone)
    python benchmarks/designs.py report FOLDER --reference as_it_is
    python benchmarks/designs.py report FOLDER OTHER

Everything else is as in params.yaml (the sample, or another preset after `distilingua use`). Each seed has a teacher and
students of its own. What is in FOLDER already is not made again, so that seeds can run side by side and be added to. The
checkpoint is chosen on held-out pairs; the test sets are only scored. A report of several folders pools them, the same items
of several languages staying together.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tasks.__main__ import set_threads  # noqa: E402
from tasks.config import load_params  # noqa: E402
from tasks.sections import Params, Student  # noqa: E402

Change = Callable[[Student], dict[str, Any]]

# What differs from the section `student` of params.yaml. From random weights the learning rate is that of the sample, or it
# would learn nothing at the lower one that transtokenized weights want on larger corpora.
DESIGNS: dict[str, Change] = {
    "as_it_is": lambda one: {},
    "random": lambda one: {
        "options": {**one.options, "init": "random"},
        "learning_rate": max(one.learning_rate, 4e-4),
    },
    "no_glosses": lambda one: {"glosses": one.glosses.model_copy(update={"loss": "none"})},
    "glosses": lambda one: {"glosses": one.glosses.model_copy(update={"loss": "cross_entropy"})},
    "glosses_alone": lambda one: {
        "glosses": one.glosses.model_copy(update={"loss": "cross_entropy"}),
        "output_loss": "none",
    },
    "one_direction": lambda one: {"alignment": one.alignment.model_copy(update={"symmetrised": False})},
    "both_directions": lambda one: {"alignment": one.alignment.model_copy(update={"symmetrised": True})},
    "hidden_phase": lambda one: {"hidden_phase": one.hidden_phase.model_copy(update={"loss": "hidden_mse"})},
    "hidden_loss": lambda one: {"hidden_loss": "hidden_mse", "hidden_weight": 10.0},
    "decoupled": lambda one: {"output_loss": "decoupled"},
    "pair_weights": lambda one: {"pair_weight": "both"},
    "frozen_body": lambda one: {"frozen": one.frozen.model_copy(update={"body": 0.3})},
    "hard_labels": lambda one: {"output_loss": "hard_labels"},
}


def _with(*names: str) -> Change:
    def change(one: Student) -> dict[str, Any]:
        together: dict[str, Any] = {}
        for name in names:
            together |= DESIGNS[name](one)
        return together

    return change


# An ablation: each with what the one before it has.
_STEPS = ("hidden_phase", "decoupled", "pair_weights", "glosses")
DESIGNS |= {f"up_to_{last}": _with(*_STEPS[: number + 1]) for number, last in enumerate(_STEPS) if number}
TF_IDF = "tf_idf"


class Record:
    """A recorder that records nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "report"])
    parser.add_argument("folders", metavar="folder", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[])
    parser.add_argument("--designs", nargs="*", choices=[*DESIGNS, TF_IDF], default=[*DESIGNS, TF_IDF])
    parser.add_argument("--targets", nargs="+", default=[])
    parser.add_argument("--teacher", type=int, help="seed of one teacher for all students; each has its own without")
    parser.add_argument("--set", metavar="KEY=VALUE", nargs="+", default=[], help="of params.yaml, for this run")
    parser.add_argument("--reference", default="as_it_is")
    given = parser.parse_args()
    os.chdir(ROOT)
    params = load_params(ROOT)
    for word in given.set:
        key, _, value = word.partition("=")
        params = changed(params, key.split("."), json.loads(value))
    set_threads(params.threads)
    folders = [folder.absolute() for folder in given.folders]
    if given.what == "report":
        report(folders, given.reference, params)
        return
    (folder,) = folders
    for seed in given.seeds:
        os.environ["DISTILINGUA_HOME"] = str(folder / f"home-{given.teacher or seed}")
        student = params.student.model_copy(update={"seed": seed})
        run(params.model_copy(update={"seed": given.teacher or seed, "student": student}), folder, given)


def changed(section: Any, path: list[str], value: Any) -> Any:
    """Return a section of params with one value in it changed, checked as it is in params.yaml."""
    name, *rest = path
    new = changed(getattr(section, name), rest, value) if rest else value
    return type(section).model_validate(
        {
            **section.model_dump(mode="json", by_alias=True),
            name: new if not rest else new.model_dump(mode="json", by_alias=True),
        }
    )


def once(out: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder, made first where it is not there yet."""
    if not out.exists():
        partial = out.with_name(f".{out.name}.{os.getpid()}")
        partial.mkdir(parents=True)
        make(partial)
        partial.rename(out)
    return out


def run(params: Params, folder: Path, given: argparse.Namespace) -> None:
    """Run one seed; the cleaned corpus and its tokens do not depend on it."""
    from tasks.corpus import corpus
    from tasks.encoder import encoder
    from tasks.labelled import labelled
    from tasks.labelling import labelling
    from tasks.soft_labels import soft_labels
    from tasks.sources import sources
    from tasks.teacher import teacher
    from tasks.tokens import tokens

    record: Any = Record()
    lock = folder / "corpora.lock"
    if not lock.exists():
        folder.mkdir(parents=True, exist_ok=True)
        lock.write_bytes((ROOT / "corpora.lock").read_bytes())
    found = once(folder / "sources", lambda out: sources(lock, out, params, record))
    texts = once(folder / "labelled", lambda out: labelled(found / "labelled.json", out, params, record))
    tables = [texts / name for name in ("train.parquet", "valid.parquet", "labels.json")]
    start = once(folder / "encoder", lambda out: encoder(tables[0], tables[2], out, params, record))
    told = ROOT / "feedback.json"
    made = once(folder / f"teacher/{params.seed}", lambda out: teacher(start, *tables, told, out, params, record))
    for target in (given.targets or params.targets) if given.designs else ():
        tests = [texts / f"test/{language}.parquet" for language in (params.source, target)]
        pairs = once(
            folder / f"corpus/{target}",
            lambda out, target=target, tests=tests: corpus(  # type: ignore[misc]
                found / f"{target}.json", *tests, texts / "train.parquet", out, params, record
            ),
        )
        table = pairs / "pairs.parquet"
        ids = once(
            folder / f"tokens/{target}",
            lambda out, table=table: tokens(table, table.with_name("dictionary.parquet"), start, out, params, record),
        )  # type: ignore[misc]

        def label(out: Path, ids: Path = ids, table: Path = table) -> None:
            for part in params.labelling.parts:
                (out / part).mkdir()
                labelling(ids, table, made / "model", made / "folds", out / part, params, record)

        parts = once(folder / f"labelling/{params.seed}/{target}", label)
        labels = once(
            folder / f"soft_labels/{params.seed}/{target}",
            lambda out, parts=parts: soft_labels(parts, out, params, record),  # type: ignore[misc]
        )
        for design in given.designs:
            place = folder / f"results/{target}-{params.student.seed}-{design}.json"
            if not place.exists():
                line = train(design, ids, labels, made / "model", table, tests, texts, folder, params)
                place.parent.mkdir(exist_ok=True)
                place.write_text(json.dumps(line))
                print({key: value for key, value in line.items() if key not in {"right", "items"}}, flush=True)


def train(
    design: str,
    ids: Path,
    labels: Path,
    teacher: Path,
    table: Path,
    tests: list[Path],
    texts: Path,
    folder: Path,
    params: Params,
) -> dict[str, Any]:
    """Train one student and score it."""
    import pandas as pd

    from tasks.control import control
    from tasks.distilling import distilled
    from tasks.systems import PlainReader, Reader

    record: Any = Record()
    target = ids.name
    out = folder / f"students/{target}-{params.student.seed}/{design}"

    def make(partial: Path) -> None:
        if design == TF_IDF:
            (partial / TF_IDF).mkdir()
            labelled = texts / f"target/{target}.parquet"
            control(ids, labels, teacher, table, labelled, texts / "train.parquet", partial / TF_IDF, params, record)
            return
        section = params.student.model_copy(update=DESIGNS[design](params.student))
        distilled(design, ids, labels, teacher, None, texts / "train.parquet", partial, section, params, record)

    once(out, make)
    place = out / TF_IDF if design == TF_IDF else out
    reader: Any = PlainReader(place / "model") if design == TF_IDF else Reader(place / "model", 32)
    theirs = Reader(teacher, 32)
    held = pd.read_parquet(place / "held_out.parquet")
    source, test = (pd.read_parquet(path) for path in tests)
    names = theirs.labels
    actual = test["label"].map(names.index).to_numpy()
    answers = reader.texts(test["text"].tolist()).argmax(axis=1)
    right = answers == actual
    of_teacher = theirs.texts(source["text"].tolist()).argmax(axis=1) == source["label"].map(names.index).to_numpy()
    f1 = [
        2 * ((answers == one) & right).sum() / max(1, (answers == one).sum() + (actual == one).sum())
        for one in range(len(names))
    ]
    return {
        "design": design,
        "target": target,
        "seed": params.student.seed,
        "accuracy": float(right.mean()),
        "macro_f1": float(sum(f1) / len(f1)),
        "held_out": float((held["student"] == held["teacher"]).mean()),
        "teacher": float(of_teacher.mean()),
        "majority": float(test["label"].value_counts(normalize=True).max()),
        "parameters": reader.parameters,
        "items": test["id"].tolist(),
        "right": right.astype(int).tolist(),
    }


def report(folders: list[Path], reference: str, params: Params) -> None:
    """Print tables as Markdown: each design a language, and the paired differences pooled over languages."""
    import numpy as np
    import pandas as pd

    from kdmodels.comparison import Bootstrap, paired_difference

    lines = [
        json.loads(path.read_text()) | ({"target": folder.name} if len(folders) > 1 else {})
        for folder in folders
        for path in sorted((folder / "results").glob("*.json"))
    ]
    rows = pd.DataFrame(lines)
    targets = sorted(rows["target"].unique())
    order = [name for name in [*DESIGNS, TF_IDF] if name in set(rows["design"])]
    print(f"| design | seeds | {' | '.join(f'{target}: test | held out' for target in targets)} |")
    print(f"|---|---|{'---|---|' * len(targets)}")
    for design in order:
        cells = []
        for target in targets:
            some = rows[(rows["design"] == design) & (rows["target"] == target)]
            for column in ("accuracy", "held_out"):
                spread = f" ± {some[column].std():.3f}" if len(some) > 1 else ""
                cells.append(f"{some[column].mean():.3f}{spread}" if len(some) else "")
        seeds = rows[rows["design"] == design]["seed"].nunique()
        print(f"| {design} | {seeds} | {' | '.join(cells)} |")
    of_teacher = rows.groupby("target")[["teacher", "majority"]].mean()
    for target, found in of_teacher.iterrows():
        print(f"\n{target}: teacher {found['teacher']:.3f}, majority {found['majority']:.3f}.")
    print()
    draws = Bootstrap(params.evaluation.resamples, params.evaluation.confidence, 1)
    print(f"| {reference} minus | pooled over | difference, interval | better in |\n|---|---|---|---|")
    for design in order:
        if design == reference:
            continue
        pair = rows[rows["design"].isin([reference, design])]
        shared = pair.groupby(["seed", "target"]).size()
        complete = set(shared[shared == 2].index)
        these = sorted({target for _, target in complete})
        seeds = sorted({seed for seed, _ in complete if all((seed, target) in complete for target in these)})
        if not seeds:
            continue
        right = rows.set_index(["design", "seed", "target"])["right"]
        sides = {
            name: np.array([np.concatenate([right[name, seed, target] for target in these]) for seed in seeds])
            for name in (reference, design)
        }
        items = rows.drop_duplicates("target").set_index("target")["items"]
        groups = np.concatenate([items[target] for target in these])
        found = paired_difference(sides[reference], sides[design], groups, draws)
        where = f"{', '.join(these)}; seeds {', '.join(map(str, seeds))}"
        value = f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"
        print(f"| {design} | {where} | {value} | {found['above_zero']:.1%} |")


if __name__ == "__main__":
    main()
