"""Rows that cannot be typed, and rows of another release: what fits is loaded, nothing is lost.

That a new column of the contract migrates an old warehouse, and that any other change is refused,
is in `booking_assets_tests/warehouse/test_schema_changes.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import httpx
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from booking_assets.defs.runs import RefreshResult
from booking_assets.defs.specs import asset_key
from booking_assets.pipeline.checks import data_checks
from booking_assets.sandbox.faults.data import BAD_ROWS
from booking_assets.tables.raw import EVENTS, REJECTED_ROWS
from booking_assets_tests.commands import shell
from booking_assets_tests.reliability.installation import (
    Install,
    Installation,
    held,
    installed,
    still_world,
)

EVENTS_EACH = 40
WORLD = still_world(EVENTS_EACH, organizations=3)
SPOILT, UNKNOWN, SOUND = (tenant.slug for tenant in WORLD.tenants)
ACCOUNT = "rows_received, rows_loaded, rows_rejected, duplicates_dropped"


@dataclass(frozen=True)
class Day:
    """One refresh of an organization with bad rows, one with unknown members, and a sound one."""

    site: Installation
    instance: dg.DagsterInstance
    refreshed: RefreshResult

    def check(self, key: dg.AssetCheckKey) -> dg.AssetCheckEvaluation:
        """The newest evaluation of a check."""
        storage = self.instance.event_log_storage
        (record,) = storage.get_asset_check_execution_history(key, limit=1)
        assert record.event is not None
        evaluation = record.event.asset_check_evaluation
        assert evaluation is not None
        return evaluation

    def metadata(self, slug: str) -> dict[str, object]:
        """What an organization's newest materialization of events says."""
        wanted = dg.AssetRecordsFilter(asset_key=asset_key(EVENTS), asset_partitions=[slug])
        (record,) = self.instance.fetch_materializations(wanted, limit=1).records
        assert record.asset_materialization is not None
        return {name: one.value for name, one in record.asset_materialization.metadata.items()}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    where = shell(tmp_path_factory.mktemp("strange"))
    faults = (f"bad_rows=all@{SPOILT}", f"unknown_members@{UNKNOWN}")
    with installed(where, WORLD, *faults) as site, dg.DagsterInstance.ephemeral() as instance:
        yield Day(site, instance, site.refresh(instance))


def rows_loaded(refreshed: RefreshResult) -> dict[str, int]:
    return {one.organization: one.log_row["rows_loaded"] for one in refreshed.report.complete}


def test_bad_rows_and_unknown_members_stop_nothing(day: Day) -> None:
    assert day.refreshed.is_complete, day.refreshed
    stored = {SPOILT: EVENTS_EACH - len(BAD_ROWS), UNKNOWN: EVENTS_EACH, SOUND: EVENTS_EACH}
    assert rows_loaded(day.refreshed) == stored
    assert_frame_equal(day.site.stored(SOUND), held(WORLD, SOUND))
    marts = "SELECT organization, count(*) AS rows FROM marts.capacity_by_event GROUP BY ALL"
    derived = {row["organization"]: row["rows"] for row in day.site.snapshot(marts)}
    assert derived == stored


def test_events_that_share_a_number_are_different_events(day: Day) -> None:
    numbers = day.site.stored(SOUND).get_column("event_number")
    assert numbers.n_unique() < numbers.len() == EVENTS_EACH


def test_the_good_rows_among_bad_ones_are_loaded_as_they_are(day: Day) -> None:
    loaded = day.site.stored(SPOILT)
    identifiers = loaded.get_column("event_identifier").implode()
    expected = held(WORLD, SPOILT).filter(pl.col("event_identifier").is_in(identifiers))
    assert_frame_equal(loaded, expected)


def test_a_bad_row_is_kept_whole_with_its_reason(install: Install, day: Day) -> None:
    site = install(WORLD, "bad_rows=all")
    body = {"Filter": {"Page": 1, "PageSize": EVENTS_EACH, "Sort": "EventIdentifier"}}
    headers = {"Authorization": f"Bearer {site.tenants[0].token}"}
    url = f"{site.server.base_url}/booking/events/collect"
    with httpx.Client(headers=headers, verify=False) as client:
        served = client.post(url, json=body).content.decode(errors="backslashreplace")
    rejected = day.site.query("SELECT * FROM raw.rejected_rows")
    assert {row["organization"] for row in rejected} == {SPOILT}
    assert len({row["payload"] for row in rejected}) == len(BAD_ROWS)
    unowned = [row for row in rejected if row["payload"] is None]
    assert len(unowned) < len(rejected) / 2
    for row in unowned:
        assert {"OrganizationIdentifier", "row"} & {*row["fields"].split(",")}
    for row in rejected:
        assert (row["payload"] or "").strip() in served
        assert row["fields"]
        assert row["reason"]


def test_what_was_received_is_loaded_rejected_or_double(day: Day) -> None:
    (account,) = day.site.query(
        f"SELECT {ACCOUNT} FROM raw.collections WHERE organization = ?", [SPOILT]
    )
    assert account == {
        "rows_received": EVENTS_EACH,
        "rows_loaded": EVENTS_EACH - len(BAD_ROWS),
        "rows_rejected": len(BAD_ROWS),
        "duplicates_dropped": 0,
    }
    assert day.check(dg.AssetCheckKey(asset_key(EVENTS), "counted_is_stored")).passed
    assert day.site.breaches() == []


@pytest.mark.parametrize(
    ("check", "slug"),
    [
        (dg.AssetCheckKey(asset_key(REJECTED_ROWS), "no_rejected_rows"), SPOILT),
        (dg.AssetCheckKey(asset_key(EVENTS), "no_unknown_members"), UNKNOWN),
    ],
    ids=["rejected rows", "unknown members"],
)
def test_what_does_not_fit_the_contract_is_a_warning(
    day: Day, check: dg.AssetCheckKey, slug: str
) -> None:
    evaluation = day.check(check)
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
    assert evaluation.metadata["organizations"].value == slug


def test_unknown_members_are_kept_and_named_once(day: Day) -> None:
    own = day.site.stored(UNKNOWN)
    assert_frame_equal(own.drop("extra"), held(WORLD, UNKNOWN).drop("extra"))
    kept = [json.loads(extra) for extra in own.get_column("extra").drop_nulls()]
    names = {name for extra in kept for name in extra}
    assert len(names) > 3
    assert all(name.startswith("Sandbox") for name in names)
    (check,) = [one for one in data_checks(day.site.settings) if one.name == "no_unknown_members"]
    assert check.failing_organizations(day.site.warehouse) == {UNKNOWN: ", ".join(sorted(names))}


@pytest.mark.parametrize("era", ["B", "C"])
def test_events_of_another_release_are_the_same_events(install: Install, era: str) -> None:
    site = install(WORLD, f"era={era}")
    for slug, outcome in site.collect().items():
        assert outcome.is_complete, outcome
        assert site.warehouse.unknown_members() == {}
        expected = held(WORLD, slug).with_columns(
            exam_score_warnings=pl.lit(None, EVENTS.dtypes["exam_score_warnings"])
        )
        assert_frame_equal(site.stored(slug), expected)
    assert site.settings.api is not None
    assert site.settings.api.base_url.endswith("/api") == (era == "C")


def test_rows_that_move_are_mended_in_another_release_too(install: Install) -> None:
    site = install(WORLD, "era=C", "skip_rows=3")
    for slug, outcome in site.collect().items():
        assert outcome.is_complete, outcome
        assert site.stored(slug).height == EVENTS_EACH
