"""The operations of the API, one call each, for a person who looks into one organization's rows.

Rows are decoded by contract, as when they are collected: foreign rows are refused, and of
registrations only the listed members are read. Files of published rows are made in
`warehouse.export`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

import polars as pl

from booking_assets.api import bodies
from booking_assets.api.client import BookingClient
from booking_assets.api.errors import Unauthorized
from booking_assets.collect.contracts import RowContract
from booking_assets.collect.decoding import DecodedPage, Decoder
from booking_assets.pipeline.connections import Connect, remedy_of
from booking_assets.pipeline.loads import CONTRACTS
from booking_assets.settings import Organization, Settings
from booking_assets.tables.catalog import TABLES
from booking_assets.tables.contract import Column, Count, Flag, Identifier, Measure, Number
from booking_assets.warehouse.export import FileFormat, export_snapshot, is_formula

RESOURCES = tuple(CONTRACTS)
TABLE_NAMES = tuple(table.name for table in TABLES)
_APPLIED = frozenset({"AchievementTitle"})
"""The criteria that a release of the server is known to apply, besides the organization."""
_NOT_SHOWN = ("organization", "collected_at")
_FLAGS = {"true": True, "false": False}


class OperationRefused(Exception):
    """An operation that cannot be asked so, is not authorized, or whose answer is personal."""


@dataclass(frozen=True)
class Answer:
    """The rows of an answer, and what a person should know about them."""

    rows: pl.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operations:
    """The operations of one resource for one organization.

    Every method may raise `BookingError`, and those that read rows `ForeignRows`.
    """

    organization: Organization
    contract: RowContract
    client: BookingClient
    filters: tuple[str, ...] = field(default=())

    @classmethod
    def open(
        cls, connect: Connect, organization: Organization, resource: str, filters: Iterable[str]
    ) -> Operations:
        """Makes a client that sends `filters`, each as `NAME=VALUE`, with its queries.

        Raises:
            OperationRefused: a filter names no member, or its value is not of the member's type.
        """
        contract = CONTRACTS[resource]
        sent = criteria(contract, filters)
        client = connect(organization, contract.resource)
        client.criteria = sent
        return cls(organization, contract, client, tuple(name for name in sent))

    def ask(
        self, operation: str, identifier: str, page: int, page_size: int, sort: str | None
    ) -> Answer:
        """Sends count, exists, retrieve, search or collect, with what it takes of the arguments.

        Raises:
            OperationRefused: the credential is rejected; the message names its variable.
        """
        try:
            if operation == "count":
                return self._answer(pl.DataFrame({"count": [self.client.count()]}))
            if operation == "exists":
                return Answer(pl.DataFrame({"exists": [self.client.exists(identifier)]}))
            if operation == "retrieve":
                row = self.client.retrieve(identifier)
                return self._decoded(self._decoder()(b"[" + row + b"]"))
            if operation == "search":
                return self._search(page, page_size, sort)
            return self._collect(page, page_size, sort)
        except Unauthorized as error:
            remedy = remedy_of(error, self.organization)
            reason = f"{self.organization.slug}: {error.reason}. {remedy}"
            raise OperationRefused(reason) from error

    def _search(self, page: int, page_size: int, sort: str | None) -> Answer:
        found = self.client.search(page, page_size, sort=sort)
        name, listed = self.contract.identifier_column, found.content
        frame = pl.DataFrame({name: listed.identifiers}, schema={name: pl.String})
        unnamed = listed.without_identifier
        return self._answer(
            frame,
            _position(page, found.total_count, listed.rows),
            f"{unnamed} listed rows have no identifier" if unnamed else "",
        )

    def _collect(self, page: int, page_size: int, sort: str | None) -> Answer:
        found = self.client.collect(page, page_size, self._decoder(), sort=sort)
        position = _position(page, found.total_count, found.content.received)
        return self._decoded(found.content, position, self._ignored())

    def download(self, path: Path, file_format: Literal["json", "csv"]) -> Answer:
        """Writes all rows to a file as the server sends them, after a look at whose rows they are.

        Raises:
            OperationRefused: the rows hold what this project never stores.
        """
        if self.contract.is_closed:
            raise OperationRefused(
                f"{self.organization.slug}: {self.contract.resource.name} have personal members,"
                " such as passwords or addresses, so they are not written to a file as sent;"
                " collect shows the members that are stored"
            )
        self.client.collect(1, 1, self._decoder())
        self.client.download(path, file_format)
        frame = pl.DataFrame({"file": [str(path)], "bytes": [path.stat().st_size]})
        raw = "the server wrote this CSV: a spreadsheet runs texts that begin with = as formulas"
        return self._answer(frame, raw if file_format == "csv" else "")

    def _decoder(self) -> Decoder:
        slug, identifier = self.organization.slug, self.organization.identifier
        return Decoder(self.contract, slug, identifier, datetime.now(UTC))

    def _decoded(self, page: DecodedPage, *notes: str) -> Answer:
        rejected = [
            f"row {row['identifier']} does not fit the contract ({row['fields']}): {row['reason']}"
            for row in page.rejected.to_dicts()
        ]
        return Answer(page.rows.drop(_NOT_SHOWN), tuple(filter(None, (*notes, *rejected))))

    def _answer(self, rows: pl.DataFrame, *notes: str) -> Answer:
        return Answer(rows, tuple(filter(None, (*notes, self._ignored()))))

    def _ignored(self) -> str:
        ignored = [name for name in self.filters if name not in _APPLIED]
        return (
            f"the server is known to ignore the filter {', '.join(ignored)}: this is of all"
            f" {self.contract.resource.name} of {self.organization.slug}"
            if ignored
            else ""
        )


def criteria(contract: RowContract, filters: Iterable[str]) -> dict[str, object]:
    """Reads filters: the API's member names or the columns of the table, with a value each.

    Raises:
        OperationRefused: a filter names no member, or its value is not of the member's type.
    """
    members = {name.lower(): (name, contract.members[c]) for name, c in contract.column_of.items()}
    read = {}
    for text in filters:
        name, _, value = text.partition("=")
        member, column = members.get(name.replace("_", "").lower(), ("", None))
        if column is None:
            known = ", ".join(contract.column_of)
            raise OperationRefused(f"{name!r} is no member of {contract.resource.name}: {known}")
        if member in {"OrganizationIdentifier", contract.resource.identifier}:
            remedy = "use retrieve" if member == contract.resource.identifier else "use -o"
            raise OperationRefused(f"{member} is no filter of the API: {remedy}")
        try:
            read[member] = _value(column, value)
        except (KeyError, ValueError):
            kind = type(column).__name__.lower()
            raise OperationRefused(f"{member} is a {kind}, which {value!r} is not") from None
    return read


def as_text(rows: pl.DataFrame, file_format: Literal["json", "csv"]) -> str:
    """Rows as a JSON array of objects, or as CSV in which no text is a formula (see `export`)."""
    if file_format == "json":
        return json.dumps(json.loads(rows.write_json()), indent=2, ensure_ascii=False) + "\n"
    texts = [column for column in rows if column.dtype == pl.String]
    safe = [pl.Series(one.name, [*map(_not_formula, one)], pl.String) for one in texts]
    return rows.with_columns(safe).write_csv()


def write(path: Path, text: str) -> None:
    """Writes a file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with bodies.atomic_write(path) as file:
        file.write(text.encode())


def export(
    settings: Settings,
    folder: Path,
    file_format: FileFormat,
    tables: Collection[str],
    organizations: Collection[str],
) -> dict[str, int]:
    """Write the named tables of the snapshot, or all, to a new folder; gives their rows.

    Raises:
        WarehouseError: as `export_snapshot`.
    """
    chosen = [table for table in TABLES if not tables or table.name in tables]
    return export_snapshot(
        settings.snapshot_path,
        folder,
        file_format,
        chosen,
        organizations,
        memory_limit=settings.warehouse.memory_limit,
        threads=settings.warehouse.threads,
        group=settings.publish.group,
    )


def _not_formula(text: str | None) -> str | None:
    return f"'{text}" if text is not None and is_formula(text) else text


def _value(column: Column, text: str) -> object:
    if isinstance(column, Flag):
        return _FLAGS[text.lower()]
    if isinstance(column, Number | Count):
        return int(text)
    if isinstance(column, Measure):
        return float(text)
    return str(UUID(text)) if isinstance(column, Identifier) else text


def _position(page: int, total: int | None, rows: int) -> str:
    return f"page {page}: {rows} of {'an unknown number of' if total is None else total} rows"
