"""Where batches end changes no mart: the same rows in any number of them are the same answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking_assets.pipeline.marts import EVENT, MARTS, DerivedMart
from booking_assets.settings import Organization, Settings
from booking_assets.tables.catalog import HISTORY_TABLES
from booking_assets.tables.marts import (
    EVENT_CHANGES,
    EVENT_HISTORY,
    ORGANIZATION_FRESHNESS,
    ROOM_CONFLICTS,
    ROOM_UTILIZATION,
)
from booking_assets.tables.names import VENUES
from booking_assets.tables.raw import (
    COLLECTIONS,
    EVENTS,
    NAME_OVERRIDES,
    REGISTRATIONS,
)
from booking_assets.transforms import bookings
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.transforms.laws import assert_same
from booking_assets_tests.transforms.rows import ACME, AS_OF, DAY, VENUE, events_frame, identifier
from booking_assets_tests.transforms.strategies import (
    MOST_EVENTS,
    ORGANIZATIONS,
    all_events,
    registration_frames,
)
from booking_assets_tests.warehouse.slice_loads import collection, put

PER_EVENT = [one for one in MARTS if one.table not in (*HISTORY_TABLES, ORGANIZATION_FRESHNESS)]
(HISTORY,) = [mart for mart in MARTS if mart.table is EVENT_HISTORY]
SETTINGS = Settings(
    root=Path(),
    source="the test",
    api=None,
    organizations=tuple(
        Organization(slug=slug, identifier=UUID(int=number), token_env="TOKEN")
        for number, slug in enumerate(ORGANIZATIONS)
    ),
    warehouse_path=Path(),
    snapshot_path=Path(),
)

# Each example opens a warehouse many times.
laws = settings(deadline=None, max_examples=min(5, settings().max_examples))
batch_rows = st.integers(1, MOST_EVENTS)


@contextmanager
def new_warehouse() -> Iterator[Warehouse]:
    with TemporaryDirectory() as folder:
        yield Warehouse(
            path=Path(folder) / "w.duckdb", snapshot=Path(folder) / "s.duckdb", memory_limit="192MB"
        )


def log(warehouse: Warehouse, *resources: str, days: int = 0) -> None:
    """Complete collections of both organizations, `days` after the first ones."""
    put(
        warehouse,
        COLLECTIONS,
        *(
            collection(slug, days, resource=resource, started_at=AS_OF + days * DAY)
            for slug in ORGANIZATIONS
            for resource in resources
        ),
    )


def stored_registrations(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with all columns of its table."""
    numbered = frame.with_row_index("position").with_columns(
        pl.col("position")
        .map_elements(identifier, return_dtype=pl.String)
        .alias("registration_identifier"),
        pl.lit(AS_OF, EVENTS.dtypes["collected_at"]).alias("collected_at"),
    )
    return pl.concat([REGISTRATIONS.empty(), numbered.drop("position")], how="diagonal")


def derived(warehouse: Warehouse) -> dict[str, pl.DataFrame]:
    with warehouse.writing_session() as session:
        for mart in PER_EVENT:
            mart.store(session, SETTINGS, {})
    return {one.table.name: warehouse.read(one.table).sort(one.table.grain) for one in PER_EVENT}


@pytest.mark.slow
@laws
@given(events=all_events, registrations=registration_frames, rows=batch_rows)
def test_every_mart_is_the_same_in_any_number_of_batches(
    events: pl.DataFrame, registrations: pl.DataFrame, rows: int
) -> None:
    with new_warehouse() as warehouse:
        put(warehouse, EVENTS, events)
        put(warehouse, REGISTRATIONS, stored_registrations(registrations))
        log(warehouse, EVENTS.short_name, REGISTRATIONS.short_name)
        whole = derived(warehouse)
        assert whole["marts.capacity_by_event"].height == events.height
        for name, frame in derived(replace(warehouse, batch_rows=rows)).items():
            assert_same(frame, whole[name])


def test_a_room_comes_in_one_batch_whatever_the_case_and_blanks_of_its_name() -> None:
    characters = pl.Series([chr(number) for number in range(0x3001)])
    blanks = ["", *characters.filter(characters.str.strip_chars() == "")]
    spellings = ("Salle {}é Σας", "SALLE {}É ΣΑΣ", "salle {}é  σας")
    names = [
        f"{blank}{spelling.format(room)}{blank}"
        for room, spelling, blank in product(range(2), spellings, blanks)
    ]
    events = events_frame(*({"venue_room": name} for name in [*names, *blanks, None]))
    with new_warehouse() as warehouse:
        put(warehouse, EVENTS, events)
        batches = replace(warehouse, batch_rows=1).read_batches(
            bookings.ROOM_COLUMNS, {EVENTS: ["venue_room"]}
        )
        name = (
            pl.col("venue_room").str.strip_chars().str.to_lowercase().str.replace_all(r"\s+", " ")
        )
        read = [frame.select(name.fill_null("")).to_series() for (frame,) in batches]
    apart = [room for rooms_read in read for room in rooms_read.fill_null("").unique()]
    assert sorted(apart) == ["", *(f"salle {room}é σας" for room in range(2))]
    assert sum(map(len, read)) == events.height


def derive_rooms(warehouse: Warehouse, settings: Settings) -> DerivedMart:
    """Derive both room marts, and those that name venues; returns what was stored of conflicts."""
    tables = (NAME_OVERRIDES, VENUES, ROOM_UTILIZATION, ROOM_CONFLICTS)
    wanted = [mart for mart in MARTS if mart.table in tables]
    return [mart.store(warehouse, settings, {}) for mart in wanted][-1]


def test_room_marts_use_the_time_zone_and_the_longest_booking_of_the_settings() -> None:
    # Midnight in London is an hour before that of UTC.
    start = datetime(2026, 7, 5, 23, 30, tzinfo=UTC)
    booking = {"venue_room": "1", "event_scheduled_start": start}
    days = [booking | {"event_scheduled_end": start + length * DAY} for length in (2, 3)]
    london = SETTINGS.organizations[0].model_copy(update={"timezone": "Europe/London"})
    changed = {
        "organizations": (london, *SETTINGS.organizations[1:]),
        "marts": SETTINGS.marts.model_copy(update={"longest_booking_days": 2}),
    }
    with new_warehouse() as warehouse:
        put(warehouse, EVENTS, events_frame(*days))
        log(warehouse, EVENTS.short_name)
        found = []
        for used in (SETTINGS, SETTINGS.model_copy(update=changed)):
            derive_rooms(warehouse, used)
            weeks = warehouse.read(ROOM_UTILIZATION).select("week", "events_too_long")
            found.append((sorted(weeks.rows()), warehouse.read(ROOM_CONFLICTS).height))
    sunday, monday = ([(date(2026, 6, 29), 0), (date(2026, 7, 6), 0)], [(date(2026, 7, 6), 1)])
    assert found == [(sunday, 2), (monday, 0)]


def test_a_room_that_is_left_out_of_conflicts_is_named() -> None:
    hour = {"event_scheduled_start": AS_OF, "event_scheduled_end": AS_OF + timedelta(hours=1)}
    two = [hour | {"venue_room": "101"}] * 2
    crowd = [hour | {"venue_room": "Online " * 20, "venue_location_identifier": VENUE}] * 1_415
    with new_warehouse() as warehouse:
        put(warehouse, EVENTS, events_frame(*two))
        log(warehouse, EVENTS.short_name)
        found = [derive_rooms(warehouse, SETTINGS)]
        put(warehouse, EVENTS, events_frame(*two, *crowd))
        found.append(derive_rooms(warehouse, SETTINGS))
    name = ("Online " * 20)[:80]
    assert [one.replaced and one.replaced.figures["rows"][0] for one in found] == [1, 1]
    numbers = [{name: n for name, n in one.numbers.items() if name != "seconds"} for one in found]
    assert numbers == [
        {"rooms left out": 0},
        {"rooms left out": 1, "names of rooms left out": f"{ACME} / {VENUE} / {name}"},
    ]


@laws
@given(events=all_events, rows=batch_rows, key=st.sampled_from([EVENT, bookings.ROOM_COLUMNS]))
def test_each_row_comes_in_one_batch(events: pl.DataFrame, rows: int, key: tuple[str, ...]) -> None:
    with new_warehouse() as warehouse:
        put(warehouse, EVENTS, events)
        batches = replace(warehouse, batch_rows=rows).read_batches(
            key, {EVENTS: EVENTS.column_names}
        )
        frames = [frame for (frame,) in batches]
    assert len(frames) == max(1, -(-events.height // rows))
    assert_same(pl.concat(frames).sort(EVENTS.grain), events.sort(EVENTS.grain))


@pytest.mark.slow
@laws
@given(first=all_events, then=all_events, rows=batch_rows)
def test_the_history_is_the_same_in_any_number_of_batches(
    first: pl.DataFrame, then: pl.DataFrame, rows: int
) -> None:
    # Those at an even position are still what they were.
    kept = pl.int_range(pl.len()) % 2 == 0
    second = pl.concat([first.filter(kept), then.with_columns(collected_at=AS_OF + DAY)]).unique(
        EVENTS.grain, keep="first"
    )
    whole = history_of([first, second], batch_rows=1_000)
    for frame, expected in zip(history_of([first, second], batch_rows=rows), whole, strict=True):
        assert_same(frame, expected)


def history_of(rounds: Sequence[pl.DataFrame], batch_rows: int) -> list[pl.DataFrame]:
    """The history and the changes after these events were stored, a day after one another."""
    with new_warehouse() as warehouse:
        for number, events in enumerate(rounds):
            put(warehouse, EVENTS, events)
            log(warehouse, EVENTS.short_name, days=number)
            HISTORY.store(replace(warehouse, batch_rows=batch_rows), SETTINGS, {})
        return [warehouse.read(table).sort(table.grain) for table in (EVENT_HISTORY, EVENT_CHANGES)]
