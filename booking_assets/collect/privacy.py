"""`AllowList`: drops the members that a contract does not list, before rows are decoded.

A registration contains exam passwords, scores and comments in clear text. The members that are left
are typed in `decoding`.
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
    """Filters the members of rows by a contract; a row that cannot be filtered becomes empty.

    Values stay as received and repeated members stay repeated, so that `decoding` sees the faults
    of listed members. Faults of members that are not listed have no effect.
    """

    contract: RowContract

    def __call__(self, rows: list[msgspec.Raw]) -> list[msgspec.Raw]:
        """The same number of rows, with the listed members only."""
        body = b"[" + b",".join(rows) + b"]"
        try:
            decoded = _ROWS.decode(body)
        except (ValueError, RecursionError):
            return [self._filter(row) for row in rows]
        if key_count(body) != sum(map(len, decoded)):
            return [self._filter(row) for row in rows]
        listed = self.contract.types
        filtered = [{name: row[name] for name in row if name in listed} for row in decoded]
        return rows_of(msgspec.json.encode(filtered))

    def _filter(self, row: msgspec.Raw) -> msgspec.Raw:
        listed = (
            json.dumps(name).encode() + b":" + value
            for name, value in members_of(bytes(row)) or []
            if name in self.contract.types
        )
        return msgspec.Raw(b"{" + b",".join(listed) + b"}")
