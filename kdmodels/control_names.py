"""What the words of `control.chosen` mean: a control, or one of the trained ones and a seed of its own."""

from kdmodels.errors import BadInputError

PLAIN = ("tf_idf",)
TRAINED = ("hard_labels", "random_weights", "target_labels")
STUDENT = "student"
_SEED = "_seed_"


def kind_and_seed(name: str) -> tuple[str, int | None]:
    """Return what `hard_labels` or `hard_labels_seed_2` is, and its seed where it has one of its own.

    Raises:
        BadInputError: for any other word.
    """
    kind, mark, number = name.partition(_SEED)
    seeded = kind in (STUDENT, *TRAINED) and number.isdecimal() and number == str(int(number))
    if (mark and not seeded) or (not mark and kind not in (*PLAIN, *TRAINED)):
        raise BadInputError(
            f"{name!r}; allowed: {', '.join((*PLAIN, *TRAINED))}; and, to train once more with another seed, "
            f"{', '.join(f'{one}{_SEED}N' for one in (STUDENT, *TRAINED))}"
        )
    return kind, int(number) if mark else None


def check_first(names: list[str]) -> list[str]:
    """Return the words as they are, where each further training of a control stands beside its first.

    Raises:
        BadInputError: where the control itself is not among them, or a word is none of those there are.
    """
    for name in names:
        kind, seed = kind_and_seed(name)
        if seed is not None and kind != STUDENT and kind not in names:
            raise BadInputError(f"{name!r}: its first training is missing; put {kind} beside it")
    return names
