"""Each stage's run says what it used of the machine, and nothing that the machine does not tell."""

from pathlib import Path
from typing import Any

import pytest

from tasks import usage
from tasks.recording import recorded
from tasks.sections import Params
from tests.recording_project import runs, write


def test_a_stage_says_its_time_processor_memory_and_cost(
    client: Any, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "_POWERCAP", Path("nowhere"))
    priced = params.model_copy(
        update={"recording": params.recording.model_copy(update={"price_per_hour": {"cpu": 0.5, "gpu": None}})}
    )
    write("dvc.yaml", "stages: {corpus: {cmd: x, meta: {pool: cpu}}}\n")
    with recorded("corpus", {}, Path("data/corpus/de"), priced):
        pass
    found = runs(client)["corpus@de"]
    values = found.data.metrics
    assert values["usage/seconds"] > 0
    assert values["usage/cost"] == pytest.approx(values["usage/seconds"] / 3600 * 0.5)
    assert values["usage/cpu_seconds"] > 0
    assert values["usage/peak_memory_megabytes"] > 10
    assert "usage/energy_kwh" not in values, "this machine tells of none"
    assert 0 <= values["system/cpu_utilization_percentage"] <= 100
    history = client.get_metric_history(found.info.run_id, "system/system_memory_usage_megabytes")
    assert [metric.step for metric in history] == [0], "however quick it was"
    assert history[0].value > 0


def test_energy_is_the_difference_of_what_the_packages_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, joules in (("intel-rapl:0", 1_000_000), ("intel-rapl:1", 2_000_000), ("intel-rapl:0:0", 5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{joules}\n")
    monkeypatch.setattr(usage, "_POWERCAP", tmp_path)
    assert usage._packages() == [1.0, 2.0], "not the parts of a package, which it has counted already"
    (tmp_path / "intel-rapl:0/energy_uj").write_text("not a number")
    assert usage._packages() == [None, 2.0]
    logged: dict[str, float] = {}
    counts = iter([[1.0], [1.0 + 3.6e6]])
    monkeypatch.setattr(usage, "_packages", lambda: next(counts))
    monkeypatch.setattr(usage, "_gpus", list)
    one = usage.Usage(lambda values, step: logged.update(values), None)
    one.start()
    one.stop()
    one.finish()
    assert logged["usage/energy_kwh"] == pytest.approx(1.0)
    assert "usage/cost" not in logged


def test_what_was_never_started_ends_without_a_word() -> None:
    usage.Usage(lambda values, step: pytest.fail("logged"), 1.0).finish()
