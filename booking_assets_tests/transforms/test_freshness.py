"""Freshness by worked cases: known zeros, unknowns, and an age that no clock decides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from booking_assets.tables.marts import ORGANIZATION_FRESHNESS
from booking_assets.tables.raw import COLLECTIONS, EVENT_COUNTS
from booking_assets.transforms.freshness import organization_freshness
from booking_assets_tests.transforms.rows import ACME, AS_OF, BOLT, INSTANT, Row

PUBLISHED = AS_OF + timedelta(minutes=90)
FINISHED = AS_OF + timedelta(minutes=2)
TALLY = {"organization": pl.String} | dict.fromkeys(
    ("stored_loaded", "stored_rejected", "rows_loaded"), pl.Int64
)


def newest(*organizations: str) -> pl.DataFrame:
    rows = [
        {"organization": slug, "started_at": AS_OF, "finished_at": FINISHED}
        for slug in organizations
    ]
    return pl.DataFrame(rows, schema=COLLECTIONS.dtypes)


def reconciliation(**stored: tuple[int, int, int | None]) -> pl.DataFrame:
    """Rows loaded and rejected that are stored, and loaded as logged, by organization."""
    return pl.DataFrame([(slug, *rows) for slug, rows in stored.items()], TALLY, orient="row")


def counts(**counted: int) -> pl.DataFrame:
    rows = [{"organization": slug, "event_count": count} for slug, count in counted.items()]
    return pl.DataFrame(rows, schema=EVENT_COUNTS.dtypes)


def freshness(
    collected: pl.DataFrame | None = None,
    events: pl.DataFrame | None = None,
    registrations: pl.DataFrame | None = None,
    counted: pl.DataFrame | None = None,
    published_at: datetime = PUBLISHED,
) -> pl.DataFrame:
    return organization_freshness(
        newest(ACME) if collected is None else collected,
        reconciliation(acme=(9, 1, 9)) if events is None else events,
        registrations,
        counts(acme=10) if counted is None else counted,
        published_at,
    )


def test_a_complete_organization_is_told_with_its_age() -> None:
    rows = freshness(registrations=reconciliation(acme=(25, 0, 25)))
    assert rows.rows(named=True) == [
        {
            "organization": ACME,
            "last_complete_at": FINISHED,
            "events": 9,
            "rejected": 1,
            "registrations": 25,
            "event_count": 10,
            "complete": True,
            "age_minutes": 90.0,
            "as_of": AS_OF,
        }
    ]
    assert dict(rows.schema) == ORGANIZATION_FRESHNESS.dtypes


@pytest.mark.parametrize(
    ("stored", "count", "complete"),
    [
        pytest.param((9, 1, 9), 10, True, id="loaded and rejected are what was counted"),
        pytest.param((9, 0, 9), 10, False, id="fewer"),
        pytest.param((10, 1, 10), 10, False, id="more"),
        pytest.param((0, 0, 0), 0, True, id="nothing counted, nothing stored"),
    ],
)
def test_complete_is_stored_as_counted(
    stored: tuple[int, int, int], count: int, complete: bool
) -> None:
    rows = freshness(events=reconciliation(acme=stored), counted=counts(acme=count))
    assert rows["complete"].to_list() == [complete]


@pytest.mark.parametrize(
    ("registrations", "expected"),
    [
        pytest.param(None, None, id="no table"),
        pytest.param(reconciliation(), None, id="none stored, none logged"),
        pytest.param(reconciliation(acme=(7, 0, None)), None, id="some stored, never complete"),
        pytest.param(reconciliation(bolt=(7, 0, 7)), None, id="another organization's"),
        pytest.param(reconciliation(acme=(0, 0, 0)), 0, id="complete, and there is none"),
    ],
)
def test_unknown_registrations_are_null_and_not_zero(
    registrations: pl.DataFrame | None, expected: int | None
) -> None:
    rows = freshness(registrations=registrations).filter(pl.col("organization") == ACME)
    assert rows["registrations"].to_list() == [expected]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        pytest.param(
            {"counted": counts(acme=10, bolt=5)},
            {"events": 0, "rejected": 0, "event_count": 5, "complete": False},
            id="counted and never complete",
        ),
        pytest.param(
            {"events": reconciliation(acme=(9, 1, 9), bolt=(3, 0, None))},
            {"events": 3, "rejected": 0, "event_count": None, "complete": False},
            id="stored and never counted",
        ),
    ],
)
def test_an_organization_that_was_never_complete_has_a_row_and_no_age(
    frames: Mapping[str, Any], expected: Row
) -> None:
    (row,) = freshness(**frames).filter(pl.col("organization") == BOLT).rows(named=True)
    unknown = dict.fromkeys(("last_complete_at", "registrations", "age_minutes", "as_of"))
    assert row == {"organization": BOLT} | expected | unknown


def test_the_age_is_to_the_instant_of_publishing_in_whatever_zone_it_is_given() -> None:
    later = (PUBLISHED + INSTANT).astimezone(timezone(timedelta(hours=-8)))
    ages = freshness(published_at=later)["age_minutes"].to_list()
    assert ages == [(later - AS_OF) / timedelta(minutes=1)]


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(
        ValueError, match="published_at is 2026-03-10T13:30:00: give it a time zone"
    ):
        freshness(published_at=PUBLISHED.replace(tzinfo=None))


def test_the_order_of_rows_means_nothing() -> None:
    frames = (
        newest(ACME, BOLT),
        reconciliation(acme=(9, 1, 9), bolt=(3, 0, 3)),
        counts(acme=1, bolt=3),
    )
    collected, events, counted = (frame.reverse() for frame in frames)
    backwards = freshness(collected, events, events, counted)
    collected, events, counted = frames
    assert_frame_equal(freshness(collected, events, events, counted), backwards)


def test_merging_organizations_adds_up() -> None:
    apart = [
        freshness(newest(ACME), reconciliation(acme=(9, 1, 9)), None, counts(acme=1)),
        freshness(newest(BOLT), reconciliation(bolt=(3, 0, 3)), None, counts(bolt=3)),
    ]
    together = freshness(
        newest(ACME, BOLT),
        reconciliation(acme=(9, 1, 9), bolt=(3, 0, 3)),
        None,
        counts(acme=1, bolt=3),
    )
    assert_frame_equal(pl.concat(apart), together)


def test_nothing_known_is_an_empty_table() -> None:
    rows = freshness(newest(), reconciliation(), None, counts())
    assert_frame_equal(rows, ORGANIZATION_FRESHNESS.empty())
