"""Where the time of one case goes: ``python -m benchmarks --only pages --profile django-avp``."""

from __future__ import annotations

import cProfile
import pstats

from benchmarks.core import Group, Wrong

__all__ = ["profile"]

CALLS = 200
LINES = 30


def profile(group: Group, name: str) -> None:
    """Print the functions that a case spends most time in; all of them take longer than without a profile.

    Raises:
        Wrong: there is no such case.
    """
    case = next((case for case in group.cases if case.name == name), None)
    if case is None:
        raise Wrong(f"These are the cases: {', '.join(repr(case.name) for case in group.cases)}.")
    profiler = cProfile.Profile()
    for _ in range(CALLS):
        case.prepare()
        profiler.runcall(case.run)
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(LINES)
