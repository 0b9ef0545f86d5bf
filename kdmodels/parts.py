"""Parts of a corpus, by their names: `all`, or 1_of_4 to 4_of_4; and which text belongs to which."""

import re
from collections.abc import Sequence

from kdmodels.errors import BadInputError

WHOLE = "all"  # the one part of what is not split
_NAME = re.compile(r"([1-9][0-9]{0,2})_of_([1-9][0-9]{0,2})")


def place_of(name: str) -> tuple[int, int]:
    """Return which part a name means, counted from 1, and of how many.

    Raises:
        BadInputError: where it is no name of a part.
    """
    if name == WHOLE:
        return 1, 1
    found = _NAME.fullmatch(name)
    number, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= count or count == 1:
        raise BadInputError(f"{name!r} is no name of a part; {_EXPECTED}")
    return number, count


def check_complete(names: Sequence[str]) -> None:
    """Refuse names that are not all the parts of one split, in any order.

    Raises:
        BadInputError: with what is missing, or does not belong there.
    """
    places = {name: place_of(name) for name in names}
    count = max((count for _, count in places.values()), default=0)
    for name, (_, other) in places.items():
        if other != count:
            raise BadInputError(f"{name!r} is no part of a split into {count}; {_EXPECTED}")
    if len(places) != len(names):
        raise BadInputError(f"a part stands in it twice; {_EXPECTED}")
    missing = [f"{number}_of_{count}" for number in range(1, count + 1) if (number, count) not in places.values()]
    if missing or not names:
        raise BadInputError(f"{', '.join(missing) or 'every part'} is missing; {_EXPECTED}")


_EXPECTED = "expected: [all], or every part of one split, such as [1_of_2, 2_of_2]"


def belongs(text_hash: str, name: str) -> bool:
    """Say whether a text, by its content address in hex, belongs to a part.

    It depends on the text alone: it stays in its part when others join, and targets that share it find it in the same.
    """
    number, count = place_of(name)
    return int(text_hash, 16) % count == number - 1
