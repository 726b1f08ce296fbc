"""Which organizations are derived and published: the configured ones, but those that are withheld.

An organization is its identifier; its slug is its name here. One that breaks a promise is withheld
alone: it leaves derived marts and snapshot, and `marts.organization_freshness` says why.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import polars as pl

from booking_assets.collect.errors import CollectionFailed
from booking_assets.pipeline.checks import data_checks
from booking_assets.settings import Organization, Settings
from booking_assets.tables.contract import Table
from booking_assets.tables.raw import ACHIEVEMENTS, GROUPS, REGISTRATIONS
from booking_assets.warehouse.errors import OrganizationConflict
from booking_assets.warehouse.warehouse import Warehouse

_logger = logging.getLogger(__name__)

Withheld = Mapping[str, tuple[str, str]]
"""The reason and the remedy of each organization that is withheld, by slug."""


class OtherOrganization(CollectionFailed):
    """Rows of another organization are stored under the slug."""


def withheld_organizations(warehouse: Warehouse, settings: Settings) -> Withheld:
    """The configured organizations that fail a check that withholds them.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    withheld: dict[str, tuple[str, str]] = {}
    with warehouse.session() as session:
        for check in data_checks(settings):
            if not check.withholds:
                continue
            for slug, why in check.failing_organizations(session).items():
                found = f"{check.description} It does not hold{f' ({why})' if why else ''}"
                withheld.setdefault(slug, (found, check.remedy))
    return {slug: why for slug, why in withheld.items() if slug in settings.slugs}


def withheld_failures(warehouse: Warehouse, settings: Settings) -> list[str]:
    """A sentence for each organization that was not published, because it broke a promise.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    withheld = withheld_organizations(warehouse, settings)
    return [f"{slug}: not published. {why} {remedy}" for slug, (why, remedy) in withheld.items()]


def only_published(warehouse: Warehouse, settings: Settings, withheld: Withheld) -> Warehouse:
    """The warehouse, restricted to the organizations that are derived and published."""
    return warehouse.only({*settings.slugs} - withheld.keys())


def readable_organizations(warehouse: Warehouse, settings: Settings, table: Table) -> pl.DataFrame:
    """The organizations whose stored rows of a resource may be used: (organization, as_of).

    They ask for the resource in the settings, and its newest answer was not that access is denied;
    `as_of` is the start of its newest complete collection.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    registered = [one.slug for one in settings.organizations if one.registrations]
    wanted = registered if table is REGISTRATIONS else settings.named
    readable = warehouse.readable_as_of(table.short_name)
    return readable.filter(readable["organization"].is_in([*wanted]))


def hidden_resources(warehouse: Warehouse, settings: Settings) -> set[tuple[str, str]]:
    """The organizations and resources whose raw rows are stored, but not published.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    with warehouse.session() as session:
        return {
            (slug, table.short_name)
            for table in (REGISTRATIONS, GROUPS, ACHIEVEMENTS)
            for slug in {*settings.slugs}
            - {*readable_organizations(session, settings, table)["organization"]}
        }


def adopt_renamed(warehouse: Warehouse, settings: Settings) -> None:
    """Move stored organizations whose slug changed in the settings to their new slug.

    Where rows of another organization are stored under the new slug, nothing is moved, and that
    organization's next collection fails (`require_same_organization`).
    """
    configured = {one.slug: one.identifier for one in settings.organizations}
    try:
        for former, slug in warehouse.rename_organizations(configured).items():
            _logger.info("%s: stored as %s until now", slug, former)
    except OrganizationConflict as error:
        _logger.warning("%s", error)


def require_same_organization(organization: Organization, stored: Mapping[str, object]) -> None:
    """Refuse to store an organization's rows under a slug that holds those of another.

    Raises:
        OtherOrganization: the slug is stored with another identifier.
    """
    known = stored.get(organization.slug, organization.identifier)
    if known != organization.identifier:
        raise OtherOrganization(
            organization.slug,
            f"the settings say {organization.identifier}, but rows of the organization {known} are"
            " stored under this slug",
            f"Correct the identifier, or run `booking-assets forget {organization.slug}`, which"
            " removes them",
        )
