"""Names of venues and courses: read where they may be, never in the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from booking_assets.api.authentication import Token
from booking_assets.collect.stats import Mode
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_api
from booking_assets.pipeline.credentials import credential_reports
from booking_assets.pipeline.progress import NoProgress
from booking_assets.pipeline.rebuild import forget, rebuild
from booking_assets.pipeline.refresh import refresh
from booking_assets.sandbox.draft import venues_of
from booking_assets.sandbox.names import EXPIRED_VENUE, LOST_VENUE
from booking_assets.sandbox.world import generated_world
from booking_assets.settings import Names
from booking_assets.tables.catalog import MART_TABLES
from booking_assets.tables.names import name_columns
from booking_assets_tests.commands import SECONDS
from booking_assets_tests.faults.server import FaultySandbox
from booking_assets_tests.pipeline.conftest import NOON, QUICK, Place, still_world

NAMED = [table for table in MART_TABLES if name_columns(table)]
SAID = "names of venues are unknown: groups: count was forbidden"


def names_in(place: Place, mart: str = "marts.venues", column: str = "venue_name") -> set[str]:
    query = f"SELECT DISTINCT {column} FROM {mart} WHERE {column} IS NOT NULL"
    return {name for (name,) in place.ask(query)}


def statuses(place: Place) -> dict[tuple[str, str], str]:
    """The newest status of each organization and resource in the log."""
    query = (
        "SELECT organization, resource, max_by(status, sequence) FROM raw.collections GROUP BY ALL"
    )
    return {(slug, resource): status for slug, resource, status in place.ask(query, snapshot=False)}


def test_every_mart_that_has_an_identifier_has_its_name_where_that_is_known(place: Place) -> None:
    world = generated_world(2, 400, seed=7, clock=lambda: NOON)
    assert place.refresh(world=world).failed_organizations == ()
    assert {table.short_name for table in NAMED} >= {
        *("capacity_by_event", "capacity_utilization", "distribution_by_event"),
        *("room_utilization", "room_conflicts"),
    }
    for table in NAMED:
        for name, column in name_columns(table).items():
            (identifier,) = [key for key in column.table.grain if key != "organization"]
            ((named, wrong),) = place.ask(
                f"""
                SELECT count(m.{name}), count(*) FILTER (m.{name} IS DISTINCT FROM n.{name})
                FROM {table.name} AS m LEFT JOIN {column.table.name} AS n
                ON m.organization = n.organization AND m.{column.key} = n.{identifier}
                """
            )
            assert (wrong, named > 0) == (0, True), table.name


@pytest.mark.usefixtures("refreshed")
def test_what_any_event_refers_to_is_a_venue_named_or_not(place: Place) -> None:
    for tenant in place.tenants:
        referred = {
            identifier
            for (identifier,) in place.ask(
                f"""
                SELECT venue_location_identifier FROM raw.events
                WHERE organization = '{tenant.slug}' AND venue_location_identifier IS NOT NULL
                UNION SELECT venue_office_identifier FROM raw.events
                WHERE organization = '{tenant.slug}' AND venue_office_identifier IS NOT NULL
                """
            )
        }
        stored = place.ask(
            "SELECT venue_identifier, venue_name, label FROM marts.venues"
            f" WHERE organization = '{tenant.slug}'"
        )
        assert {identifier for identifier, _, _ in stored} == referred
        names = {identifier: (name, label) for identifier, name, label in stored}
        venues = venues_of(tenant.identifier)
        lost, expired = venues[LOST_VENUE], venues[EXPIRED_VENUE]
        if lost.identifier in referred:
            assert names[lost.identifier] == (None, str(lost.identifier)[:8])
        if expired.identifier in referred:
            assert names[expired.identifier] == (expired.name, expired.name)
        assert any(name for name, _ in names.values())


@pytest.mark.usefixtures("refreshed")
def test_all_resources_of_an_organization_share_their_start_and_ticket(place: Place) -> None:
    starts = place.ask(
        "SELECT count(DISTINCT resource), count(DISTINCT (started_at, sequence))"
        " FROM raw.collections GROUP BY organization",
        snapshot=False,
    )
    assert starts == [(4, 1)] * 2
    assert place.ask(
        "SELECT DISTINCT groups_as_of = events_as_of FROM marts.organization_freshness"
    ) == [(True,)]


@pytest.mark.usefixtures("refreshed")
def test_names_that_may_not_be_read_are_unknown_and_no_failure(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    assert names_in(place)
    first, second = (tenant.slug for tenant in place.tenants)
    report = place.refresh(f"forbidden=groups@{first}", f"not_found=achievements@{first}")
    assert (report.failed_organizations, report.failed) == ((), ())
    said = [one.getMessage() for one in caplog.records if "unknown" in one.getMessage()]
    assert len(said) == 1
    assert said[0].startswith(f"{first}: names of venues are unknown: groups: count")
    assert "titles of achievements are unknown: achievements: count" in said[0]
    assert statuses(place)[first, "groups"] == "access_denied"
    hidden = "SELECT DISTINCT venue_name, kind FROM marts.venues WHERE organization ="
    assert place.ask(f"{hidden} '{first}'") == [(None, None)]
    assert len(place.ask(f"{hidden} '{second}'")) > 1
    current = "SELECT bool_and(is_current) FROM marts.organization_freshness"
    assert place.ask(current) == [(True,)]
    # The stored rows stay, are not published, and count again once they may be read.
    assert place.ask("SELECT count(*) FROM raw.groups", snapshot=False) == [(62,)]
    assert place.ask("SELECT count(*), min(organization) FROM raw.groups") == [(31, second)]
    place.refresh()
    assert place.ask(f"{hidden} '{first}'") != [(None, None)]


@pytest.mark.usefixtures("refreshed")
def test_any_other_failure_of_names_keeps_the_stored_ones_and_fails_nothing(place: Place) -> None:
    before = names_in(place)
    report = place.refresh("unauthorized=groups")
    assert report.failed_organizations == ()
    (row, _) = [one for one in report.results if one.resource == "groups"]
    assert row.status == "failed"
    assert "HTTP 401" in row.explanation
    assert names_in(place) == before
    assert place.ask("SELECT bool_and(is_current) FROM marts.organization_freshness") == [(True,)]


class Damage(NoProgress):
    """Damages the landed groups while achievements arrive: the warehouse will refuse them."""

    def __init__(self, landing: Path) -> None:
        self.landing = landing

    def received(self, organization: str, resource: str, rows: int, expected: int) -> None:
        if resource == "achievements":
            ends = time.monotonic() + SECONDS
            # The names are collected side by side.
            while not (files := [*self.landing.glob(f"{organization}/groups-*/rows-*.parquet")]):
                assert time.monotonic() < ends
                time.sleep(0.01)
            for file in files:
                file.write_bytes(b"damaged")


def test_names_that_the_warehouse_refuses_part_from_their_events(place: Place) -> None:
    damage = Damage(place.settings.landing_path)
    with place.collector(progress=damage) as collector:
        report = refresh(collector)
    assert report.failed_organizations == ()
    found = {(one.resource, one.status) for one in report.results}
    assert found == {
        *((resource, "complete") for resource in ("events", "registrations", "achievements")),
        ("groups", "failed"),
    }
    assert names_in(place) == set()
    assert names_in(place, "marts.achievements", "achievement_title")


@contextmanager
def logged_collector(place: Place, *faults: str) -> Iterator[tuple[Collector, FaultySandbox]]:
    """A collector against a sandbox that logs its requests, with any fault."""
    tokens = {tenant.identifier: Token(tenant.token) for tenant in place.tenants}
    with (
        FaultySandbox(still_world(), *faults) as server,
        open_api(server.base_url, 30, lambda one: tokens[one.identifier], QUICK) as connect,
    ):
        yield (
            Collector(
                connect, place.warehouse, place.settings, NoProgress(), lambda: datetime.now(UTC)
            ),
            server,
        )


def requested(place: Place, mode: Mode = "full") -> set[str]:
    """The resources that a collection asks for."""
    with logged_collector(place) as (collector, server):
        collector.collect(place.settings.slugs, mode, mode=mode)
        paths = {request.path.split("/v2/E01/")[1] for request in server.log.requests()}
    return {"/".join(path.split("/")[:2]) for path in paths}


NAMES = {"directory/groups", "progress/achievements"}


def test_names_are_asked_for_in_full_runs_alone(place: Place) -> None:
    assert requested(place) >= NAMES
    assert not requested(place, "incremental") & NAMES
    place.derive()
    assert names_in(place)


@pytest.mark.usefixtures("refreshed")
def test_names_that_are_switched_off_are_not_asked_for_and_unknown(place: Place) -> None:
    first, second = place.organizations
    place.configure(first.slug, names=False)
    place.refresh()
    hidden = "SELECT DISTINCT venue_name FROM marts.venues WHERE organization ="
    assert place.ask(f"{hidden} '{first.slug}'") == [(None,)]
    assert len(place.ask(f"{hidden} '{second.slug}'")) > 1
    place.names = Names(collect=False)
    assert not requested(place) & NAMES
    place.derive()
    assert names_in(place) == set()
    assert place.ask("SELECT DISTINCT groups_as_of FROM marts.organization_freshness") == [(None,)]


@pytest.mark.parametrize("era", ["era=B", "era=C"])
@pytest.mark.usefixtures("refreshed")
def test_names_of_every_release_are_the_same(place: Place, era: str) -> None:
    names = ("raw.groups", "raw.achievements")

    def stored() -> list[list[tuple[Any, ...]]]:
        query = "SELECT * EXCLUDE (collected_at) FROM {} ORDER BY ALL"
        return [place.ask(query.format(name), snapshot=False) for name in names]

    before = stored()
    with logged_collector(place, era) as (collector, _):
        report = collector.collect(place.settings.slugs, era)
    assert len(report.complete) == 8
    assert stored() == before


def test_what_is_private_in_groups_is_nowhere(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.refresh("bad_rows=all")
    found = place.ask("SELECT DISTINCT resource FROM raw.rejected_rows", snapshot=False)
    assert ("groups",) in found
    files = [path for path in place.root.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if b"CANARY" in path.read_bytes()] == []
    assert "CANARY" not in caplog.text
    payloads = place.ask("SELECT payload FROM raw.rejected_rows WHERE resource = 'groups'")
    shown = " ".join(text for (text,) in payloads if text)
    assert '"GroupName":' in shown
    assert "GroupEmail" not in shown
    assert "GroupPhone" not in shown


@pytest.mark.usefixtures("refreshed")
def test_names_follow_their_organization_through_rename_rebuild_and_forget(place: Place) -> None:
    first, second = place.organizations
    before = place.ask(
        f"SELECT * EXCLUDE organization FROM raw.groups WHERE organization = '{first.slug}'"
    )
    place.configure(first.slug, slug="renamed")
    place.refresh("unauthorized=groups")
    query = "SELECT * EXCLUDE organization FROM raw.groups WHERE organization = "
    assert sorted(place.ask(f"{query}'renamed'")) == sorted(before)
    rebuilt = rebuild(place.warehouse, place.settings)
    assert rebuilt.faults == {}
    assert sorted(place.ask(f"{query}'renamed'", snapshot=False)) == sorted(before)
    place.derive()
    place.organizations = place.organizations[:1]
    removed = forget(place.warehouse, place.settings, second.slug)
    assert removed["raw.groups"] == 31
    assert removed["raw.achievements"] == 14
    for table in ("raw.groups", "raw.achievements", "marts.venues", "marts.achievements"):
        left = place.ask(f"SELECT DISTINCT organization FROM {table}", snapshot=False)
        assert left == [("renamed",)]


@pytest.mark.usefixtures("refreshed")
def test_an_organization_that_is_not_published_is_in_organizations_alone(place: Place) -> None:
    first, second = place.organizations
    place.change(f"DELETE FROM raw.events WHERE organization = '{first.slug}'")
    place.derive()
    listed = "SELECT organization FROM"
    assert sorted(place.ask(f"{listed} marts.organizations")) == sorted(
        [(first.slug,), (second.slug,)]
    )
    for table in ("raw.groups", "marts.venues", "marts.achievements"):
        assert place.ask(f"SELECT DISTINCT organization FROM {table}") == [(second.slug,)]


def test_check_says_which_resources_a_credential_may_read(place: Place) -> None:
    first, second = place.organizations
    place.configure(second.slug, registrations=False)
    with place.collector(f"forbidden=groups@{first.slug}") as collector:
        reports = {
            one.organization: one for one in credential_reports(place.settings, collector.connect)
        }
    assert reports[first.slug].counts.keys() == {
        "events",
        "registrations",
        "groups",
        "achievements",
    }
    assert reports[first.slug].counts["groups"] is None
    assert "HTTP 403" in reports[first.slug].faults["groups"]
    assert reports[first.slug].fault is None
    assert reports[second.slug].counts.keys() == {"events", "groups", "achievements"}
    assert reports[second.slug].counts["groups"] == 31
    assert not reports[second.slug].faults
    assert all(one.is_verified for one in reports.values())
