"""Rules of `marts.venues`, `marts.achievements` and `marts.organizations`, and of names in marts.

An override wins over the API's name; a blank name is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import polars as pl

from booking_assets.tables.contract import Table
from booking_assets.tables.names import ACHIEVEMENTS, ORGANIZATIONS, VENUES, NameColumn
from booking_assets.transforms.rules import conform_to, with_as_of

LABEL_CHARACTERS = 8
_KEY = ["organization", "identifier"]


def venues(
    groups: pl.DataFrame, overrides: pl.DataFrame, known: Collection[str], as_of: pl.DataFrame
) -> pl.DataFrame:
    """`marts.venues`: a row for each venue and office that events refer to, named or not.

    Args:
        groups: What events refer to beside its row of `raw.groups` (`Warehouse.referred_rows`).
        overrides: `raw.name_overrides`.
        known: The organizations whose groups may be read, and are wanted.
        as_of: The instant that each organization's marts are for.
    """
    named = _named(groups, overrides, "venue", known, {"group_name": "name"}, as_of)
    return conform_to(
        named.rename({"identifier": "venue_identifier", "name": "venue_name"}).with_columns(
            kind="group_type", code="group_code"
        ),
        VENUES,
    )


def achievements(
    rows: pl.DataFrame, overrides: pl.DataFrame, known: Collection[str], as_of: pl.DataFrame
) -> pl.DataFrame:
    """`marts.achievements`: a row for each achievement that events refer to, named or not.

    The arguments are those of `venues`; `rows` are beside those of `raw.achievements`.
    """
    titles = {"achievement_title": "name"}
    named = _named(rows, overrides, "achievement", known, titles, as_of)
    return conform_to(
        named.drop("achievement_identifier")
        .rename({"identifier": "achievement_identifier", "name": "achievement_title"})
        .with_columns(kind="achievement_label"),
        ACHIEVEMENTS,
    )


def organizations(
    configured: Sequence[Mapping[str, str | None]], overrides: pl.DataFrame, as_of: pl.DataFrame
) -> pl.DataFrame:
    """`marts.organizations`: a row for each organization in the settings.

    Args:
        configured: The slug (`organization`), `organization_identifier` and `timezone` of each.
        overrides: `raw.name_overrides`.
        as_of: The instant that each organization's marts are for.
    """
    own = overrides.filter(pl.col("kind") == "organization").drop_nulls("organization")
    rows = pl.DataFrame(configured, schema=dict.fromkeys(_CONFIGURED, pl.String)).join(
        own.select("organization", organization_name="name"), on="organization", how="left"
    )
    return conform_to(
        rows.join(as_of, on="organization", how="left").with_columns(
            label=pl.coalesce("organization_name", "organization")
        ),
        ORGANIZATIONS,
    )


_CONFIGURED = ("organization", "organization_identifier", "timezone")


def with_names(
    frame: pl.DataFrame, table: Table, names: Mapping[str, tuple[NameColumn, pl.DataFrame]]
) -> pl.DataFrame:
    """A mart's frame with the names of what it refers to; its rows and their order are the same.

    Args:
        frame: The mart's rows; its columns with names are replaced.
        table: The mart.
        names: By column, what it is (`tables.names`), and the rows of the mart that defines it.
    """
    for name, (column, rows) in names.items():
        (identifier,) = [key for key in column.table.grain if key != "organization"]
        own = rows.select("organization", pl.col(identifier).alias(column.key), name)
        frame = frame.drop(name).join(
            own, on=["organization", column.key], how="left", maintain_order="left"
        )
    return frame.select(table.column_names)


def _named(
    rows: pl.DataFrame,
    overrides: pl.DataFrame,
    kind: str,
    known: Collection[str],
    renamed: Mapping[str, str],
    as_of: pl.DataFrame,
) -> pl.DataFrame:
    """The rows with `name`, `label` and `as_of`; members of organizations not `known` are null."""
    own = overrides.filter(pl.col("kind") == kind)
    is_known = pl.col("organization").is_in([*known])
    members = pl.exclude(_KEY)
    api = rows.with_columns(pl.when(is_known).then(members)).rename(renamed)
    named = api.join(own.select("identifier", override="name"), on="identifier", how="left")
    stripped = pl.col("name").str.strip_chars()
    api_name = pl.when(stripped != "").then(stripped)
    return (
        with_as_of(named, as_of)
        .with_columns(name=pl.coalesce("override", api_name))
        .with_columns(label=pl.coalesce("name", pl.col("identifier").str.head(LABEL_CHARACTERS)))
    )
