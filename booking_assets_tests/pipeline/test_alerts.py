"""`alert_of`: one message a run, about what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from booking_assets.pipeline.alerts import MAX_CHARACTERS, MAX_LINES, Alert, alert_of
from booking_assets.pipeline.results import CollectionResult, RunReport

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def result(
    organization: str, status: str = "failed", reason: str = "no token", resource: str = "events"
) -> CollectionResult:
    row = {"organization": organization, "resource": resource, "run_id": "now", "status": status}
    return CollectionResult(row | {"started_at": NOW, "reason": reason, "remedy": "Set it"})


def before(
    organization: str, since: float, last: float, run_id: str = "before", resource: str = "events"
) -> dict[str, Any]:
    """Failures that began and were last seen so many hours ago."""
    return {
        "organization": organization,
        "resource": resource,
        "run_id": run_id,
        "failing_since": NOW - timedelta(hours=since),
        "failed_at": NOW - timedelta(hours=last),
    }


def said(
    results: Sequence[CollectionResult],
    failing_before: Sequence[Mapping[str, Any]] = (),
    *,
    untold: Sequence[str] = (),
    failures: Sequence[str] = (),
    recovered: Sequence[str] = (),
) -> Alert | None:
    return alert_of(
        RunReport(tuple(results)),
        failing_before,
        untold=untold,
        failing_hours=24,
        failures=failures,
        recovered=recovered,
    )


def body(alert: Alert | None) -> list[str]:
    return alert.body.splitlines() if alert else []


def test_nothing_is_said_of_a_run_in_which_nothing_changed() -> None:
    statuses = ("complete", "overtaken", "access_denied")
    assert said([result(status, status) for status in statuses]) is None


def test_organizations_that_fail_alike_are_told_in_one_line() -> None:
    alert = said([result("acme"), result("globex"), result("initech", "complete")])
    assert alert == Alert(
        "Booking assets: 2 organizations failed", "acme, events; globex, events: no token. Set it"
    )


def test_a_failure_that_was_told_is_not_told_again() -> None:
    assert said([result("acme")], [before("acme", 3, 1)]) is None


def test_a_failure_that_nobody_was_told_of_is_new() -> None:
    lines = body(said([result("acme")], [before("acme", 3, 1, "lost")], untold=["lost"]))
    assert lines == ["acme, events: no token. Set it"]


@pytest.mark.parametrize(
    ("since", "last", "is_told"),
    [(23.9, 1, False), (24, 1, True), (24.5, 1, True), (25.5, 1, False), (24.5, 24.5, True)],
)
def test_an_organization_that_fails_for_hours_is_told_once_more(
    since: float, last: float, is_told: bool
) -> None:
    lines = body(said([result("acme")], [before("acme", since, last)]))
    expected = ["Failing for 24 hours: acme, events: no token. Set it"]
    assert lines == (expected if is_told else [])


def test_every_run_of_a_long_failure_together_tells_it_twice() -> None:
    told = [
        hour
        for hour in range(1, 24 * 7)
        if said([result("acme")], [before("acme", hour, 1)]) is not None
    ]
    assert told == [24]


def test_an_organization_that_works_again_is_named_once_for_both_resources() -> None:
    alert = said(
        [result("acme", "complete"), result("acme", "access_denied", resource="registrations")],
        [before("acme", 3, 1), before("acme", 3, 1, resource="registrations")],
    )
    assert alert == Alert(
        "Booking assets: 1 organization working again", "Working again: acme", is_failure=False
    )


def test_all_that_changed_is_one_message() -> None:
    alert = said(
        [result("new"), result("old"), result("well", "complete")],
        [before("old", 24, 1), before("well", 5, 1)],
        failures=["derive run 1 failed: the disk is full"],
        recovered=["collect"],
    )
    assert alert is not None
    assert alert.title == (
        "Booking assets: 1 organization failed, not everything was published,"
        " 1 organization failing for 24 hours, 1 organization working again, collect working again"
    )
    assert alert.body.splitlines() == [
        "new, events: no token. Set it",
        "derive run 1 failed: the disk is full",
        "Failing for 24 hours: old, events: no token. Set it",
        "Working again: well",
        "Derived and published again (collect)",
    ]


def test_a_message_stays_short_for_any_number_of_organizations() -> None:
    alike = [result(f"alike-{number}") for number in range(1_000)]
    others = [result(f"other-{number}", reason=f"reason {number}") for number in range(1_000)]
    lines = body(said([*alike, *others]))
    assert len(lines) == MAX_LINES + 1
    assert max(map(len, lines)) == MAX_CHARACTERS
    assert lines[-1] == "and 981 more: see marts.organization_freshness"
