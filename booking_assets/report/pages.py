"""Renders pages with Jinja2, which escapes every value; charts and styles are in `templates`.

The cells of tables are written here, a row at once, and the bars of a chart: Jinja2 takes several
times as long for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from booking_assets.report.content import BarChart, Column, Curve, HeatMap, Page
from booking_assets.report.scope import Clock

TEXT_CHARACTERS = 160
"""Characters of a text that a cell shows at most."""

_UNKNOWN = Markup('<span class="unknown">unknown</span>')
_DRAWN = ("bar", "curve")
_WIDTH, _HEIGHT, _DAYS = 150, 34, 60
_BARS_LEFT, _BARS_WIDTH = 36, 322
_NOVEMBER = 11
"""A chart that begins in it or later names no year there: that of January is too close."""


def organization_html(page: Page, clock: Clock) -> str:
    """An organization's page."""
    return _environment().get_template("organization.html").render(page=page, clock=clock)


def index_html(entries: Sequence[Mapping[str, Any]], published: datetime | None) -> str:
    """The index over all organizations; those with the same problem share a row."""
    clock = Clock()
    problems: dict[tuple[object, ...], list[str]] = {}
    for entry in entries:
        fresh = entry["freshness"]
        if not (fresh["is_current"] and fresh["is_published"]):
            since = clock.instant(fresh["failing_since"])
            key = (since, fresh["reason"], fresh["remedy"], not fresh["is_published"])
            problems.setdefault(key, []).append(entry["label"])
    template = _environment().get_template("index.html")
    return template.render(entries=entries, problems=problems, published=published, clock=clock)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "shown": _shown,
        "cells": _cells,
        "heat_cells": _heat_cells,
        "bars": _bars,
        "curve_path": curve_path,
        "curve_y": curve_y,
        "age": age,
    }
    return environment


@jinja2.pass_context
def _shown(context: jinja2.runtime.Context, value: object, kind: str = "text") -> Markup:
    """A value as people read it, of a pair the second smaller; None is unknown."""
    return Markup(_html(context["clock"], value, kind))  # noqa: S704 - texts are escaped there


@jinja2.pass_context
def _cells(
    context: jinja2.runtime.Context,
    row: Sequence[object],
    columns: Sequence[Column],
    drawing: Callable[[object, str], str],
) -> Markup:
    """The cells of a table's row, the first one its heading; `drawing` draws bars and curves."""
    clock = context["clock"]

    def shown(value: object, kind: str) -> str:
        return drawing(value, kind).strip() if kind in _DRAWN else _html(clock, value, kind)

    heading, *others = (
        f' class="{column.kind}">{shown(value, column.kind)}'
        for column, value in zip(columns, row, strict=True)
    )
    cells = (f"<td{cell}</td>" for cell in others)
    return Markup(f'<th scope="row"{heading}</th>{"".join(cells)}')  # noqa: S704 - escaped above


def _heat_cells(values: Sequence[float], heat_map: HeatMap) -> Markup:
    """The shaded cells of an hour."""
    cells = (
        f'<td class="heat-{heat_map.shade(value)}">{f"{value:.1f}" if value else "0"}</td>'
        for value in values
    )
    return Markup("".join(cells))  # noqa: S704 - numbers


def _bars(chart: BarChart) -> Markup:
    """The bars of a chart from left to right, each with the first letter of its month."""
    width = _BARS_WIDTH / len(chart.bars)
    base = chart.y(0)
    written = []
    for place, bar in enumerate(chart.bars):
        x = _BARS_LEFT + place * width
        middle = f'<text class="tick mid" x="{x + width / 2:.1f}"'
        if bar.ratio is not None:
            y = chart.y(bar.ratio)
            written.append(
                f'<rect class="{"open" if bar.is_open else "fill"}" x="{x + 1.5:.1f}" y="{y:.1f}"'
                f' width="{width - 3:.1f}" height="{max(base - y, 1):.1f}">'
                f"<title>{bar.month:%b %Y}: {_number(bar.ratio, 'percent')}</title></rect>"
            )
        elif bar.is_unknown:
            written.append(f'{middle} y="{base - 4}">?</text>')
        written.append(f'{middle} y="124">{f"{bar.month:%b}"[0]}</text>')
        if bar.month.month == 1 or (not place and bar.month.month < _NOVEMBER):
            year = bar.month.year
            written.append(f'<text class="tick year" x="{x + 2:.1f}" y="137">{year}</text>')
    return Markup("\n".join(written))  # noqa: S704 - numbers and months


def _html(clock: Clock, value: object, kind: str) -> str:
    if value is None:
        return _UNKNOWN
    if isinstance(value, int | float):
        return _number(value, kind)
    if not isinstance(value, tuple):
        return escape(_text(clock, value, kind).strip())
    first, second = value
    shown = _html(clock, first, kind)
    return f"{shown}<small>{_html(clock, second, 'text')}</small>" if second else shown


def _number(value: float, kind: str) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.0%}" if kind in ("percent", "bar") else f"{value:,.1f}"


def _text(clock: Clock, value: object, kind: str) -> str:
    if isinstance(value, datetime):
        return clock.instant(value) or ""
    if isinstance(value, date):
        return f"{value:%b %Y}" if kind == "month" else clock.day(value) or ""
    text = str(value)
    return text if kind == "whole" or len(text) <= TEXT_CHARACTERS else f"{text[:TEXT_CHARACTERS]}…"


def age(minutes: float) -> str:
    """An age as people say it: `25 min`, `3 h`, `2 days`."""
    if minutes < 120:  # noqa: PLR2004 - two hours
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"


def curve_y(curve: Curve, number: int) -> str:
    """The height of a number of seats in the drawing."""
    top = max([curve.maximum or 0, 1, *(seats for _, seats in curve.steps if seats is not None)])
    return f"{1 + _HEIGHT * (1 - number / top):.1f}"


def curve_path(curve: Curve) -> str:
    """The steps as an SVG path; unknown stretches are gaps."""
    path, is_drawing = "", False
    for day, seats in curve.steps:
        if seats is None:
            is_drawing = False
            continue
        x, y = f"{_WIDTH * (1 + day / _DAYS):.1f}", curve_y(curve, seats)
        path += f"H{x}V{y}" if is_drawing else f"M{x} {y}"
        is_drawing = True
    return path
