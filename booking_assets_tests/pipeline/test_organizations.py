"""What is derived and published is what is configured and keeps its promises; each fails alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from booking_assets.pipeline.derivation import derive_each
from booking_assets.pipeline.marts import MARTS
from booking_assets.pipeline.rebuild import rebuild
from booking_assets_tests.pipeline.conftest import EVENTS_EACH, Place, still_world

FRESHNESS = """
    SELECT organization, is_published, reason, remedy
    FROM marts.organization_freshness ORDER BY organization
"""


@pytest.mark.usefixtures("refreshed")
def test_an_organization_that_left_the_settings_leaves_marts_and_snapshot(place: Place) -> None:
    first, second = place.organizations
    place.organizations = (first,)
    place.refresh()
    assert place.published() == {first.slug: EVENTS_EACH}
    assert place.ask("SELECT DISTINCT organization FROM raw.events") == [(first.slug,)]
    stored = "SELECT count(*) FROM raw.events WHERE organization = "
    assert place.ask(f"{stored}'{second.slug}'", snapshot=False) == [(EVENTS_EACH,)]
    place.organizations = (first, second)
    place.derive()
    assert place.published() == {first.slug: EVENTS_EACH, second.slug: EVENTS_EACH}


@pytest.mark.usefixtures("refreshed")
def test_a_renamed_slug_carries_its_rows_and_history_along(place: Place) -> None:
    first, second = place.organizations
    place.configure(first.slug, slug="renamed")
    assert place.refresh().failed_organizations == ()
    assert place.published() == {"renamed": EVENTS_EACH, second.slug: EVENTS_EACH}
    history = "SELECT organization, count(*) FROM marts.event_history GROUP BY ALL"
    assert dict(place.ask(history)) == {"renamed": EVENTS_EACH, second.slug: EVENTS_EACH}


@pytest.mark.usefixtures("refreshed")
def test_two_organizations_may_swap_their_slugs(place: Place) -> None:
    first, second = place.organizations
    place.organizations = (
        first.model_copy(update={"slug": second.slug}),
        second.model_copy(update={"slug": first.slug}),
    )
    assert place.refresh().failed_organizations == ()
    owners = "SELECT DISTINCT organization, organization_identifier FROM raw.events"
    assert {slug: str(owner) for slug, owner in place.ask(owners)} == {
        one.slug: str(one.identifier) for one in place.organizations
    }


def test_another_identifier_under_a_known_slug_fails_alone_with_the_remedy(place: Place) -> None:
    first, second = place.organizations
    place.organizations = (first,)
    place.refresh()
    place.organizations = (second.model_copy(update={"slug": first.slug}),)
    report = place.refresh()
    (explanation,) = report.explanations
    assert str(first.identifier) in explanation
    assert f"booking-assets forget {first.slug}" in explanation
    history = "SELECT DISTINCT organization_identifier FROM marts.event_history"
    assert place.ask(history, snapshot=False) == [(first.identifier,)]
    place.organizations = (*place.organizations, first.model_copy(update={"slug": "other"}))
    assert place.collect().failed_organizations == ()


@pytest.mark.usefixtures("refreshed")
def test_a_broken_promise_withholds_its_organization_and_no_other(place: Place) -> None:
    first, second = place.organizations
    place.change(
        f"DELETE FROM raw.events WHERE organization = '{first.slug}'"
        " AND event_identifier = (SELECT min(event_identifier) FROM raw.events"
        f" WHERE organization = '{first.slug}')"
    )
    assert place.refresh(slugs=[second.slug]).failed_organizations == ()
    assert place.published() == {second.slug: EVENTS_EACH}
    rows = {slug: rest for slug, *rest in place.ask(FRESHNESS)}
    assert rows[second.slug][0] is True
    is_published, reason, remedy = rows[first.slug]
    assert not is_published
    assert "What was counted is what is stored" in reason
    assert "booking-assets refresh" in remedy
    assert place.refresh(slugs=[first.slug]).failed_organizations == ()
    assert place.published() == {first.slug: EVENTS_EACH, second.slug: EVENTS_EACH}


@pytest.mark.usefixtures("refreshed")
def test_rows_of_another_organization_withhold_theirs_and_no_other(place: Place) -> None:
    first, second = place.organizations
    place.change(
        f"UPDATE raw.events SET organization_identifier = '{second.identifier}'"
        f" WHERE organization = '{first.slug}'"
    )
    place.derive()
    assert place.published() == {second.slug: EVENTS_EACH}


@pytest.mark.usefixtures("refreshed")
def test_registrations_that_are_switched_off_leave_no_seats(place: Place) -> None:
    first, _ = place.organizations
    seats = "SELECT organization, count(seats_taken) FROM marts.capacity_by_event GROUP BY ALL"
    assert dict(place.ask(seats))[first.slug] == EVENTS_EACH
    place.configure(first.slug, registrations=False)
    place.refresh()
    assert dict(place.ask(seats))[first.slug] == 0


SEATS = """
    SELECT count(*), count(seats_taken), count(seats_as_of), bool_and(seats_as_of < as_of)
    FROM marts.capacity_by_event WHERE organization =
"""


@pytest.mark.usefixtures("refreshed")
def test_seats_of_an_older_collection_say_so_and_new_events_have_none(place: Place) -> None:
    first, second = place.organizations
    fault = f"unauthorized=registrations@{first.slug}"
    report = place.refresh(fault, world=still_world(EVENTS_EACH + 5))
    assert report.failed_organizations == (first.slug,)
    assert place.ask(f"{SEATS} '{first.slug}'") == [
        (EVENTS_EACH + 5, EVENTS_EACH, EVENTS_EACH, True)
    ]
    every = EVENTS_EACH + 5
    assert place.ask(f"{SEATS} '{second.slug}'") == [(every, every, every, False)]
    current = "SELECT organization, is_current FROM marts.organization_freshness"
    assert dict(place.ask(current)) == {first.slug: False, second.slug: True}


@pytest.mark.usefixtures("refreshed")
def test_seats_that_may_not_be_read_any_more_are_unknown(place: Place) -> None:
    first, _ = place.organizations
    report = place.refresh(f"forbidden=registrations@{first.slug}")
    assert report.failed_organizations == ()
    assert place.ask(f"{SEATS} '{first.slug}'") == [(EVENTS_EACH, 0, 0, None)]
    # Nor does a rebuild bring them back: the log is the former warehouse's.
    rebuild(place.warehouse, place.settings)
    place.derive()
    assert place.ask(f"{SEATS} '{first.slug}'") == [(EVENTS_EACH, 0, 0, None)]


def test_an_organization_that_is_not_configured_any_more_is_named(place: Place) -> None:
    with place.collector() as collector:
        report = collector.collect(["gone", place.organizations[0].slug], "run")
    assert dict(report.unrecorded) == {"gone": "it is not in booking.toml any more"}
    assert len(report.complete) == 4


@pytest.mark.usefixtures("refreshed")
def test_between_sessions_of_derived_marts_another_process_gets_its_turn(place: Place) -> None:
    impatient = replace(place.warehouse, busy_timeout_seconds=0)
    turns = 0
    for _ in derive_each(MARTS, place.warehouse, place.settings, {}):
        with impatient.writing_session():
            turns += 1
    assert turns == len(MARTS)
