"""The loss designs of a sweep: the student's numbers with some of them changed, at each temperature."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kdmodels.errors import BadInputError
from tasks.config import PARAMS_FILE, checked_student
from tasks.sections import Params, Student

_SWEPT = ("seed", "temperature")  # by the sweep itself


@dataclass(frozen=True)
class Design:
    """One way to teach a student.

    Attributes:
        name: as a report calls it
        changes: keys of the section student with their values, as they would be written in params.yaml
        section: the whole section with them
    """

    name: str
    changes: dict[str, Any]
    section: Student


def designs_of(params: Params) -> list[Design]:
    """Return each design of params.yaml at each temperature; a loss that does not look at it comes once.

    Raises:
        BadInputError: where a design has a key or a value that the section student would not take.
    """
    found: list[Design] = []
    for name, changes in params.sweep.designs.items():
        where = f"{PARAMS_FILE}: sweep.designs.{name}"
        swept = [key for key in changes if key in _SWEPT]
        if swept:
            raise BadInputError(f"{where}.{swept[0]}: the sweep varies it by itself: sweep.seeds, sweep.temperatures")
        plain = _section(params, changes, name)
        if not _looks_at_temperature(plain.output_loss):
            found.append(Design(name, dict(changes), plain))
            continue
        for temperature in params.sweep.temperatures:
            all_changes = {**changes, "temperature": temperature}
            title = name if len(params.sweep.temperatures) == 1 else f"{name}, temperature {temperature:g}"
            found.append(Design(title, all_changes, _section(params, all_changes, name)))
    for number, design in enumerate(found):
        same = next((other for other in found[:number] if other.section == design.section), None)
        if same is not None:
            raise BadInputError(
                f"{PARAMS_FILE}: sweep.designs: {same.name!r} and {design.name!r} are the same numbers; leave one of them out"
            )
    return found


def _section(params: Params, changes: dict[str, Any], name: str) -> Student:
    where = f"sweep.designs.{name}"
    try:
        found = Student.model_validate({**params.student.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([where, *map(str, first["loc"])])
        message = "no such key of the section student" if first["type"] == "extra_forbidden" else first["msg"]
        raise BadInputError(f"{PARAMS_FILE}: {place}: {message}") from None
    if found.label_loss != "none" and not params.labelled.target_labels:
        raise BadInputError(f"{PARAMS_FILE}: {where}.label_loss: it needs labelled.target_labels: true")
    return checked_student(Path(PARAMS_FILE), where, found)


def _looks_at_temperature(name: str) -> bool:
    """Say whether an output loss gives other values at another temperature."""
    import torch

    from kdmodels.loss_choice import loss_of_kind

    loss = loss_of_kind(name, "output")
    if loss is None:
        return False
    random = torch.Generator().manual_seed(0)
    logits = [torch.randn(4, 3, generator=random) for _ in range(2)]
    one, two = (loss(*logits, temperature=temperature) for temperature in (1.0, 3.0))
    return not torch.equal(one, two)
