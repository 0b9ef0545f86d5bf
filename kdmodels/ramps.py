"""Numbers that change over a training: weights of losses, temperatures."""

import math
from dataclasses import dataclass

from kdmodels.errors import BadInputError

_SHAPES = ("constant", "linear", "cosine")


@dataclass(frozen=True)
class Ramp:
    """A number that goes from one value to another while a training goes on.

    Attributes:
        start: at the first step
        end: at the last step
        shape: constant (start, all the time), linear, or cosine: half a wave, slow at both ends

    Raises:
        BadInputError: where the shape is none of these.
    """

    start: float
    end: float
    shape: str

    def __post_init__(self) -> None:
        if self.shape not in _SHAPES:
            raise BadInputError(f"the shape {self.shape!r} of a ramp is none of: {', '.join(_SHAPES)}")

    def at(self, share: float) -> float:
        """Return the value where a share of the training is done; a share outside 0 to 1 counts as the nearer end."""
        done = min(1.0, max(0.0, share))
        if self.shape == "constant":
            return self.start
        if self.shape == "cosine":
            done = (1 - math.cos(math.pi * done)) / 2
        return self.start + (self.end - self.start) * done


def constant(value: float) -> Ramp:
    """Return a number that does not change."""
    return Ramp(value, value, "constant")
