"""The results as a picture: how far each target is reached, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.core import Measured, Row
from benchmarks.report import measured, target

__all__ = ["draw"]

# As far from white as from the background of dark pages; the two kinds differ in shape, too.
TEXT = "#797979"
REACHED, MISSED = ("#2a9d6f", "o", "reached"), ("#d9772b", "X", "missed")
# What the scale shows at least, and its marks: how many times as much as the target.
LEAST, MOST = 1 / 5, 5
MARKS = {1 / 16: "1/16", 1 / 4: "1/4", 1: "the target", 4: "4 times", 16: "16 times", 64: "64 times"}
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "django-avp",  # the same picture of the same figures
    "font.size": 10.5,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
}


def draw(groups: Sequence[Measured], path: Path) -> None:
    """Write the picture: left of the line is better than the target."""
    rows = [(group, *row) for group in groups for row in group.reached() if row[2] is not None]
    times = [_times(row, value) for _, row, value, _ in rows]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.5, 1.1 + 0.31 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        for height, (group, row, value, is_reached) in enumerate(rows):
            color, marker, label = REACHED if is_reached else MISSED
            axes.plot([1, times[height]], [height, height], color=color, linewidth=2.5, solid_capstyle="round")
            axes.plot(times[height], height, color=color, marker=marker, markersize=8, linestyle="", label=label)
            text = f"{measured(row, value, group)} ({target(row)})"
            axes.annotate(text, (1.02, height), xycoords=("axes fraction", "data"), va="center", annotation_clip=False)
        low, high = min([LEAST, *times]) / 1.2, max([MOST, *times]) * 1.2
        axes.axvline(1, color=TEXT, linewidth=1, zorder=0)
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_xticks([mark for mark in MARKS if low <= mark <= high])
        axes.set_xticklabels([name for mark, name in MARKS.items() if low <= mark <= high])
        axes.minorticks_off()
        axes.set_xlabel("← better · worse →")
        axes.set_yticks(range(len(rows)), [f"{row.says}  {row.id}" for _, row, _, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        named = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        figure.legend(named.values(), named.keys(), loc="outside upper right", ncols=2, frameon=False)
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


def _times(row: Row, value: float) -> float:
    """How many times as much as the target is; less is better, whichever way the target goes."""
    if row.at_most is not None:
        # What takes less than what it is compared with may be below nothing.
        return max(value / row.at_most, LEAST)
    return (row.at_least or 0) / value
