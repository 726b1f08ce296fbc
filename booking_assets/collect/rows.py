"""One row by itself: what fits, what is unknown, what is wrong with it.

What lives here: the slow path of decoding, taken by pages that do not fit the contract as a whole.
What must not: columns and frames (`decoding`).
Read more: `docs/decisions/0003-decoding.md`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from booking_assets.api.errors import MalformedBody
from booking_assets.collect.contracts import RowContract
from booking_assets.tables.contract import UUID_PATTERN

_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_GIVEN = msgspec.json.Decoder(dict[str, msgspec.Raw])
_GAP = re.compile(r"[\s,]*")


@dataclass(frozen=True)
class Row:
    """One row: its known members, the unknown ones as a JSON object, and each (member, reason)."""

    payload: str
    members: dict[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    extra: str | None = None
    faults: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class RowReader:
    """Reads single rows of one contract."""

    contract: RowContract

    @cached_property
    def _row(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.contract.row_type)

    @cached_property
    def _members(self) -> dict[str, msgspec.json.Decoder[Any]]:
        return {member: msgspec.json.Decoder(kind) for member, kind in self.contract.types.items()}

    def read(self, raw: bytes) -> Row:
        """One row: at once where every known member fits, else member by member."""
        try:
            members, given = self._row.decode(raw), _GIVEN.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._examine(raw)
        if members_written(raw) != len(given) or self._contradictions(members):
            return self._examine(raw)
        unknown, extra = self._unknown(given)
        return Row(self._payload(raw, given), dict(members), unknown, extra)

    def own_text(self, row: Row, member: str) -> str | None:
        """A member as text, under any spelling, also where it is not of its type."""
        names = [member, *(a for a, name in self.contract.spellings.items() if name == member)]
        found = [row.members[name] for name in names if row.members.get(name) is not None]
        return str(found[0]) if found else None

    def owner(self, row: Row) -> str | None:
        """The organization that a row names; None where it names none that could exist."""
        owner = self.own_text(row, "OrganizationIdentifier")
        return owner.lower() if owner and re.match(UUID_PATTERN, owner) else None

    def _examine(self, raw: bytes) -> Row:
        """One row, member by member; every fault is named, not the first alone."""
        try:
            text = raw.decode("utf-8")
            pairs = json.loads(text, object_pairs_hook=_Pairs, parse_constant=_refuse_constant)
            given = _GIVEN.decode(raw)
        except (ValueError, RecursionError) as error:
            broken = isinstance(error, UnicodeDecodeError)
            reason = "is no valid UTF-8" if broken else f"is no row: {error}"
            return Row(self._payload(raw, None), faults=[("row", reason)])
        faults = [(name, "is given more than once") for name in _repeated(pairs)]
        members = {}
        for name in sorted(given.keys() & self._members.keys()):
            try:
                members[name] = self._member(name, given[name])
            except msgspec.ValidationError as error:
                members[name] = bytes(given[name]).decode().strip('"')
                reason = str(error)
                faults.append((name, f"is not as agreed: {reason[0].lower()}{reason[1:]}"))
        faults += self._contradictions(members)
        unknown, extra = self._unknown(given)
        return Row(self._payload(raw, given), members, unknown, extra, faults)

    def _member(self, name: str, raw: msgspec.Raw) -> Any:
        try:
            return self._members[name].decode(raw)
        except msgspec.ValidationError:
            number = msgspec.json.decode(raw)
            # 3.0 is a whole number; only its spelling is unusual.
            if isinstance(number, float) and number.is_integer():
                return msgspec.convert(int(number), self.contract.types[name])
            raise

    def _contradictions(self, members: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Members that are given under two spellings with different values."""
        return [
            (alias, f"contradicts {name}")
            for alias, name in self.contract.spellings.items()
            if None not in (members.get(alias), members.get(name))
            and members[alias] != members[name]
        ]

    def _unknown(self, given: Mapping[str, msgspec.Raw]) -> tuple[tuple[str, ...], str | None]:
        """The unknown members: their names, and one JSON object with their values as received."""
        names = tuple(sorted(given.keys() - self._members.keys()))
        if not names or not self.contract.keeps_unknown:
            return (), None
        return names, msgspec.json.encode({name: given[name] for name in names}).decode()

    def _payload(self, raw: bytes, given: Mapping[str, msgspec.Raw] | None) -> str:
        """The row as received; of a resource with personal data, the contract's members alone."""
        if self.contract.keeps_unknown:
            return raw.decode("utf-8", errors="backslashreplace")
        known = {name: given[name] for name in given if name in self._members} if given else {}
        return msgspec.json.encode(known).decode()


def split(body: bytes) -> list[bytes]:
    """The rows of a page, each as received.

    Raises:
        MalformedBody: the body is no JSON array: cut off, an error page, an object.
    """
    try:
        return [bytes(raw) for raw in _RAW_ROWS.decode(body)]
    except (msgspec.DecodeError, RecursionError) as error:
        lenient = _split_leniently(body)
        if lenient is None:
            raise MalformedBody(f"the page is no JSON array of rows ({error})") from error
        return lenient


def members_written(body: bytes) -> int:
    r"""How many members a JSON text writes; -1 where counting is not enough to tell.

    A dict drops a repeated member and a TypedDict an unknown one, both in silence, so what was
    written is compared with what was kept. `\":` is a quote within text, as in JSON held in
    `Content`; behind two backslashes it might be either.
    """
    return -1 if b'\\\\":' in body else body.count(b'":') - body.count(b'\\":')


def _split_leniently(body: bytes) -> list[bytes] | None:
    """The rows of an array that holds `NaN` or `Infinity`, which JSON does not have but some write.

    A page of which one row holds such a token is the same at every request: asking again would
    not help, and the other rows are good.
    """
    text = body.decode("utf-8", errors="surrogateescape").strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    decoder = json.JSONDecoder()
    rows, position, end = [], _past_gap(text, 1), len(text) - 1
    try:
        while position < end:
            _, stop = decoder.raw_decode(text, position)
            rows.append(text[position:stop].encode("utf-8", errors="surrogateescape"))
            position = _past_gap(text, stop)
    except (ValueError, RecursionError):
        return None
    return rows


def _past_gap(text: str, position: int) -> int:
    gap = _GAP.match(text, position)
    return gap.end() if gap else position


class _Pairs(list[tuple[str, Any]]):
    """The members of an object as written, repeated ones included."""


def _repeated(pairs: object) -> list[str]:
    names = [name for name, _ in pairs] if isinstance(pairs, _Pairs) else []
    return sorted({name for name in names if names.count(name) > 1})


def _refuse_constant(token: str) -> None:
    raise ValueError(f"{token} is no JSON value")
