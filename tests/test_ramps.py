"""A ramp goes from its first value to its last, as its shape says."""

import pytest

from kdmodels.errors import BadInputError
from kdmodels.ramps import Ramp, constant


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        ("constant", [4.0, 4.0, 4.0, 4.0]),
        ("linear", [4.0, 3.5, 3.0, 2.0]),
        ("cosine", [4.0, 3.7071068, 3.0, 2.0]),  # 4 - (1 - cos(pi / 4)) at a quarter
    ],
)
def test_values_by_hand_at_the_start_a_quarter_a_half_and_the_end(shape: str, values: list[float]) -> None:
    ramp = Ramp(4.0, 2.0, shape)
    assert [ramp.at(share) for share in (0.0, 0.25, 0.5, 1.0)] == pytest.approx(values)


def test_outside_the_training_the_nearer_end_counts() -> None:
    assert Ramp(1.0, 3.0, "linear").at(-0.5) == 1.0
    assert Ramp(1.0, 3.0, "linear").at(1.5) == 3.0
    assert constant(0.7).at(0.9) == 0.7


def test_another_shape_is_refused() -> None:
    with pytest.raises(BadInputError, match="'steps' of a ramp is none of: constant, linear, cosine"):
        Ramp(1.0, 2.0, "steps")
