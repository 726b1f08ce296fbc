"""A page says the same, whether all rows of its organization are read, or those that it shows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from booking_assets.report import writing
from booking_assets.report.rows import BOOKING, Frames, ShownRows
from booking_assets.report.scope import BOOKINGS, COLUMNS, is_long, is_room_event
from booking_assets.tables.capacity import ATTENDANCE_BY_EVENT, CAPACITY_BY_EVENT
from booking_assets.tables.marts import EVENT_CHANGES
from booking_assets.tables.raw import EVENTS
from booking_assets_tests.report.conftest import World

MOVED = """
    UPDATE marts.capacity_by_event SET local_date = local_date + INTERVAL {by},
        event_scheduled_start = event_scheduled_start + INTERVAL {by},
        event_scheduled_end = event_scheduled_end + INTERVAL {by}
"""
CHANGED = """
    INSERT INTO marts.event_changes (organization, event_identifier, changed_at, change,
        column_name, old_value, new_value, sequence)
    SELECT organization, event_identifier, as_of + INTERVAL 1 HOUR, 'updated', 'venue_room', 'A',
        'B', 1000
    FROM marts.capacity_by_event WHERE event_number % 7 = 0
"""
LATER = "UPDATE marts.organization_freshness SET events_as_of = events_as_of + INTERVAL 1 HOUR"
Arrange = Callable[[pytest.MonkeyPatch], None]


def of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out no row but those of changes that an earlier report had."""

    def everything(self: ShownRows, part: Frames) -> dict[str, pl.DataFrame]:
        changes, attended = EVENT_CHANGES.name, ATTENDANCE_BY_EVENT.name
        by_event = pl.lit(1, pl.Int64)
        booked = part[CAPACITY_BY_EVENT.name].filter(is_room_event(), ~is_long())
        key = ["organization", "event_identifier"]
        bookings = booked.join(part[EVENTS.name], on=key, how="left").select(BOOKING)
        return dict(part) | {
            BOOKINGS: bookings,
            changes: self.new(part[changes]),
            attended: part[attended].with_columns(events=by_event),
        }

    monkeypatch.setattr(ShownRows, ShownRows.reduced.__name__, everything)


def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PART_ROWS", 30)


def written(world: World, folder: Path) -> dict[str, str]:
    """The pages of a report and the one after it, an hour later."""
    folder.mkdir()
    snapshot = folder / world.snapshot.name
    shutil.copyfile(world.snapshot, snapshot)
    own = World(snapshot, folder / "report", world.slugs)
    pages = {}
    for time in ("first", "second"):
        report = own.write()
        for name, path in (("index", report.index), *report.pages.items()):
            pages[f"{time} {name}"] = path.read_text("utf-8")
        own.change(CHANGED, LATER)
    return pages


@pytest.mark.parametrize(
    ("moved", "zone"),
    [
        ("0 DAYS", "NULL"),
        ("-2 DAYS", "'Pacific/Kiritimati'"),
        ("-3 YEARS", "'Pacific/Pago_Pago'"),
        ("-3 YEARS", "NULL"),
        ("400 DAYS", "'Pacific/Kiritimati'"),
    ],
)
@pytest.mark.parametrize("arrange", [in_parts, of_all_rows])
def test_a_page_is_the_same_from_all_rows_and_from_those_that_it_shows(
    world: World,
    tmp_path: Path,
    arrange: Arrange,
    moved: str,
    zone: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.change(MOVED.format(by=f"'{moved}'"), f"UPDATE marts.organizations SET timezone = {zone}")
    expected = written(world, tmp_path / "shown")
    arrange(monkeypatch)
    assert written(world, tmp_path / "other") == expected


TWINS = """
    CREATE TEMP TABLE twins AS SELECT organization, event_identifier, md5(row_number() OVER (
        PARTITION BY organization ORDER BY event_identifier)::VARCHAR)::UUID AS twin
    FROM marts.capacity_by_event
"""
TWIN = """
    UPDATE {table} AS rows SET event_identifier = twin FROM twins
    WHERE rows.organization = twins.organization
        AND rows.event_identifier = twins.event_identifier
"""
SAME_PLACES = """
    UPDATE {table} SET {column} = md5((hash({column}) % 2)::VARCHAR)::UUID
    WHERE {column} IS NOT NULL
"""

SAME_ROOM = """
    UPDATE marts.capacity_by_event SET venue_room = 'A',
        event_scheduled_start = date_trunc('week', event_scheduled_start) + INTERVAL 10 HOURS,
        event_scheduled_end = date_trunc('week', event_scheduled_start) + INTERVAL 12 HOURS
    WHERE venue_room IS NOT NULL
"""


def test_organizations_with_the_same_identifiers_share_a_batch_and_no_row(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"venue_location_identifier", "achievement_identifier"}
    world.change(
        TWINS,
        *(TWIN.format(table=one.name) for one in COLUMNS if "event_identifier" in one.column_names),
        *(
            SAME_PLACES.format(table=one.name, column=column)
            for one in COLUMNS
            for column in places.intersection(one.column_names)
        ),
        SAME_ROOM,
    )
    shared = "SELECT count(DISTINCT event_identifier) < count(*) FROM marts.capacity_by_event"
    assert world.ask(shared) == [(True,)]
    together = written(world, tmp_path / "together")
    monkeypatch.setattr(writing, "_batches", lambda rows: [[slug] for slug in rows])
    assert written(world, tmp_path / "alone") == together
