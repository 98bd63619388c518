"""``python -m benchmarks``: measures everything in one run, and writes the results beside this file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from benchmarks.core import Measured, Wrong
from benchmarks.plot import draw
from benchmarks.report import Circumstances, markdown
from benchmarks.workers import GROUPS, Worker, profile_case

HERE = Path(__file__).parent
QUICK_TURNS = 2


def measure(names: Sequence[str], *, seconds: float, seed: int, is_quick: bool) -> list[Measured]:
    """Let all groups alternate until the time is over.

    Raises:
        Wrong: a case gives a wrong answer.
    """
    workers: list[Worker] = []
    try:
        for number, name in enumerate(names):
            workers.append(Worker(name, seed=seed + number, is_quick=is_quick))
            workers[-1].get_ready()
        turns, until = 0, monotonic() + seconds
        while turns < QUICK_TURNS if is_quick else monotonic() < until:
            for worker in workers:
                worker.turn()
            turns += 1
        return [worker.close() for worker in workers]
    finally:
        for worker in workers:
            worker.stop()


def main() -> None:
    """Measure, print the results, and write them."""
    options = _options()
    circumstances = Circumstances()
    names = options.only or list(GROUPS)
    try:
        if options.profile:
            profile_case(names[0], options.profile)
            return
        groups = measure(names, seconds=options.minutes * 60, seed=options.seed, is_quick=options.quick)
    except Wrong as wrong:
        sys.exit(str(wrong))
    circumstances.end()
    text = markdown(groups, circumstances)
    if options.quick:
        with TemporaryDirectory() as directory:
            write(text, groups, Path(directory))
        cases = sum(len(group.spreads) for group in groups)
        print(f"{cases} cases in {len(groups)} groups run, and give the right answers; nothing was measured")
        return
    print(text)
    if not options.only:
        write(text, groups, options.output)


def write(text: str, groups: Sequence[Measured], directory: Path) -> None:
    """Write the results with their picture."""
    (directory / "RESULTS.md").write_text(text)
    draw(groups, directory / "results.svg")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="prove that all of it runs; nothing is measured or written"
    )
    parser.add_argument("--only", choices=GROUPS, action="append", help="a group; nothing is written (repeatable)")
    parser.add_argument("--profile", metavar="CASE", help="tell where the time of a case of the group goes, instead")
    parser.add_argument("--minutes", type=float, default=8, help="how long is measured (default: 8)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the cases (default: 1)")
    parser.add_argument("--output", type=Path, default=HERE, help="where results are written (default: beside this)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
