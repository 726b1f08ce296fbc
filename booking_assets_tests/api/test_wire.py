"""Parsers of small responses, and the aliases' agreement with the contract of the events table."""

from __future__ import annotations

import pytest

from booking_assets.api.errors import MalformedBody
from booking_assets.api.wire import ALIASES, read_count, read_total_count
from booking_assets.tables.raw import ACHIEVEMENTS, EVENTS, GROUPS, member_name


def test_every_alias_is_of_an_identifier_column_that_a_release_renamed() -> None:
    columns = {
        member_name(name) for table in (EVENTS, GROUPS, ACHIEVEMENTS) for name in table.column_names
    }
    assert set(ALIASES.values()) == {name for name in columns if name.endswith("Identifier")}
    assert {alias.replace("Id", "Identifier") for alias in ALIASES} == set(ALIASES.values())


WRONG_COUNTS = {
    "2^63": b'{"Count": 9223372036854775808}',
    "beyond 2^53": b'{"Count": 9007199254740993}',
    "5,000 digits": b'{"Count": ' + b"9" * 5_000 + b"}",
    "negative": b'{"Count": -1}',
    "fractional": b'{"Count": 7.5}',
    "exponent": b'{"Count": 1e3}',
    "infinite": b'{"Count": 1e999}',
    "NaN": b'{"Count": NaN}',
    "text": b'{"Count": "7"}',
    "null": b'{"Count": null}',
    "boolean": b'{"Count": true}',
    "list": b'{"Count": [7]}',
    "nested": b'{"Count": {"Count": 7}}',
    "bare number": b"7",
    "bare null": b"null",
    "another field": b'{"Total": 7}',
    "nested too deeply": b"[" * 100_000,
}


@pytest.mark.parametrize("body", WRONG_COUNTS.values(), ids=WRONG_COUNTS)
def test_a_wrong_count_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"^(Count is not a whole|the body is not )"):
        read_count(body)


@pytest.mark.parametrize("count", [0, 2**53])
def test_the_smallest_and_largest_count_are_accepted(count: int) -> None:
    assert read_count(b'{"Count": %d}' % count) == count


def test_a_total_beyond_the_largest_number_is_ignored() -> None:
    assert read_total_count('{"TotalCount": 9223372036854775808}') is None
