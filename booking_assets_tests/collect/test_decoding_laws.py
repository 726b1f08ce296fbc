"""Properties of decoding, for arbitrary JSON: no row is lost, and only documented errors raised."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking_assets.api.errors import MalformedBody
from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.decoding import DecodedPage
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.json_parts import members_of, rows_of
from booking_assets.collect.rows import key_count, key_count_upper_bound
from booking_assets.tables.raw import EVENTS, REJECTED_ROWS
from booking_assets_tests.collect.events import ACME, OTHER, decoder, event, identifier, page_of

AWKWARD_NAMES = st.sampled_from(["Novelty", ":", '"', '\\":', "\\", "\\\\", ""])
NAMES = st.sampled_from(list(EVENT_ROWS.types)) | AWKWARD_NAMES | st.text()
TEXTS = st.text() | st.sampled_from(
    [identifier(7), str(ACME), str(OTHER), "2026-05-04T09:00:00-07:00", ":", '":', "\\", '\\" : "']
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=6
)
MEMBERS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (",\r\n  ", " :\t"), (" ,", ":\n")])


def written(members: list[tuple[str, Any]], separators: tuple[str, str], ascii_only: bool) -> str:
    """An object's text with just these members, repeated ones too."""
    between, after_name = separators

    def dumped(value: Any) -> str:
        return json.dumps(value, separators=separators, ensure_ascii=ascii_only)

    return f"{{{between.join(dumped(n) + after_name + dumped(v) for n, v in members)}}}"


OBJECTS = st.builds(written, MEMBERS, SEPARATORS, st.booleans())
EVENTS_AND_MORE = st.builds(
    lambda number, more, separators, ascii_only: written(
        [*event(number).items(), *more], separators, ascii_only
    ),
    st.integers(0, 3),
    MEMBERS,
    SEPARATORS,
    st.booleans(),
)
ROWS = EVENTS_AND_MORE | OBJECTS | st.builds(json.dumps, VALUES)


def decoded_or_foreign(body: bytes) -> DecodedPage | None:
    try:
        return decoder()(body)
    except ForeignRows:
        return None


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@settings(deadline=None, max_examples=40)
@given(st.lists(ROWS, max_size=5))
def test_every_row_is_loaded_or_kept_as_received(rows: list[str]) -> None:
    page = decoded_or_foreign(page_of(rows))
    if page is None:
        assert any(str(OTHER) in row for row in rows)
        return
    assert page.received == len(rows)
    assert dict(page.rows.schema) == EVENTS.dtypes
    assert dict(page.rejected.schema) == REJECTED_ROWS.dtypes
    kept = page.rejected["payload"].drop_nulls().to_list()
    assert kept == [row for row in rows if row in kept]
    assert all(str(ACME) in row.lower() for row in kept)


@settings(deadline=None, max_examples=40)
@given(MEMBERS, SEPARATORS, st.booleans())
def test_a_loaded_row_has_every_value_of_the_json(
    more: list[tuple[str, Any]], separators: tuple[str, str], ascii_only: bool
) -> None:
    members = [*event().items(), *more]
    page = decoded_or_foreign(page_of([written(members, separators, ascii_only)]))
    if page is None or not page.rows.height:
        return
    assert len({name for name, _ in members}) == len(members)
    loaded = page.rows.row(0, named=True)
    unknown = {name: value for name, value in members if name not in EVENT_ROWS.types}
    assert canonical(json.loads(loaded["extra"] or "{}")) == canonical(unknown)
    for name, value in members:
        column = EVENT_ROWS.column_of.get(EVENT_ROWS.member_of.get(name, ""))
        if column is None or value is None:
            continue
        if column in EVENT_ROWS.instants:
            assert loaded[column] is not None
        elif column in EVENT_ROWS.identifiers:
            assert loaded[column] == value.lower()
        else:
            assert loaded[column] == value


@settings(deadline=None, max_examples=40)
@given(st.lists(EVENTS_AND_MORE, min_size=1, max_size=3), st.data())
def test_a_damaged_page_is_malformed_or_read_row_by_row(
    rows: list[str], data: st.DataObject
) -> None:
    body = page_of(rows)
    start = data.draw(st.integers(0, len(body)))
    stop = data.draw(st.integers(start, min(len(body), start + 40)))
    damaged = body[:start] + data.draw(st.binary(max_size=8)) + body[stop:]
    with contextlib.suppress(MalformedBody, ForeignRows):
        assert decoder()(damaged).received == len(rows_of(damaged))


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_no_page_or_a_page(body: bytes) -> None:
    with contextlib.suppress(MalformedBody, ForeignRows):
        decoder()(body)


@settings(deadline=None, max_examples=40)
@given(MEMBERS, SEPARATORS, st.booleans())
def test_every_member_is_counted_once_repeated_and_nested_ones_too(
    members: list[tuple[str, Any]], separators: tuple[str, str], ascii_only: bool
) -> None:
    text = written(members, separators, ascii_only)
    read: list[str] = []
    json.loads(text, object_pairs_hook=lambda pairs: read.extend(name for name, _ in pairs))
    assert key_count(text.encode()) == len(read)
    assert key_count_upper_bound(text.encode()) >= len(read)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ('{"":1}', 1),
        ('{"a" :1,"b"\n:2}', 2),
        (r'{"a\\":1}', 1),
        (r'{"a":"{\"b\":1}"}', 1),
        (r'{"a\\\":1":2}', 2),
        ('{"a":": no member"}', 2),
    ],
)
def test_the_bound_on_members_misses_none_and_rarely_counts_another(text: str, bound: int) -> None:
    json.loads(text)
    assert key_count_upper_bound(text.encode()) == bound


@settings(deadline=None, max_examples=40)
@given(st.lists(ROWS), st.sampled_from([",", " ,\n"]), st.booleans())
def test_a_page_splits_into_its_rows(rows: list[str], between: str, with_nan: bool) -> None:
    rows = [*rows, *(["NaN"] if with_nan else [])]
    split = rows_of(f"[{between.join(rows)}]".encode())
    assert [bytes(row).decode() for row in split] == rows


@settings(deadline=None, max_examples=40)
@given(MEMBERS, SEPARATORS, st.booleans())
def test_an_object_splits_into_its_members(
    members: list[tuple[str, Any]], separators: tuple[str, str], ascii_only: bool
) -> None:
    split = members_of(written(members, separators, ascii_only).encode()) or []
    assert [(name, canonical(json.loads(value))) for name, value in split] == [
        (name, canonical(value)) for name, value in members
    ]
