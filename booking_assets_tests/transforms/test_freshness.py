"""Freshness by worked cases: known zeros, unknowns, the newest attempt and the age."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from booking_assets.tables.marts import ORGANIZATION_FRESHNESS
from booking_assets.tables.raw import EVENT_COUNTS
from booking_assets.transforms.freshness import NEVER, organization_freshness
from booking_assets_tests.transforms.rows import ACME, AS_OF, BOLT, DAY, INSTANT, Row

PUBLISHED = AS_OF + timedelta(minutes=90)
ATTEMPTS = dict.fromkeys(
    ("organization", "resource", "last_status", "reason", "remedy"), pl.String
) | dict.fromkeys(
    ("complete_at", "last_attempt_at", "failing_since"),
    ORGANIZATION_FRESHNESS.dtypes["events_as_of"],
)
STORED = {"organization": pl.String, "stored_loaded": pl.Int64, "stored_rejected": pl.Int64}
COMPLETE: Row = {"complete_at": AS_OF, "last_attempt_at": AS_OF, "last_status": "complete"}
FAILED: Row = {
    "complete_at": AS_OF - 2 * DAY,
    "last_attempt_at": AS_OF,
    "last_status": "failed",
    "failing_since": AS_OF - DAY,
    "reason": "it timed out",
    "remedy": "wait",
}
DENIED: Row = FAILED | {"last_status": "access_denied", "reason": "forbidden", "remedy": "ask"}


def attempts(
    organization: str = ACME, events: Row | None = COMPLETE, registrations: Row | None = COMPLETE
) -> pl.DataFrame:
    """The newest collection of an organization's resources; None: there is none."""
    resources = {"events": events, "registrations": registrations}
    rows = [
        {"organization": organization, "resource": resource} | row
        for resource, row in resources.items()
        if row is not None
    ]
    return pl.DataFrame(rows, schema=ATTEMPTS)


def stored(**rows: tuple[int, int]) -> pl.DataFrame:
    """Rows loaded and rejected that are stored, by organization."""
    return pl.DataFrame([(slug, *counts) for slug, counts in rows.items()], STORED, orient="row")


def counts(**counted: int) -> pl.DataFrame:
    rows = [{"organization": slug, "event_count": count} for slug, count in counted.items()]
    return pl.DataFrame(rows, schema=EVENT_COUNTS.dtypes)


def freshness(
    newest: pl.DataFrame | None = None,
    events: pl.DataFrame | None = None,
    registrations: pl.DataFrame | None = None,
    organizations: Mapping[str, bool] | None = None,
    published_at: datetime = PUBLISHED,
    withheld: Mapping[str, tuple[str, str]] | None = None,
) -> pl.DataFrame:
    return organization_freshness(
        {ACME: True} if organizations is None else organizations,
        attempts() if newest is None else newest,
        {
            "events": stored(acme=(9, 1)) if events is None else events,
            "registrations": stored(acme=(25, 0)) if registrations is None else registrations,
        },
        counts(acme=10),
        published_at,
        withheld or {},
        (),
    )


def only(**arguments: Any) -> dict[str, Any]:
    """The only row."""
    return freshness(**arguments).row(0, named=True)


def test_a_complete_organization_is_current_and_published() -> None:
    rows = freshness()
    assert rows.rows(named=True) == [
        {
            "organization": ACME,
            "events_as_of": AS_OF,
            "registrations_as_of": AS_OF,
            "groups_as_of": None,
            "last_attempt_at": AS_OF,
            "last_status": "complete",
            "failing_since": None,
            "reason": None,
            "remedy": None,
            "events": 9,
            "rejected": 1,
            "registrations": 25,
            "event_count": 10,
            "is_current": True,
            "is_published": True,
            "age_minutes": 90.0,
        }
    ]
    assert dict(rows.schema) == ORGANIZATION_FRESHNESS.dtypes


@pytest.mark.parametrize("failure", [FAILED, DENIED], ids=["failed", "access denied"])
def test_an_organization_whose_newest_collection_failed_is_not_current(failure: Row) -> None:
    row = only(newest=attempts(events=failure))
    expected = failure | {"events_as_of": AS_OF - 2 * DAY, "is_current": False}
    assert {name: row[name] for name in expected if name in row} == {
        name: value for name, value in expected.items() if name != "complete_at"
    }


def test_registrations_that_fail_alone_are_the_reason() -> None:
    row = only(newest=attempts(registrations=DENIED))
    assert (row["last_status"], row["reason"]) == ("access_denied", "forbidden")
    assert (row["events_as_of"], row["registrations_as_of"]) == (AS_OF, AS_OF - 2 * DAY)
    assert not row["is_current"]


def test_of_two_failures_that_of_events_is_the_reason() -> None:
    row = only(newest=attempts(events=FAILED, registrations=DENIED))
    assert (row["last_status"], row["reason"]) == ("failed", "it timed out")


@pytest.mark.parametrize("registrations", [None, FAILED, COMPLETE])
def test_registrations_that_are_switched_off_are_null_and_no_failure(
    registrations: Row | None,
) -> None:
    row = only(newest=attempts(registrations=registrations), organizations={ACME: False})
    assert row["is_current"]
    assert row["reason"] is row["registrations"] is row["registrations_as_of"] is None


@pytest.mark.parametrize(
    ("newest", "registrations", "expected"),
    [
        pytest.param(attempts(registrations=None), stored(), None, id="never collected"),
        pytest.param(
            attempts(registrations=DENIED | {"complete_at": None}),
            stored(acme=(7, 0)),
            None,
            id="some stored, never complete",
        ),
        pytest.param(attempts(), stored(bolt=(7, 0)), 0, id="complete, and there is none"),
    ],
)
def test_unknown_registrations_are_null_and_not_zero(
    newest: pl.DataFrame, registrations: pl.DataFrame, expected: int | None
) -> None:
    assert only(newest=newest, registrations=registrations)["registrations"] == expected


def test_an_organization_that_was_never_collected_has_a_row_with_a_remedy() -> None:
    rows = freshness(organizations={ACME: True, BOLT: True})
    row = rows.filter(pl.col("organization") == BOLT).row(0, named=True)
    known = {
        "organization": BOLT,
        "reason": NEVER[0],
        "remedy": NEVER[1],
        "events": 0,
        "rejected": 0,
        "is_current": False,
        "is_published": True,
    }
    assert row == dict.fromkeys(row) | known


def test_an_organization_that_left_the_settings_has_no_row() -> None:
    newest = pl.concat([attempts(), attempts(BOLT)])
    assert freshness(newest)["organization"].to_list() == [ACME]


def test_a_withheld_organization_has_its_reason_and_remedy() -> None:
    row = only(newest=attempts(events=FAILED), withheld={ACME: ("2 rows are foreign", "forget it")})
    assert (row["is_published"], row["reason"], row["remedy"]) == (
        False,
        "2 rows are foreign",
        "forget it",
    )
    assert row["last_status"] == "failed"


def test_the_age_is_to_the_instant_of_publishing_in_any_zone() -> None:
    later = (PUBLISHED + INSTANT).astimezone(timezone(timedelta(hours=-8)))
    assert only(published_at=later)["age_minutes"] == (later - AS_OF) / timedelta(minutes=1)


@pytest.mark.parametrize("ahead", [INSTANT, timedelta(hours=3), 30 * DAY])
def test_an_age_is_never_negative(ahead: timedelta) -> None:
    assert only(published_at=AS_OF - ahead)["age_minutes"] == 0


def test_the_order_of_rows_and_other_organizations_change_no_row() -> None:
    newest = pl.concat([attempts(), attempts(BOLT, events=FAILED)])
    events, both = stored(acme=(9, 1), bolt=(3, 0)), {ACME: True, BOLT: False}
    together = freshness(newest, events, events, both)
    backwards = freshness(
        newest.reverse(), events.reverse(), events.reverse(), dict(reversed(both.items()))
    )
    assert_frame_equal(together, backwards)
    apart = [freshness(newest, events, events, {slug: both[slug]}) for slug in both]
    assert_frame_equal(together, pl.concat(apart))


def test_no_organizations_make_an_empty_table() -> None:
    rows = freshness(attempts().clear(), stored(), stored(), {})
    assert_frame_equal(rows, ORGANIZATION_FRESHNESS.empty())
