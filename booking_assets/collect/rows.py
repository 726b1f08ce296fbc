"""Reads single rows: known members, unknown members, and every fault of a row.

This is the slow path of `decoding`. `key_count` shows whether the fast path lost a member.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypedDict
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt

from booking_assets.collect.contracts import RowContract
from booking_assets.collect.json_parts import members_of, text_of

OWNER = "OrganizationIdentifier"
MAX_ROW_BYTES = 16 * 2**20
"""A larger row is rejected without its payload, so that it costs only itself."""
_GIVEN = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_QUOTE, _COLON, _BACKSLASH = b'":\\'
_BLANK = ord(" ")
"""The largest byte that may stand between a name and its colon."""
_SHORTEST_NAME = len(b'{""')
"""Bytes before the first colon of a member."""


@dataclass(frozen=True)
class Row:
    """A row: its JSON as received, the members read from it, and its faults.

    Args:
        members: its known members by the reference's names; of their types if there is no fault.
        identifier: the row's identifier as received, None where absent.
        owners: every organization identifier in the row; a valid row has a single owner.
        unknown: the names of members that the contract does not know.
        extra: those members as a JSON object, None where there are none.
        faults: each (member, reason); empty for a valid row.
    """

    raw: bytes
    members: Mapping[str, Any]
    identifier: str | None
    owners: frozenset[UUID]
    unknown: tuple[str, ...] = ()
    extra: str | None = None
    faults: list[tuple[str, str]] = field(default_factory=list)

    @property
    def payload(self) -> str | None:
        """The row exactly as received; only bytes that are not UTF-8 become escapes.

        None where the row does not prove its owner, or is too large.
        """
        if not self.owners or len(self.raw) > MAX_ROW_BYTES:
            return None
        return self.raw.decode("utf-8", errors="backslashreplace")


@dataclass(frozen=True)
class RowReader:
    """Reads single rows of a contract."""

    contract: RowContract

    def read(self, raw: bytes) -> Row:
        """Reads a row: as a whole where every known member fits, else member by member."""
        if len(raw) > MAX_ROW_BYTES:
            return self._too_large(raw)
        try:
            members, given = self._row_decoder.decode(raw), _GIVEN.decode(raw)
            unknown = {name: given[name] for name in given if name not in self.contract.types}
            extra = _object(unknown)
        except (ValueError, RecursionError):
            return self._read_members(raw)
        values = (bytes(value) for value in unknown.values())
        nested = sum(key_count(value) for value in values if value[:1] in b"{[")
        if key_count(raw) - nested != len(given) or self._contradictions(members):
            return self._read_members(raw)
        return self._row(raw, list(members.items()), tuple(unknown), extra, [])

    @cached_property
    def _row_decoder(self) -> msgspec.json.Decoder[Any]:
        row: Any = TypedDict("Row", self.contract.types, total=False)  # type: ignore[misc]  # made from the contract
        return msgspec.json.Decoder(row)

    @cached_property
    def _value_decoders(self) -> dict[str, msgspec.json.Decoder[Any]]:
        return {name: msgspec.json.Decoder(kind) for name, kind in self.contract.types.items()}

    @cached_property
    def _owners_written(self) -> re.Pattern[bytes]:
        names = "|".join(n for n, member in self.contract.member_of.items() if member == OWNER)
        return re.compile(rf'"(?:{names})"\s*:\s*"([^"]*)"'.encode())

    def _read_members(self, raw: bytes) -> Row:
        """Reads a row member by member, and names every fault, not only the first."""
        given = members_of(raw)
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
            except (ValueError, RecursionError) as error:
                text, reason = str(error), "is not valid JSON or Unicode"
                if isinstance(error, msgspec.ValidationError):
                    reason = f"has the wrong type: {text[0].lower()}{text[1:]}"
                elif isinstance(error, RecursionError):
                    reason = "is nested too deeply"
                faults.append((text_of(name), reason))
                read.append((name, text_of(value)))
            if name not in self.contract.types:
                unknown[name] = msgspec.Raw(value)
        faults += self._contradictions(dict(read))
        extra = None if faults else _object(unknown)
        known = [(name, value) for name, value in read if name in self.contract.types]
        return self._row(raw, known, tuple(unknown), extra, faults)

    def _value(self, name: str, raw: bytes) -> Any:
        """A member's value, of its type where the contract knows the member, else ValueError."""
        name.encode()
        decoder = self._value_decoders.get(name, _ANYTHING)
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError:
            number = _ANYTHING.decode(raw)
            # 3.0 is a whole number.
            if isinstance(number, float) and number.is_integer():
                return msgspec.convert(int(number), self.contract.types[name])
            raise

    def _contradictions(self, members: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Members that occur under two names with different values."""
        return [
            (alias, f"contradicts {name}")
            for alias, name in self.contract.aliases.items()
            if None not in (members.get(alias), members.get(name))
            and str(members[alias]).lower() != str(members[name]).lower()
        ]

    def _row(
        self,
        raw: bytes,
        known: list[tuple[str, Any]],
        unknown: tuple[str, ...],
        extra: str | None,
        faults: list[tuple[str, str]],
    ) -> Row:
        """A row from its known members, each under any of its names, perhaps repeated."""
        named = [(self.contract.member_of[name], value) for name, value in known]
        given = [(member, value) for member, value in named if value is not None]
        key = self.contract.resource.identifier
        identifier = next((str(value) for member, value in given if member == key), None)
        owners = _uuids(str(value) for member, value in given if member == OWNER)
        return Row(raw, dict(given), identifier, owners, unknown, extra, faults)

    def _too_large(self, raw: bytes) -> Row:
        """A row of which only the identifier and the owner are read."""
        reason = f"is larger than {MAX_ROW_BYTES // 2**20} MiB"
        try:
            given = _GIVEN.decode(raw)
        except (ValueError, RecursionError):
            return self._unreadable(raw, reason)
        wanted = (OWNER, self.contract.resource.identifier)
        names = [name for name in given if self.contract.member_of.get(name) in wanted]
        known = [(name, text_of(bytes(given[name]))) for name in names]
        return self._row(raw, known, (), None, [("row", reason)])

    def _unreadable(self, raw: bytes, reason: str) -> Row:
        """A row whose members cannot be read; its owners are searched for in the bytes."""
        owners = (owner.decode(errors="replace") for owner in self._owners_written.findall(raw))
        return Row(raw, {}, None, _uuids(owners), faults=[("row", reason)])


def key_count_upper_bound(body: bytes) -> int:
    r"""An upper bound on a JSON text's members: mostly the exact number, in half the time.

    Before the colon of each member stands a blank, or a quote that closes its name. A quote behind
    one backslash closes nothing. Colons within strings may be counted too; none is missed.
    """
    text = np.frombuffer(body, np.uint8)
    at = np.flatnonzero(text[_SHORTEST_NAME:] == _COLON) + _SHORTEST_NAME
    before = text[at - 1]
    is_quote = before == _QUOTE
    is_escaped = is_quote & (text[at - 2] == _BACKSLASH) & (text[at - 3] != _BACKSLASH)
    return int(np.count_nonzero((is_quote & ~is_escaped) | (before <= _BLANK)))


def key_count(body: bytes) -> int:
    r"""The number of members in a JSON text, nested and repeated ones included.

    A dict and a Struct silently drop a repeated member: where the text has as many members as were
    kept, none was lost.

    A member's name is a string that a colon follows. A quote opens or closes a string, unless an
    odd number of backslashes stands before it. For invalid JSON the result is undefined.
    """
    text = np.frombuffer(body, np.uint8)
    is_quote = text == _QUOTE
    if b"\\" in body:
        is_quote[_escaped(text)] = False
    after = np.flatnonzero(is_quote)[1::2] + 1
    members = 0
    while after.size:
        # The text may end with a string.
        following = text[after[:-1] if after[-1] == text.size else after]
        members += int(np.count_nonzero(following == _COLON))
        after = after[: following.size][following <= _BLANK] + 1
    return members


def _escaped(text: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """The positions of bytes behind an odd number of backslashes."""
    at = np.flatnonzero(text == _BACKSLASH)
    ends = np.flatnonzero(np.diff(at, append=text.size + 1) != 1)
    lengths = np.diff(ends, prepend=-1)
    behind: npt.NDArray[np.intp] = at[ends[lengths % 2 == 1]] + 1
    return behind[behind < text.size]


def _object(members: Mapping[str, msgspec.Raw]) -> str | None:
    """Members as a JSON object, their values as received; None where there are none.

    ValueError where JSON, UTF-8 or the warehouse's JSON functions cannot read a value.
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
