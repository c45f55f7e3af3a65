"""Figures out of repeats: medians, percentiles, and arms that take turns.

The machine is shared and noisy, so an arm is only ever compared with another one of the same run
that took turns with it, and a figure is the median of at least five turns.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

REPEATS = 5


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of `values` lie."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def turns(arms: Sequence[str], repeats: int) -> Iterator[str]:
    """Every arm `repeats` times, taking turns; every other round goes backwards."""
    for number in range(repeats):
        yield from arms if number % 2 == 0 else reversed(arms)


def interleave(arms: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """What each arm returned on each of its turns."""
    found: dict[str, list[float]] = {name: [] for name in arms}
    for name in turns(list(arms), repeats):
        found[name].append(arms[name]())
    return found


def ratio(part: Sequence[float], whole: Sequence[float]) -> float:
    """The median over rounds of `part / whole`: both of a round met the same noise."""
    return round(median(a / b for a, b in zip(part, whole, strict=True)), 3)


def middle(values: Sequence[float], digits: int = 2) -> float:
    """The median, rounded."""
    return round(median(values), digits)


def say(result: Mapping[str, object]) -> int:
    """Print the one line of a bench; returns the exit code."""
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    return 0
