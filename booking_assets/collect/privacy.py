"""Keeping out what must not be read: of some resources only the contract's members are decoded.

What lives here: cutting a page down to the members that a contract lists, before anything else
sees it: a registration holds exam passwords, scores and comments in clear.
What must not: typing the members that are left (`decoding`).
Read more: `docs/reliability.md`, "What is never shown".
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import msgspec

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.json_parts import members_of, rows_of
from booking_assets.collect.rows import key_count

_ROWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


@dataclass(frozen=True)
class AllowList:
    """Cuts pages down to the members of one contract; a row that cannot be cut becomes empty.

    Values pass through as they are written, and repeated members are repeated, so that typing sees
    what was received. What is wrong with a member that is not listed does no harm.
    """

    contract: RowContract

    def __call__(self, rows: list[msgspec.Raw]) -> list[msgspec.Raw]:
        """The rows with the listed members alone, as many as before."""
        body = b"[" + b",".join(rows) + b"]"
        try:
            given = _ROWS.decode(body)
        except (ValueError, RecursionError):
            return [self._cut(row) for row in rows]
        if key_count(body) != sum(map(len, given)):
            return [self._cut(row) for row in rows]
        listed = self.contract.types
        cut = [{name: row[name] for name in row if name in listed} for row in given]
        return rows_of(msgspec.json.encode(cut))

    def _cut(self, row: msgspec.Raw) -> msgspec.Raw:
        try:
            members = members_of(bytes(row)) or []
        except RecursionError:
            members = []
        listed = (
            json.dumps(name).encode() + b":" + value
            for name, value in members
            if name in self.contract.types
        )
        return msgspec.Raw(b"{" + b",".join(listed) + b"}")
