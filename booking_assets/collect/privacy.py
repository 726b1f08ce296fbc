"""`drop_unlisted_members`: drops members that a contract does not list, before rows are decoded.

A registration contains exam passwords, scores and comments in clear text, a group the contact data
of people. The members that are left are typed in `decoding`.
"""

from __future__ import annotations

import json
from contextlib import suppress

import msgspec

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.json_parts import members_of, rows_of
from booking_assets.collect.rows import key_count

_ROWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def drop_unlisted_members(rows: list[msgspec.Raw], contract: RowContract) -> list[msgspec.Raw]:
    """The same rows with the contract's members only; a row that is no object becomes empty.

    Values stay as received and repeated members stay repeated, so that `decoding` sees the faults
    of listed members. Faults of members that are not listed have no effect.
    """
    listed = contract.types
    body = b"[" + b",".join(rows) + b"]"
    with suppress(ValueError, RecursionError):
        decoded = _ROWS.decode(body)
        if key_count(body) == sum(map(len, decoded)):
            kept = [{name: row[name] for name in row if name in listed} for row in decoded]
            return rows_of(msgspec.json.encode(kept))
    filtered = []
    for row in rows:
        members = (
            json.dumps(name).encode() + b":" + value
            for name, value in members_of(bytes(row)) or []
            if name in listed
        )
        filtered.append(msgspec.Raw(b"{" + b",".join(members) + b"}"))
    return filtered
