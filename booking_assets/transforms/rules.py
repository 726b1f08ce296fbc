"""Expressions that the rules of all marts share: text comparison, first match, durations, as_of.

The rules of one mart are in its own module.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl

from booking_assets.tables.contract import State, Table
from booking_assets.tables.names import name_columns

NO_TIMEZONES = pl.DataFrame(schema={"organization": pl.String, "timezone": pl.String})
"""No organization has a time zone: offsets decide where its days and weeks begin."""


def normalized(column: str) -> pl.Expr:
    """A status in lower case without surrounding blanks, for comparison; null is null."""
    return pl.col(column).str.strip_chars().str.to_lowercase()


def equals_ignoring_case(column: str, value: str) -> pl.Expr:
    """Whether a status is `value`, without case and surrounding blanks; false where null."""
    return normalized(column).eq_missing(pl.lit(value.lower()))


def first_match(*rules: tuple[pl.Expr, str | None], otherwise: str) -> pl.Expr:
    """The value of the first rule whose condition is true, not false or null; else `otherwise`."""
    value = pl.lit(otherwise)
    for condition, answer in reversed(rules):
        value = pl.when(condition).then(pl.lit(answer, dtype=pl.String)).otherwise(value)
    return value


def state(column: State, *rules: tuple[pl.Expr, str | None], otherwise: str) -> pl.Expr:
    """`first_match` for a state column.

    Raises:
        ValueError: The words of the rules are not those that the column declares.
    """
    given = {word for _, word in rules if word is not None} | {otherwise}
    if differing := given ^ column.words.keys():
        raise ValueError(f"declared or given, but not both: {', '.join(sorted(differing))}")
    return first_match(*rules, otherwise=otherwise)


def days(duration: pl.Expr) -> pl.Expr:
    """A duration in days, as a fraction to the microsecond; may be negative."""
    return _in(timedelta(days=1), duration.dt.total_microseconds())


def hours(microseconds: pl.Expr) -> pl.Expr:
    """Microseconds in hours, as a fraction."""
    return _in(timedelta(hours=1), microseconds)


def minutes(microseconds: pl.Expr) -> pl.Expr:
    """Microseconds in minutes, as a fraction."""
    return _in(timedelta(minutes=1), microseconds)


def local_time(column: str, zone: str | None = None, offset: str | None = None) -> pl.Expr:
    """The local time of an instant, still typed as UTC, in the years 1 to 9999.

    It is that of a time zone; without one, that of the column with the `offset` in minutes. By
    default this is the time as written: the API writes each instant of `raw.events` with an offset,
    which `<column>_offset_minutes` keeps. A null offset means UTC.
    """
    if zone is None:
        minutes_east = pl.col(offset or f"{column}_offset_minutes").fill_null(0)
        local = pl.col(column) + pl.duration(minutes=minutes_east)
    else:
        local = pl.col(column).dt.convert_time_zone(zone).dt.replace_time_zone("UTC")
    # Python and DuckDB's clients read no other years.
    return local.clip(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def by_time_zone(
    events: pl.DataFrame, timezones: pl.DataFrame
) -> Iterator[tuple[str | None, pl.DataFrame]]:
    """The events of each time zone, and first those of organizations without one.

    Args:
        events: Rows with an `organization`.
        timezones: The IANA name of an organization's time zone: (organization, timezone).
    """
    yield None, events.join(timezones, on="organization", how="anti")
    for (zone,), organizations in timezones.group_by("timezone"):
        yield str(zone), events.join(organizations, on="organization", how="semi")


def with_as_of(events: pl.DataFrame, as_of: pl.DataFrame) -> pl.DataFrame:
    """The events with their organization's `as_of`.

    Organizations without events may have an `as_of`, too.

    Raises:
        ValueError: An organization has events and no `as_of`.
        polars.exceptions.ComputeError: An organization has more than one `as_of`.
    """
    dated = events.join(
        as_of.select("organization", "as_of"), on="organization", how="left", validate="m:1"
    )
    undated = dated.filter(pl.col("as_of").is_null())["organization"].unique().sort()
    if not undated.is_empty():
        raise ValueError(
            f"events of {', '.join(undated)} are stored, but no complete collection of them is "
            "logged in raw.collections: collect these organizations again"
        )
    return dated


def conform_to(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The frame with a table's columns, in order and typed, sorted by the grain, nulls first.

    Columns with names that the frame lacks are null: `names.with_names` fills them.
    """
    absent = [name for name in name_columns(table) if name not in frame.columns]
    columns = [
        (pl.lit(None) if name in absent else pl.col(name)).cast(dtype).alias(name)
        for name, dtype in table.dtypes.items()
    ]
    return frame.select(columns).sort(table.grain)


def _in(unit: timedelta, microseconds: pl.Expr) -> pl.Expr:
    # By a constant, polars multiplies with the reciprocal in frames of two and more rows: the last
    # digit would depend on the number of rows. By a column, it divides exactly.
    return microseconds / (unit // timedelta(microseconds=1) + 0 * microseconds)
