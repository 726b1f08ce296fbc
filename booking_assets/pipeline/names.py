"""Reads the file of `[names] csv`: what a person calls venues, achievements and organizations.

How names are applied is in `transforms.names`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from uuid import UUID

import polars as pl

from booking_assets.settings import SLUG, Settings, SettingsError
from booking_assets.tables.raw import NAME_OVERRIDES

HEADER = ["kind", "identifier", "name"]
KINDS = ("venue", "achievement", "organization")


def name_overrides(settings: Settings) -> pl.DataFrame:
    """The names in the file, as `raw.name_overrides`; none where the settings name no file.

    Raises:
        SettingsError: the file cannot be read, or lines are at fault; all of them are named.
    """
    if settings.names.csv is None:
        return NAME_OVERRIDES.empty()
    path = settings.root / settings.names.csv
    identifiers = {one.slug: str(one.identifier) for one in settings.organizations}
    rows: dict[tuple[str, str], list[str | None]] = {}
    line_of: dict[tuple[str, str], int] = {}
    faults: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            if next(lines, None) != HEADER:
                faults.append(f"line 1: it is not the header; write {','.join(HEADER)}")
            for fields in lines if not faults else ():
                try:
                    row = _override(fields, identifiers) if fields else None
                except ValueError as error:
                    faults.append(f"line {lines.line_num}: {error}")
                    continue
                if row is None:
                    continue
                organization, kind, identifier, _ = row
                key = str(kind), str(identifier or organization)
                if key in rows:
                    faults.append(
                        f"line {lines.line_num}: line {line_of[key]} names the same {kind};"
                        " remove one of them"
                    )
                rows[key], line_of[key] = row, lines.line_num
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = (error.strerror or "") if isinstance(error, OSError) else str(error)
        faults.append(f"it cannot be read: {reason}; correct the path under [names] or the file")
    if faults:
        raise SettingsError(str(path), tuple(faults))
    return pl.DataFrame([*rows.values()], NAME_OVERRIDES.dtypes, orient="row")


def _override(fields: list[str], identifiers: Mapping[str, str]) -> list[str | None]:
    """A line as a row of raw.name_overrides; `identifiers` are the organizations', by slug.

    Raises:
        ValueError: the line is at fault; the message says what to do.
    """
    if len(fields) != len(HEADER):
        raise ValueError(
            f"it has {len(fields)} fields instead of {len(HEADER)}; write a name with a comma in"
            " double quotes"
        )
    kind, given, name = (field.strip() for field in fields)
    if kind not in KINDS:
        raise ValueError(f"the kind is none of {', '.join(KINDS)}; correct it")
    if not name:
        raise ValueError("the name is empty; write one, or remove the line")
    is_organization = kind == "organization"
    try:
        identifier = str(UUID(given))
    except ValueError:
        if is_organization and re.fullmatch(SLUG, given):
            return [given, kind, identifiers.get(given), name]
        slug = " and no slug" if is_organization else ""
        raise ValueError(f"the identifier is no UUID{slug}; correct it") from None
    slugs = {own: slug for slug, own in identifiers.items()}
    return [slugs.get(identifier) if is_organization else None, kind, identifier, name]
