"""A student becomes champion only where it is not worse than the champion on held-out pairs, and once decided it stays."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.promotion import Trained, promote, share_worse
from tasks.recording import recorded, recorded_flow
from tasks.sections import Params
from tests.recording_project import runs, write

NAME = "distilingua-de"
PAIRS = 200


def trained(client: Any, params: Params, right: int, number: int, first: int = 0) -> Trained:
    """Register a student that agrees with its teacher on the first `right` of its held-out pairs."""
    out = Path(f"data/student/de-{number}")
    with recorded("student", {}, out, params) as record:
        write(f"{out}/made.txt", str(number))
        record.output(out)
    run = runs(client)[f"student@de-{number}"].info.run_id
    names = [f"{place:04d}" for place in range(first, first + PAIRS)]
    table = {
        "id": names,
        "source_hash": [f"hash {name}" for name in names],
        "teacher": ["a"] * PAIRS,
        "student": ["a"] * right + ["b"] * (PAIRS - right),
    }
    pd.DataFrame(table).to_parquet(out / "held_out.parquet")
    if number == 1:
        client.create_registered_model(NAME)
    client.create_model_version(NAME, (Path.cwd() / out).as_uri(), run)
    return Trained("de", run, out / "held_out.parquet", write("data/card.md", "# Card\n"), {"accuracy": 0.75})


def champion(client: Any) -> str:
    return str(client.get_registered_model(NAME).aliases["champion"])


def test_the_first_becomes_champion_and_its_page_tells_what_it_was_made_from(client: Any, params: Params) -> None:
    one = trained(client, params, 100, 1)
    with recorded_flow(Path(), params, "pipeline") as record:
        said = record.promote(Path(), one, params)
    assert said == "distilingua-de version 1 is champion: the first of its name"
    assert champion(client) == "1"
    version = client.get_model_version(NAME, "1")
    assert version.tags == {"promotion": "champion: the first of its name", "test.accuracy": "0.7500"}
    assert version.description.startswith(f"```text\nstudent@de-1  {one.run[:8]}")
    card = Path(client.download_artifacts(one.run, "model_card.md")).read_text(encoding="utf-8")
    assert card.startswith(f"# Card\n\n## Lineage\n\nRun `{one.run}`.\n\n```mermaid\ngraph LR\n  n0[")
    assert promote(client, Path(), one, params) is None, "decided once"


def test_one_that_is_worse_stays_candidate_and_one_that_is_not_becomes_champion(client: Any, params: Params) -> None:
    promote(client, Path(), trained(client, params, 160, 1), params)
    worse = promote(client, Path(), trained(client, params, 140, 2), params)
    assert worse is not None and worse.startswith(
        "distilingua-de version 2 is candidate: agrees with the teacher on 0.700 of 200 held-out pairs, version 1 on "
        "0.800; worse by more than 0.05 in 9"
    )
    assert champion(client) == "1"
    three = trained(client, params, 159, 3)
    equal = promote(client, Path(), three, params)
    assert equal is not None and "version 3 is champion: agrees" in equal and "in 0.0% of the resamples" in equal
    assert champion(client) == "3"
    client.set_registered_model_alias(NAME, "champion", "1")
    assert promote(client, Path(), three, params) is None
    assert champion(client) == "1", "what a person set back stays"


def test_the_champion_is_asked_what_the_present_teacher_says(client: Any, params: Params) -> None:
    promote(client, Path(), trained(client, params, 200, 1), params)
    two = trained(client, params, 200, 2)
    table = pd.read_parquet(two.answers)
    table[["teacher", "student"]] = "b"  # both are new, and agree
    table.to_parquet(two.answers)
    said = promote(client, Path(), two, params)
    assert said is not None and "on 1.000 of 200 held-out pairs, version 1 on 0.000" in said
    assert champion(client) == "2"


def test_too_few_pairs_in_common_decide_nothing(client: Any, params: Params) -> None:
    promote(client, Path(), trained(client, params, 100, 1), params)
    said = promote(client, Path(), trained(client, params, 200, 2, first=150), params)
    assert said == (
        "distilingua-de version 2 is candidate: only 50 held-out pairs were asked of version 1 too, and "
        "promotion.least_pairs is 100"
    )
    other = client.create_run(client.get_run(runs(client)["student@de-1"].info.run_id).info.experiment_id)
    made = client.create_model_version(NAME, "file:///x", other.info.run_id)
    client.set_registered_model_alias(NAME, "champion", made.version)
    said = promote(client, Path(), trained(client, params, 200, 4), params)
    assert said is not None and said.endswith("version 3 has no answers on held-out pairs to compare with")
    assert champion(client) == "3"


def test_a_student_that_is_not_registered_is_no_matter_of_promotion(client: Any, params: Params) -> None:
    with recorded("student", {}, Path("data/student/es"), params) as record:
        write("data/student/es/made.txt")
        record.output(Path("data/student/es"))
    found = Trained("es", runs(client)["student@es"].info.run_id, Path("held_out.parquet"), Path("card.md"), {})
    assert promote(client, Path(), found, params) is None


def test_the_share_by_hand(params: Params) -> None:
    assert share_worse([1.0, 0.0, 1.0], [1.0, 0.0, 1.0], 0.0, params) == 0.5, "exactly the margin counts half"
    assert share_worse([1.0, 0.0], [1.0, 0.0], 0.1, params) == 0.0
    # three items, of which one is worse: none of three draws is it with (2/3)^3 = 0.296, the rest is worse than by 0.1
    assert share_worse([1.0, 1.0, 0.0], [1.0, 1.0, 1.0], 0.1, params) == pytest.approx(1 - 8 / 27, abs=0.03)
