"""The results in Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from benchmarks.core import Measured, Row, Spread

__all__ = ["Circumstances", "markdown", "measured", "target", "verdict"]

PACKAGES = (
    "django-avp",
    "Django",
    "cedarpy",
    "PyJWT",
    "cryptography",
    "joserfc",
    "boto3",
    "botocore",
    "djangorestframework",
    "django-guardian",
    "rules",
    "django-cognito-jwt",
    "redis",
)
CLOCKS = {"cpu": "CPU", "wall": "wall", "": ""}


@dataclass(slots=True)
class Circumstances:
    """When and on what a run was; nothing that tells whose machine it is."""

    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    load: list[float] = field(default_factory=lambda: [os.getloadavg()[0]])
    minutes: float = 0

    def end(self) -> None:
        """Note the end of the run."""
        self.load.append(os.getloadavg()[0])
        self.minutes = (datetime.now(UTC) - self.begun).total_seconds() / 60

    def lines(self) -> Iterator[str]:
        """Sentences about the run."""
        begin, end = self.load
        yield f"Measured on {self.begun:%Y-%m-%d} in one run of {self.minutes:.0f} minutes, by `make bench`."
        yield (
            f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} "
            f"({platform.machine()}), {os.cpu_count()} CPUs; the load average was {begin:.1f} at the beginning and "
            f"{end:.1f} at the end, of which the run itself is about 1."
        )


def versions() -> Iterator[tuple[str, str]]:
    """The packages that are compared."""
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, "not installed"


def verdict(is_reached: bool | None) -> str:
    """What is said of a target."""
    return "" if is_reached is None else "reached" if is_reached else "**missed**"


def markdown(groups: Sequence[Measured], circumstances: Circumstances) -> str:
    """The whole document."""
    return "\n".join(_lines(groups, circumstances)) + "\n"


def _lines(groups: Sequence[Measured], circumstances: Circumstances) -> Iterator[str]:
    yield "# Results"
    yield ""
    yield "`make bench` writes this page. [Another one](README.md) tells how it measures, and what each row is."
    yield from circumstances.lines()
    yield ""
    yield "![How far each target is reached](results.svg)"
    yield ""
    yield "## Targets"
    yield ""
    yield "| | what | measured | target | | clock | medians (quartiles) |"
    yield "|---|---|---|---|---|---|---|"
    for group in groups:
        for row, value, is_reached in group.reached():
            yield _row(group, row, value, is_reached)
    for group in groups:
        yield from _group(group)
    yield ""
    yield "## Versions"
    yield ""
    yield "| package | version |"
    yield "|---|---|"
    yield from (f"| {name} | {number} |" for name, number in versions())


def _row(group: Measured, row: Row, value: float, is_reached: bool | None) -> str:
    spreads = [group.spreads[name] for name in row.names]
    medians = {"ratio": " / ", "difference": " − "}[row.kind].join(_figures(spread) for spread in spreads)
    cells = [row.id, row.says, measured(row, value, group), target(row), verdict(is_reached)]
    return f"| {' | '.join([*cells, CLOCKS[spreads[0].clock], medians])} |"


def measured(row: Row, value: float, group: Measured) -> str:
    """A row's value with what it is of."""
    if row.against and row.kind == "ratio":
        return f"{_short(value)} ×"
    return f"{_short(value)} {group.spreads[row.case].unit}"


def target(row: Row) -> str:
    """What a row's value is to be."""
    if row.at_most is not None:
        return f"≤ {row.at_most:g}"
    return "" if row.at_least is None else f"≥ {row.at_least:g}"


def _group(group: Measured) -> Iterator[str]:
    yield ""
    yield f"## {group.title}"
    yield ""
    yield "| case | median | quartiles | samples | clock |"
    yield "|---|---|---|---|---|"
    for name, spread in group.spreads.items():
        quartiles = f"{_short(spread.low)} – {_short(spread.high)}"
        yield (
            f"| {name} | {_short(spread.median)} {spread.unit} | {quartiles} | {spread.samples} | "
            f"{CLOCKS[spread.clock]} |"
        )
    if group.notes:
        yield ""
        yield from group.notes


def _figures(spread: Spread) -> str:
    return f"{_short(spread.median)} ({_short(spread.low)}–{_short(spread.high)}) {spread.unit}"


def _short(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
