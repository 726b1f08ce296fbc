"""Tenants: a credential or a row of somebody else fails its organization alone, and stores nothing.

By property: whatever way a foreign row takes into a load, `Warehouse.store` refuses it.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from booking_assets.collect.contracts import REGISTRATION_ROWS
from booking_assets.collect.errors import ForeignRows
from booking_assets.pipeline.results import CollectionResult
from booking_assets.sandbox.faults.data import stranger_to
from booking_assets.sandbox.tenants import Tenant, token_variable
from booking_assets.settings import SettingsError
from booking_assets.tables.raw import REGISTRATIONS
from booking_assets.warehouse.errors import SliceLoadFailed
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.faults.server import with_stranger
from booking_assets_tests.reliability.installation import (
    Install,
    Installation,
    held,
    still_world,
)
from booking_assets_tests.warehouse.slice_loads import events, keys, slice_load, tenant

EVENTS_EACH = 30
WORLD = still_world(EVENTS_EACH, organizations=3)
SHOWN, OTHER, OPAQUE = WORLD.tenants
"""The tokens of the first two tell a client whose they are; the third's does not."""
BEFORE = still_world(20, organizations=3)


def assert_refused_alone(
    site: Installation, outcomes: dict[str, CollectionResult], slug: str, *seen: str
) -> CollectionResult:
    """One organization says what it saw and keeps what it had; the others are stored anew."""
    refused = outcomes[slug]
    assert refused.has_failed
    for part in (slug, *seen):
        assert part in refused.message
    assert site.log(refused)["status"] != "complete"
    assert_frame_equal(site.stored(slug), held(BEFORE, slug))
    counted = site.query("SELECT event_count FROM raw.event_counts WHERE organization = ?", [slug])
    assert counted == [{"event_count": 20}]
    for other in site.slugs:
        if other != slug:
            assert outcomes[other].is_complete
            assert_frame_equal(site.stored(other), held(WORLD, other))
    assert site.breaches() == []
    assert site.query("SELECT count(*) AS rows FROM raw.rejected_rows") == [{"rows": 0}]
    assert site.half_written() == []
    return refused


def test_a_token_that_answers_for_somebody_else_fails_alone(install: Install) -> None:
    install(BEFORE).collect()
    site = install(WORLD, f"foreign_token={OTHER.slug}@{SHOWN.slug}")
    refused = assert_refused_alone(
        site, site.collect(), SHOWN.slug, str(OTHER.identifier), str(SHOWN.identifier)
    )
    assert "rows of another organization arrived" in refused.explanation


def test_registrations_of_somebody_else_are_refused_as_events_are(install: Install) -> None:
    site = install(WORLD, f"foreign_token={OTHER.slug}@{SHOWN.slug}", registrations=True)
    with pytest.raises(ForeignRows, match=str(OTHER.identifier)):
        site.served(SHOWN.slug, REGISTRATION_ROWS)
    outcomes = site.collect()
    assert outcomes.pop(SHOWN.slug).has_failed
    assert all(one.is_complete for one in outcomes.values())
    assert site.warehouse.row_counts(REGISTRATIONS).keys() == outcomes.keys()


def test_one_foreign_row_among_thousands_fails_its_organization_alone(install: Install) -> None:
    thousands = still_world(3_000, organizations=1)
    slug, pages = SHOWN.slug, "page_size = 500"
    install(BEFORE).collect()
    site = install(thousands, "foreign_row", api=pages)
    refused = site.collect()[slug]
    assert refused.has_failed
    assert "rows of another organization arrived" in refused.explanation
    assert str(stranger_to(SHOWN)) in refused.message
    assert_frame_equal(site.stored(slug), held(BEFORE, slug))


def test_a_foreign_row_that_comes_by_itself_is_refused_as_well(install: Install) -> None:
    """The pages skip the foreign row, the list names it, and it is asked for alone."""
    install(BEFORE).collect()
    site = install(WORLD, f"foreign_row@{OTHER.slug}", f"skip_rows=8@{OTHER.slug}")
    outcomes = site.collect()
    assert_refused_alone(site, outcomes, OTHER.slug, str(stranger_to(OTHER)))
    retrieved = [one for one in site.requests if one.method == "GET"]
    assert {one.tenant for one in retrieved} == {OTHER.slug}


def test_an_empty_organization_of_a_foreign_credential_is_told_by_its_claim(
    install: Install,
) -> None:
    install(BEFORE).collect()
    world, tenants = with_stranger(WORLD, SHOWN)
    site = install(world, tenants=tenants)
    refused = assert_refused_alone(site, site.collect(), SHOWN.slug, str(stranger_to(SHOWN)))
    assert "the credential belongs to organization" in refused.explanation
    known = {one.tenant for one in site.requests}
    assert known == {one.slug for one in (OTHER, OPAQUE)}


@pytest.mark.parametrize("owner", [SHOWN, OPAQUE], ids=["told by the claim", "told by the rows"])
def test_one_credential_for_two_organizations_fails_the_wrong_one(
    install: Install, owner: Tenant
) -> None:
    install(BEFORE).collect()
    site = install(WORLD)
    outcomes = site.collect(tokens={OTHER.slug: owner.token})
    assert_refused_alone(site, outcomes, OTHER.slug, str(owner.identifier), str(OTHER.identifier))


def test_the_settings_refuse_one_variable_for_two_organizations(install: Install) -> None:
    site = install(WORLD)
    configuration = site.folder / "booking.toml"
    text = configuration.read_text(encoding="utf-8")
    shared = text.replace(token_variable(OTHER.slug), token_variable(SHOWN.slug))
    configuration.write_text(shared, encoding="utf-8")
    with pytest.raises(SettingsError, match="the same token_env; a token answers for one"):
        _ = site.settings


def test_the_others_are_derived_and_published(
    install: Install, instance: dg.DagsterInstance
) -> None:
    site = install(WORLD, f"foreign_token={OTHER.slug}@{SHOWN.slug}")
    refreshed = site.refresh(instance)
    assert refreshed.report.failed_organizations == (SHOWN.slug,)
    assert refreshed.failures == ()
    marts = "SELECT organization, count(*) AS rows FROM marts.capacity_by_event GROUP BY ALL"
    assert sorted((row["organization"], row["rows"]) for row in site.snapshot(marts)) == sorted(
        (one.slug, EVENTS_EACH) for one in (OTHER, OPAQUE)
    )


STRANGERS = {
    "organization": st.sampled_from(["globex", "ACME", "acme ", ""]),
    "organization_identifier": st.sampled_from([str(tenant("globex")), "no identifier", None]),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse that holds one event, and goes on doing so: everything else is refused."""
    folder = tmp_path_factory.mktemp("kept")
    warehouse = Warehouse(
        path=folder / "w.duckdb", snapshot=folder / "s.duckdb", memory_limit="192MB"
    )
    warehouse.store([slice_load(folder, "acme", events("acme", [1]))])
    return warehouse


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 40), column=st.sampled_from(sorted(STRANGERS)), data=st.data())
def test_no_delivery_with_a_foreign_row_is_stored(
    kept: Warehouse, rows: int, column: str, data: st.DataObject
) -> None:
    """Wherever the row stands, whatever says that it is foreign, whoever delivers beside it."""
    place = data.draw(st.integers(0, rows - 1))
    stranger = pl.lit(data.draw(STRANGERS[column]), dtype=pl.String)
    foreign = pl.when(pl.int_range(pl.len()) == place).then(stranger).otherwise(pl.col(column))
    with TemporaryDirectory() as folder:
        landing = Path(folder)
        spoilt = events("acme", range(rows), 1).with_columns(foreign.alias(column))
        beside = slice_load(landing, "globex", events("globex", [7], 1), 1)
        with pytest.raises(SliceLoadFailed, match="acme"):
            kept.store([beside, slice_load(landing, "acme", spoilt, 1)])
    assert keys(kept, "acme") == {1}
    assert keys(kept, "globex") == set()
