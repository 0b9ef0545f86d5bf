"""How fast models are on this machine."""

import time
from collections.abc import Callable
from statistics import median


def sentences_per_second(models: dict[str, Callable[[], int]], repeats: int) -> dict[str, float]:
    """Return each model's median speed.

    The models take turns, so that what else the machine does falls on all alike; a first turn is not counted.

    Args:
        models: name to a function that reads some texts and returns how many
    """
    speeds: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(repeats + 1):
        for name, read in models.items():
            start = time.perf_counter()
            texts = read()
            speed = texts / (time.perf_counter() - start)
            if turn:
                speeds[name].append(speed)
    return {name: median(values) for name, values in speeds.items()}
