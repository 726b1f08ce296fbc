"""One row by itself: what fits, what is unknown, what is wrong with it.

What lives here: the slow path of decoding, taken by rows that do not fit the contract together with
their neighbours, and the count that tells whether anything was lost on the fast one.
What must not: columns and frames (`decoding`), splitting a page (`json_parts`).
Read more: `docs/decisions/0003-decoding.md`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.json_parts import members_of, text_of

OWNER = "OrganizationIdentifier"
_GIVEN = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_QUOTE, _COLON, _BACKSLASH = b'":\\'
_BLANK = ord(" ")
"""The largest of the bytes that may stand between a name and its colon."""
_SHORTEST_NAME = len(b'{""')
"""Bytes before the first colon of a member."""


@dataclass(frozen=True)
class Row:
    """One row: what came, what was read from it, and what is wrong with it.

    Args:
        raw: the row's JSON as received.
        members: its known members by the reference's names; of their types if nothing is at fault.
        identifier: the row's identifier as received, None where absent.
        owners: every organization that the row says it belongs to; at most one if all is well.
        unknown: the names of members that the contract does not know.
        extra: those members as one JSON object, None without any.
        faults: each (member, reason); a row without faults is a good one.
    """

    raw: bytes
    members: Mapping[str, Any]
    identifier: str | None
    owners: frozenset[UUID]
    unknown: tuple[str, ...] = ()
    extra: str | None = None
    faults: list[tuple[str, str]] = field(default_factory=list)

    @property
    def payload(self) -> str:
        """The row exactly as received; only bytes that are no UTF-8 are written as escapes."""
        return self.raw.decode("utf-8", errors="backslashreplace")


@dataclass(frozen=True)
class RowReader:
    """Reads single rows of one contract."""

    contract: RowContract

    def read(self, raw: bytes) -> Row:
        """One row: at once where every known member fits, else member by member."""
        try:
            members, given = self._row.decode(raw), _GIVEN.decode(raw)
            unknown = {name: given[name] for name in given if name not in self.contract.types}
            extra = _object(unknown)
        except (ValueError, RecursionError):
            return self._examined(raw)
        values = (bytes(value) for value in unknown.values())
        nested = sum(key_count(value) for value in values if value[:1] in b"{[")
        if key_count(raw) - nested != len(given) or self._contradictions(members):
            return self._examined(raw)
        return self._row_of(raw, list(members.items()), tuple(unknown), extra, [])

    @cached_property
    def _row(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(self.contract.row_type(self.contract.types))

    @cached_property
    def _values(self) -> dict[str, msgspec.json.Decoder[Any]]:
        return {name: msgspec.json.Decoder(kind) for name, kind in self.contract.types.items()}

    @cached_property
    def _owners_written(self) -> re.Pattern[bytes]:
        names = "|".join(
            name for name, member in self.contract.member_of.items() if member == OWNER
        )
        return re.compile(rf'"(?:{names})"\s*:\s*"([^"]*)"'.encode())

    def _examined(self, raw: bytes) -> Row:
        """One row, member by member; every fault is named, not the first alone."""
        try:
            given = members_of(raw)
        except RecursionError:
            return self._unreadable(raw, "is nested too deeply")
        if given is None:
            return self._unreadable(raw, "is no JSON object")
        written = Counter(name for name, _ in given)
        faults = [
            (text_of(name), "is given more than once") for name, n in written.items() if n > 1
        ]
        read: list[tuple[str, Any]] = []
        unknown: dict[str, msgspec.Raw] = {}
        for name, value in given:
            try:
                read.append((name, self._value(name, value)))
            except msgspec.ValidationError as error:
                reason = str(error)
                faults.append((name, f"is not as agreed: {reason[0].lower()}{reason[1:]}"))
                read.append((name, text_of(value)))
            except (ValueError, RecursionError):
                faults.append((text_of(name), "holds what JSON or Unicode does not have"))
                read.append((name, text_of(value)))
            if name not in self.contract.types:
                unknown[name] = msgspec.Raw(value)
        faults += self._contradictions(dict(read))
        extra = None if faults else _object(unknown)
        known = [(name, value) for name, value in read if name in self.contract.types]
        return self._row_of(raw, known, tuple(unknown), extra, faults)

    def _value(self, name: str, raw: bytes) -> Any:
        """A member's value, of its type where the contract knows the member.

        Raises:
            ValueError: it is of another type, or no value at all.
        """
        name.encode()
        decoder = self._values.get(name, _ANYTHING)
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError:
            number = _ANYTHING.decode(raw)
            # 3.0 is a whole number; only its spelling is unusual.
            if isinstance(number, float) and number.is_integer():
                return msgspec.convert(int(number), self.contract.types[name])
            raise

    def _contradictions(self, members: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Members that are given under two aliases with different values."""
        return [
            (alias, f"contradicts {name}")
            for alias, name in self.contract.aliases.items()
            if None not in (members.get(alias), members.get(name))
            and str(members[alias]).lower() != str(members[name]).lower()
        ]

    def _row_of(
        self,
        raw: bytes,
        known: list[tuple[str, Any]],
        unknown: tuple[str, ...],
        extra: str | None,
        faults: list[tuple[str, str]],
    ) -> Row:
        """The row of known members as written: under any spelling, perhaps repeated."""
        spoken = [(self.contract.member_of[name], value) for name, value in known]
        given = [(member, value) for member, value in spoken if value is not None]
        identifiers = [
            str(value) for member, value in given if member == self.contract.resource.identifier
        ]
        return Row(
            raw=raw,
            members=dict(given),
            identifier=next(iter(identifiers), None),
            owners=_uuids(str(value) for member, value in given if member == OWNER),
            unknown=unknown,
            extra=extra,
            faults=faults,
        )

    def _unreadable(self, raw: bytes, reason: str) -> Row:
        """A row that has no members to examine; it may speak of its owner all the same."""
        owners = (owner.decode(errors="replace") for owner in self._owners_written.findall(raw))
        return Row(raw, {}, None, _uuids(owners), faults=[("row", reason)])


def key_count_upper_bound(body: bytes) -> int:
    r"""A bound on the members that a JSON text writes: mostly the number itself, in half the time.

    Before the colon of each member stands a blank, or a quote that closes its name. A quote behind
    one backslash closes nothing. Other colons may be taken for a member's, none is missed.
    """
    text = np.frombuffer(body, np.uint8)
    at = np.flatnonzero(text[_SHORTEST_NAME:] == _COLON) + _SHORTEST_NAME
    before = text[at - 1]
    is_quote = before == _QUOTE
    is_escaped = is_quote & (text[at - 2] == _BACKSLASH) & (text[at - 3] != _BACKSLASH)
    return int(np.count_nonzero((is_quote & ~is_escaped) | (before <= _BLANK)))


def key_count(body: bytes) -> int:
    r"""How many members a JSON text writes, whatever its spelling and its blanks.

    A dict drops a repeated member and a Struct too, both in silence, so what was written is
    compared with what was kept: where they are equal, nothing was lost.

    A member's name is a string that a colon follows. A quote opens or closes a string, unless an
    odd number of backslashes stands before it. Of a text that is no JSON the answer is any number.
    """
    text = np.frombuffer(body, np.uint8)
    is_quote = text == _QUOTE
    if b"\\" in body:
        is_quote[_escaped(text)] = False
    after = np.flatnonzero(is_quote)[1::2] + 1
    members = 0
    while after.size:
        # A text may be nothing but a string: behind that there is nothing.
        following = text[after[:-1] if after[-1] == text.size else after]
        members += int(np.count_nonzero(following == _COLON))
        after = after[: following.size][following <= _BLANK] + 1
    return members


def _escaped(text: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Where a byte stands behind an odd number of backslashes."""
    at = np.flatnonzero(text == _BACKSLASH)
    ends = np.flatnonzero(np.diff(at, append=text.size + 1) != 1)
    lengths = np.diff(ends, prepend=-1)
    behind: npt.NDArray[np.intp] = at[ends[lengths % 2 == 1]] + 1
    return behind[behind < text.size]


def _object(members: Mapping[str, msgspec.Raw]) -> str | None:
    """Members as one JSON object, their values as received; None without any.

    Raises:
        ValueError: a value is not what JSON, UTF-8 and the warehouse's JSON functions can read.
    """
    if not members:
        return None
    text = msgspec.json.encode(dict(sorted(members.items())))
    _ANYTHING.decode(text)
    return text.decode()


def _uuids(texts: Iterable[str]) -> frozenset[UUID]:
    """The texts that are UUIDs in any notation: upper case, braced, without hyphens."""
    found = set()
    for text in texts:
        try:
            found.add(UUID(text.strip()))
        except ValueError:
            continue
    return frozenset(found)
