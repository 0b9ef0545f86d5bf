"""A machine runs the stages of its pools, and refuses others with what would run them."""

from pathlib import Path

import pytest

from kdmodels.errors import BadInputError
from tasks import pools
from tests.tiny_project import TinyProject

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("given", "expected"), [(None, None), ("", None), ("gpu", {"gpu"}), (" cpu, gpu ", {"cpu", "gpu"})]
)
def test_a_machine_serves_every_pool_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str | None, expected: set[str] | None
) -> None:
    monkeypatch.delenv(pools.SERVED, raising=False)
    if given is not None:
        monkeypatch.setenv(pools.SERVED, given)
    assert pools.served() == expected
    assert pools.is_served("gpu") and pools.is_served(None)
    assert pools.is_served("cpu") is (expected != {"gpu"})


@pytest.mark.parametrize("given", ["gpu;cpu", "$(x)", "gpu,", "GPU"])
def test_what_is_no_name_of_a_pool_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(pools.SERVED, given)
    with pytest.raises(
        BadInputError, match=r"DISTILINGUA_POOLS=.*is no name of a pool; expected: names such as cpu,gpu"
    ):
        pools.served()


def test_a_stage_of_another_pool_is_refused_with_the_command_that_would_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pools.SERVED, "cpu")
    pools.check(ROOT, "corpus")
    pools.check(ROOT, "no_such_stage")
    with pytest.raises(BadInputError, match=r"student wants a machine of the pool 'gpu', and this one serves cpu \(DISTIL.*"
                       r"distilingua worker --pool gpu.*unset DISTILINGUA_POOLS"):  # fmt: skip
        pools.check(ROOT, "student")


def test_dvc_repro_refuses_by_accident_and_keeps_what_there_was(
    copy: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pools.SERVED, "cpu")
    before = copy.outputs()
    copy.set(student={"epochs": 1})
    said = copy.dvc("repro", "student@de", check=False)
    assert "error: student wants a machine of the pool 'gpu'" in said
    assert "dvc checkout student@de" in said
    copy.dvc("checkout", "student@de")
    assert copy.outputs() == before
    monkeypatch.setenv(pools.SERVED, "cpu,gpu")
    assert copy.repro("student@de") == ["student@de"]
