"""Which registered student answers to `champion`: decided on held-out pairs, once for each version."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from kdmodels.comparison import Bootstrap, paired_difference
from kdmodels.tables import read_table
from tasks.ancestry import ancestry, as_mermaid, as_tree
from tasks.sections import Params
from tasks.tracking import CANDIDATE

CHAMPION = "champion"
_DECIDED = "promotion"  # tag of a version: what was decided, and why
_FOLDER = "promotion"  # artifact of a student's run: its answers on held-out pairs, by ids and hashes, without texts
_KEY = ("source_hash", "id")
_DESCRIPTION = 4900  # characters; MLflow keeps 5,000


class Trained(NamedTuple):
    """A student that a flow made or found up to date.

    Attributes:
        language: the target language
        run: id of the run that trained it
        answers: its `held_out.parquet`
        card: its full model card
        shown: scores on test sets, told beside the model and never looked at
    """

    language: str
    run: str
    answers: Path
    card: Path
    shown: dict[str, float]


def promote(client: Any, root: Path, trained: Trained, params: Params) -> str | None:
    """Make a newly registered student the champion of its language where it is not worse than the present one.

    Both are compared with the present teacher on the held-out pairs that both were asked, by the paired bootstrap. It
    becomes champion where no more than `promotion.risk` of the resamples show it worse by more than `promotion.margin`
    (a test of non-inferiority: Piaggio et al. 2012, CONSORT). The first of its name becomes champion as it is. What was
    decided once stands, so that a person can set the alias back.

    Returns:
        What was decided, as a sentence; None where the student is not registered or was decided on before.
    """
    name = f"distilingua-{trained.language}"
    versions = client.search_model_versions(f"run_id = '{trained.run}'")
    mine = max((one for one in versions if one.name == name), key=lambda version: int(version.version), default=None)
    if mine is None or _DECIDED in mine.tags:
        return None
    client.log_artifact(trained.run, str(trained.answers), _FOLDER)
    _describe(client, root, mine, trained)
    present = client.get_registered_model(name).aliases.get(CHAMPION)
    if present is None:
        better, why = True, "the first of its name"
    else:
        better, why = _compare(client, client.get_model_version(name, present), trained, params)
    if better:
        client.set_registered_model_alias(name, CHAMPION, mine.version)
    said = f"{CHAMPION if better else CANDIDATE}: {why}"
    client.set_model_version_tag(name, mine.version, _DECIDED, said)
    return f"{name} version {mine.version} is {said}"


def _compare(client: Any, champion: Any, trained: Trained, params: Params) -> tuple[bool, str]:
    kept = f"{_FOLDER}/{trained.answers.name}"
    if kept not in {file.path for file in client.list_artifacts(champion.run_id, _FOLDER)}:
        return False, f"version {champion.version} has no answers on held-out pairs to compare with"
    with tempfile.TemporaryDirectory() as folder:
        theirs = _answers(Path(client.download_artifacts(champion.run_id, kept, folder)))
    ours = _answers(trained.answers)
    common = sorted(set(ours) & set(theirs))
    numbers = params.promotion
    if len(common) < numbers.least_pairs:
        return False, (
            f"only {len(common)} held-out pairs were asked of version {champion.version} too, and "
            f"promotion.least_pairs is {numbers.least_pairs}"
        )
    right = [[float(answers[key][1] == ours[key][0]) for key in common] for answers in (ours, theirs)]
    share = share_worse(right[0], right[1], numbers.margin, params)
    return share <= numbers.risk, (
        f"agrees with the teacher on {sum(right[0]) / len(common):.3f} of {len(common)} held-out pairs, version "
        f"{champion.version} on {sum(right[1]) / len(common):.3f}; worse by more than {numbers.margin:g} in "
        f"{share:.1%} of the resamples, {numbers.risk:.0%} are allowed"
    )


def share_worse(ours: list[float], theirs: list[float], margin: float, params: Params) -> float:
    """Return the share of the resamples in which a student is worse than another by more than a margin.

    Args:
        ours, theirs: right answers [pairs], on the same pairs; a difference of exactly the margin counts half.
    """
    import numpy as np

    draws = Bootstrap(params.evaluation.resamples, params.evaluation.confidence, params.seed)
    return 1 - paired_difference(np.array([ours]) + margin, np.array([theirs]), None, draws)["above_zero"]


def _answers(path: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """Return teacher's and student's label of each held-out pair."""
    table = read_table(path, [*_KEY, "teacher", "student"])
    columns = {name: values.to_pylist() for name, values in table.items()}
    keys = zip(columns["source_hash"], columns["id"], strict=True)
    return dict(zip(keys, zip(columns["teacher"], columns["student"], strict=True), strict=True))


def card_with_lineage(card: str, run: str, tree: str, graph: str) -> str:
    """Return a model card with the walk back from the run that trained the student, as Markdown."""
    return f"{card.rstrip()}\n\n## Lineage\n\nRun `{run}`.\n\n```mermaid\n{graph}\n```\n\n```text\n{tree}\n```\n"


def _describe(client: Any, root: Path, version: Any, trained: Trained) -> None:
    top = ancestry(root, trained.run)
    tree = as_tree(top)
    client.update_model_version(version.name, version.version, f"```text\n{tree}\n```"[:_DESCRIPTION])
    client.set_tag(trained.run, "mlflow.note.content", f"What it was made from:\n\n```text\n{tree}\n```"[:_DESCRIPTION])
    for name, value in trained.shown.items():
        client.set_model_version_tag(version.name, version.version, f"test.{name}", f"{value:.4f}")
    if trained.card.is_file():
        page = card_with_lineage(trained.card.read_text(encoding="utf-8"), trained.run, tree, as_mermaid(top))
        client.log_text(trained.run, page, "model_card.md")
