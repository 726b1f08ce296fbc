"""Draws the plot: seconds by events, and by organizations that share the same events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from benchmarks.report import Findings
from benchmarks.sandbox import Case

_INCHES = (10, 4)
_MARKS = "osD^vP*"


def draw(findings: Findings, path: Path) -> None:
    """Write the plot."""
    # Text stays text: the file is small and its diffs can be read.
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "booking-assets"
    shared = {one.case.events for one in findings.results if one.case.organizations > 1}
    figure = Figure(figsize=_INCHES, layout="constrained")
    left, *right = figure.subplots(1, 2 if shared else 1, squeeze=False)[0]
    _panel(left, findings, lambda case: case.organizations == 1, lambda case: case.events)
    left.set_xlabel("events of one organization")
    for axes in right:
        _panel(axes, findings, lambda case: case.events in shared, lambda case: case.organizations)
        axes.set_xlabel(
            f"organizations that share {', '.join(f'{one:,}' for one in shared)} events"
        )
    figure.legend(*left.get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    figure.savefig(path, metadata={"Date": None})


def _panel(
    axes: Axes, findings: Findings, is_here: Callable[[Case], bool], place: Callable[[Case], int]
) -> None:
    page_size = findings.results[0].case.page_size
    results = [
        one for one in findings.results if is_here(one.case) and one.case.page_size == page_size
    ]
    names = dict.fromkeys(one.contestant for one in findings.results)
    for name, mark in zip(names, _MARKS, strict=False):
        points = sorted((place(one.case), one.seconds) for one in results if one.contestant == name)
        axes.plot(
            [x for x, _ in points], [seconds for _, seconds in points], marker=mark, label=name
        )
    extrapolated = sorted(
        (place(case), peer.seconds)
        for case in {one.case for one in results}
        if (peer := findings.peer(case)) and not peer.is_measured
    )
    if extrapolated:
        axes.plot(
            [x for x, _ in extrapolated],
            [seconds for _, seconds in extrapolated],
            linestyle=":",
            marker="x",
            color="gray",
            label="dlt, extrapolated",
        )
    axes.set(xscale="log", yscale="log", ylabel="seconds")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(visible=True, alpha=0.3)
