"""Keeping out what must not be read: of some resources only the contract's members are decoded.

What lives here: cutting a page down to the members that a contract lists, before anything else
sees it: a registration holds exam passwords, scores and comments in clear.
What must not: typing the members that are left (`decoding`).
Read more: `docs/reliability.md`, "What is never shown".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

import msgspec

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.json_parts import rows_of


@dataclass(frozen=True)
class AllowList:
    """Cuts pages down to the members of one contract; a row that cannot be cut becomes empty.

    Values pass through as they are written, so that typing sees what was received.
    """

    contract: RowContract

    def __call__(self, rows: list[msgspec.Raw]) -> list[msgspec.Raw]:
        """The rows with the listed members alone, as many as before."""
        try:
            listed = self._rows.decode(b"[" + b",".join(rows) + b"]")
        except (ValueError, RecursionError):
            return [self._cut(row) for row in rows]
        return rows_of(msgspec.json.encode(listed))

    @cached_property
    def _row_type(self) -> Any:
        members = dict.fromkeys(self.contract.types, msgspec.Raw)
        return TypedDict("_Listed", members, total=False)  # type: ignore[operator]  # made from the contract

    @cached_property
    def _rows(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(list[self._row_type])  # type: ignore[name-defined]  # made from the contract

    @cached_property
    def _row(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self._row_type)

    def _cut(self, row: msgspec.Raw) -> msgspec.Raw:
        try:
            return msgspec.Raw(msgspec.json.encode(self._row.decode(row)))
        except (ValueError, RecursionError):
            return msgspec.Raw(b"{}")
