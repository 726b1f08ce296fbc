"""What the rules of all marts share: how statuses compare, which rule wins, what instant it is.

What lives here: conventions that `docs/tables.md` states once for every mart, stated once.
What must not: a rule of one mart (its own module).
Read more: `docs/marts.md`.
"""

from __future__ import annotations

import polars as pl

from booking_assets.tables.contract import Table

MICROSECONDS_A_DAY = 24 * 60 * 60 * 1_000_000


def normalized(column: str) -> pl.Expr:
    """The text of a status as it is compared: no surrounding blanks, lower case; null is null."""
    return pl.col(column).str.strip_chars().str.to_lowercase()


def equals_ignoring_case(column: str, value: str) -> pl.Expr:
    """Whether a status is `value`, whatever its case and surrounding blanks; false where null."""
    return normalized(column).eq_missing(pl.lit(value.lower()))


def first_match(*rules: tuple[pl.Expr, str | None], otherwise: str) -> pl.Expr:
    """The value of the first rule whose condition is true: false and null conditions do not match.

    Args:
        *rules: Pairs of a boolean condition and the value where it is the first that holds.
        otherwise: The value where none holds.
    """
    value = pl.lit(otherwise)
    for condition, answer in reversed(rules):
        value = pl.when(condition).then(pl.lit(answer, dtype=pl.String)).otherwise(value)
    return value


def days(duration: pl.Expr) -> pl.Expr:
    """A duration in days, as a fraction to the microsecond; negative where it runs backwards."""
    microseconds = duration.dt.total_microseconds()
    # Divided by a constant, polars multiplies by the reciprocal in frames of two and more rows: the
    # last digit would depend on how many events there are. A column is divided by exactly.
    one_day = MICROSECONDS_A_DAY + 0 * microseconds
    return microseconds / one_day


def local_time(column: str) -> pl.Expr:
    """What a clock at the venue shows at an instant of `raw.events`, still typed as UTC.

    The API writes each instant with an offset, which `<column>_offset_minutes` keeps; where it is
    null the local time is taken to be UTC.
    """
    return pl.col(column) + pl.duration(minutes=pl.col(f"{column}_offset_minutes").fill_null(0))


def with_as_of(events: pl.DataFrame, as_of: pl.DataFrame) -> pl.DataFrame:
    """The events, each with the instant that its organization's answers are for.

    Args:
        events: Rows of `raw.events`, with `organization` among their columns.
        as_of: `organization` and `as_of` (microseconds, UTC), one row an organization.
            Organizations without events may be among them.

    Raises:
        ValueError: An organization has events and no `as_of`; its events must not vanish.
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
    """The frame with exactly a table's columns, order and types, its rows sorted by the grain.

    Nulls sort first. polars keeps no order through joins and groups; sorting makes the same rows
    the same frame.
    """
    columns = [pl.col(name).cast(dtype) for name, dtype in table.dtypes.items()]
    return frame.select(columns).sort(table.grain)
