"""Losses chosen by name: the file of that name, checked to be of the kind that its slot wants."""

import inspect
from collections.abc import Callable
from typing import Literal

import torch

from kdmodels.choice import choices, choose
from kdmodels.errors import BadInputError

Kind = Literal["output", "hidden", "label"]

# A loss says its kind by what it takes.
_TAKEN: dict[Kind, tuple[str, ...]] = {
    "output": ("student_BC", "teacher_BC", "temperature"),
    "hidden": ("student_BH", "teacher_BH"),
    "label": ("student_BC", "labels_B"),
}


def loss_of_kind(name: str, kind: Kind) -> Callable[..., torch.Tensor] | None:
    """Return the loss of a name, a value a row; none for the name `none`.

    Raises:
        BadInputError: where there is no such loss, or it is of another kind; with those of this kind.
    """
    if name == "none":
        return None
    function: Callable[..., torch.Tensor] = getattr(choose("losses", name), name)
    if tuple(inspect.signature(function).parameters) != _TAKEN[kind]:
        raise BadInputError(
            f"the loss {name!r} cannot stand in student.{kind}_loss; those that can: {', '.join(losses_of_kind(kind))}, none"
        )
    return function


def losses_of_kind(kind: Kind) -> list[str]:
    """Return the names of the losses of one kind."""
    modules = {name: choose("losses", name) for name in choices("losses") if name != "none"}
    return [
        name for name, module in modules.items()
        if tuple(inspect.signature(getattr(module, name)).parameters) == _TAKEN[kind]
    ]  # fmt: skip
