"""Values are written and ordered as the vendor's server does it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_assets.sandbox import wire

MOMENT = wire.ticks_of(datetime(2025, 8, 29, 22, 13, 52, tzinfo=UTC))


@pytest.mark.parametrize(
    ("fraction", "offset", "text"),
    [
        pytest.param(0, 0, "2025-08-29T22:13:52+00:00", id="utc-is-an-offset-and-never-z"),
        pytest.param(5_420_000, -420, "2025-08-29T15:13:52.542-07:00", id="zeros-are-trimmed"),
        pytest.param(1, -480, "2025-08-29T14:13:52.0000001-08:00", id="seven-digits"),
        pytest.param(0, 330, "2025-08-30T03:43:52+05:30", id="the-next-day-in-the-east"),
        pytest.param(0, -210, "2025-08-29T18:43:52-03:30", id="half-an-hour-in-the-west"),
    ],
)
def test_date_times_are_local_with_their_offset(fraction: int, offset: int, text: str) -> None:
    assert wire.date_time(wire.Instant(MOMENT + fraction, offset)) == text


@given(st.integers(-(10**16), 10**17), st.integers(-840, 840))
def test_a_date_time_reads_back_to_the_tick(ticks: int, offset: int) -> None:
    instant = wire.Instant(ticks, offset)
    assert wire.instant_of(wire.date_time(instant)) == instant


instants = st.tuples(st.integers(-(10**16), 9 * 10**16), st.integers(-840, 840))
seconds = st.integers(0, 10**9).map(lambda number: (number * wire.TICKS_A_SECOND, 0))


@given(st.lists(instants | seconds, min_size=1))
def test_many_date_times_are_written_as_one_is(found: list[tuple[int, int]]) -> None:
    ticks, offsets = np.array(found).T
    expected = [wire.date_time(wire.Instant(*one))[:-6].encode() for one in found]
    assert wire.local_times(ticks, offsets) == expected


@pytest.mark.parametrize("text", ["", "nonsense", "2025-13-01T00:00:00Z", "2025-08-29T25:00:00Z"])
def test_what_is_no_date_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|must be in"):
        wire.instant_of(text)


def test_identifiers_sort_as_sql_server_sorts_them() -> None:
    # Least first: the bytes from 10 on decide, then 8-9, then the first three groups backwards.
    ordered = [
        UUID("03000000-0000-0000-0000-000000000000"),
        UUID("00000000-0200-0000-0000-000000000000"),
        UUID("00000000-0002-0000-0000-000000000000"),
        UUID("00000000-0000-0100-0000-000000000000"),
        UUID("00000000-0000-0001-0000-000000000000"),
        UUID("00000000-0000-0000-0001-000000000000"),
        UUID("00000000-0000-0000-0100-000000000000"),
        UUID("00000000-0000-0000-0000-000000000001"),
        UUID("00000000-0000-0000-0000-010000000000"),
    ]
    shuffled = random.Random(1).sample(ordered, len(ordered))
    assert sorted(shuffled, key=wire.identifier_order) == ordered


@given(st.uuids(), st.uuids())
def test_the_order_of_identifiers_is_total(one: UUID, other: UUID) -> None:
    assert (wire.identifier_order(one) == wire.identifier_order(other)) == (one == other)


@given(st.lists(st.uuids(), min_size=1))
def test_many_identifiers_are_ordered_and_written_as_one_is(found: list[UUID]) -> None:
    orders = wire.identifier_orders(np.array([[*one.bytes] for one in found], np.uint8))
    expected = [wire.identifier_order(one) for one in found]
    assert orders.tobytes() == b"".join(expected)
    assert np.argsort(orders, kind="stable").tolist() == sorted(
        range(len(found)), key=expected.__getitem__
    )
    assert wire.identifiers_in(orders) == [str(one).encode() for one in found]


def test_an_array_of_rows_is_one_indented_document() -> None:
    values = {"Title": "a\nb é 日", "CreditHours": Decimal("3.00"), "Flag": False}
    rows = [wire.row_json(values), wire.row_json({"Title": "c"})]
    whole = wire.array_of(rows)
    assert whole == wire.json_text([values, {"Title": "c"}])
    assert whole.startswith(b'[\r\n  {\r\n    "Title": "a\\nb ')
    assert b'"CreditHours": 3.00' in whole
    assert wire.outside_array(rows[0]) == wire.json_text(values)
    assert msgspec.json.decode(wire.array_of([])) == []


def test_members_without_a_value_are_left_out() -> None:
    values = {"LastChangeTime": wire.Instant(0, 0), "VenueRoom": None, "EventTitle": "x"}
    row = wire.row_of(values, ("EventTitle", "VenueRoom", "LastChangeTime"))
    present = {"EventTitle": "x", "LastChangeTime": "1970-01-01T00:00:00+00:00"}
    assert row == wire.row_json(present)
