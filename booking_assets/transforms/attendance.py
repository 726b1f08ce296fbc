"""Rules of `marts.attendance_by_event`: who came, of the registrations that take a seat."""

from __future__ import annotations

import polars as pl

from booking_assets.tables.capacity import ATTENDANCE_BY_EVENT, CAPACITY_BY_EVENT
from booking_assets.transforms.rules import conform_to
from booking_assets.transforms.seats import KEY, WITHDRAWN, with_seat

CAPACITY_COLUMNS: tuple[str, ...] = tuple(
    name for name in ATTENDANCE_BY_EVENT.column_names if name in CAPACITY_BY_EVENT.column_names
)
"""The columns of `marts.capacity_by_event` that `attendance_by_event` reads."""


def attendance_by_event(by_event: pl.DataFrame, registrations: pl.DataFrame) -> pl.DataFrame:
    """`marts.attendance_by_event`: the registrations of each event, by attendance.

    Events without registrations, or with unknown ones, have no row. The rates are over those who
    are marked as present or absent.

    Args:
        by_event: Rows of `marts.capacity_by_event`.
        registrations: Rows of `raw.registrations`.
    """
    known = by_event.select(CAPACITY_COLUMNS).filter(pl.col("seats_as_of").is_not_null())
    attendance = pl.col("attendance").fill_null("")
    marks = {
        "present": attendance.is_in(["present", "attended"]),
        "absent": attendance == "absent",
        "incomplete": attendance == "incomplete",
        "unmarked": attendance.is_in(["", "pending"]),
    }
    is_taken = pl.col("seat").is_in(["confirmed", "invited"])
    marked = pl.col("present") + pl.col("absent")
    has_rates = (pl.col("lifecycle_status") == "Completed") & (marked > 0)
    return conform_to(
        with_seat(registrations, known)
        .group_by(KEY)
        .agg(
            is_taken.sum().alias("taken"),
            *((is_taken & mark).sum().alias(name) for name, mark in marks.items()),
            (is_taken & ~pl.any_horizontal(*marks.values())).sum().alias("other"),
            (attendance == WITHDRAWN).sum().alias("withdrawn"),
        )
        .join(known, on=KEY, validate="1:1")
        .with_columns(
            attendance_rate=pl.when(has_rates).then(pl.col("present") / marked),
            no_show_rate=pl.when(has_rates).then(pl.col("absent") / marked),
        ),
        ATTENDANCE_BY_EVENT,
    )
