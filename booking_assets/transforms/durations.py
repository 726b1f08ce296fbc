"""Spans of time as numbers of hours or minutes.

What lives here: the one exact way in which marts turn microseconds into hours and minutes.
What must not: days (`rules.days`), a rule of one mart.
Read more: `rules.days`, which divides likewise.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


def hours(microseconds: pl.Expr) -> pl.Expr:
    """Microseconds in hours, as a fraction."""
    return _in(_HOUR, microseconds)


def minutes(microseconds: pl.Expr) -> pl.Expr:
    """Microseconds in minutes, as a fraction."""
    return _in(_MINUTE, microseconds)


def _in(unit: timedelta, microseconds: pl.Expr) -> pl.Expr:
    # Divided by a constant, the last digit would depend on how many rows there are; by a column,
    # it does not.
    divisor = unit // timedelta(microseconds=1) + 0 * microseconds
    return microseconds / divisor
