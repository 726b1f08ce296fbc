"""Draws a plot of each axis of growth: seconds, CPU seconds and peak memory by size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from benchmarks.growth import Point

_INCHES = (8, 3.2)


def draw(axis: str, points: Sequence[Point], path: Path) -> None:
    """Write the plot of an axis."""
    # Text stays text: the file is small and its diffs can be read.
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "booking-assets"
    sizes = [one.size for one in points]
    figure = Figure(figsize=_INCHES, layout="constrained")
    cost, memory = figure.subplots(1, 2)
    cost.plot(sizes, [one.measured.seconds for one in points], marker="o", label="seconds")
    cost.plot(sizes, [one.measured.cpu_seconds for one in points], marker="s", label="CPU seconds")
    cost.set(xscale="log", yscale="log", ylabel="seconds")
    cost.legend()
    memory.plot(sizes, [one.measured.peak_mib for one in points], marker="o")
    memory.set(xscale="log", ylabel="peak of the process tree, MiB", ylim=(0, None))
    for axes in (cost, memory):
        axes.set_xlabel(axis)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
