"""Laws of histories: each past state comes back, whatever is stored and the clocks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking_assets.tables.marts import (
    EVENT_CHANGES,
    EVENT_HISTORY,
    SEAT_HISTORY,
)
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.pipeline.histories import (
    MOST_EVENTS,
    Slices,
    Texts,
    ask,
    at_instant,
    changes,
    day,
    extend,
    store,
    texts,
)
from booking_assets_tests.pipeline.test_marts import new_warehouse
from booking_assets_tests.transforms.rows import ACME, AS_OF, BOLT, DAY, INSTANT, Row, identifier
from booking_assets_tests.transforms.strategies import one_of

# Each example opens a warehouse many times.
laws = settings(deadline=None, max_examples=min(6, settings().max_examples))
members = st.fixed_dictionaries(
    {
        "event_title": one_of("", "a", 'O\'Neil; "x"'),
        "capacity_maximum": one_of(0, -1),
        "credit_hours": one_of(0.1, 1e300),
        "event_scheduled_start": one_of(AS_OF, AS_OF + INSTANT),
        "waitlist_enabled": one_of(True, False),
        "achievement_identifier": one_of(identifier(7)),
        "seats": one_of(0, 1, 2),
    }
)
slices = st.fixed_dictionaries(
    {ACME: st.dictionaries(st.integers(0, MOST_EVENTS - 1), members)},
    optional={BOLT: st.dictionaries(st.integers(0, MOST_EVENTS - 1), members)},
)
rounds = st.lists(slices, min_size=2, max_size=5)


def complete(days: Sequence[Slices]) -> list[Slices]:
    """Each day has every organization that was there before."""
    seen: dict[str, Mapping[int, Row]] = {}
    return [dict(seen := seen | dict(one)) for one in days]


@pytest.mark.slow
@laws
@given(days=rounds)
def test_each_past_state_comes_back_and_changes_replayed_on_the_first_give_every_later_one(
    days: list[Slices],
) -> None:
    with new_warehouse() as warehouse:
        events: list[Texts] = []
        seats = []
        for number, one in enumerate(complete(days)):
            store(warehouse, number, one)
            extend(warehouse)
            events.append(texts(warehouse, "FROM raw.events"))
            names = ", ".join((*SEAT_HISTORY.members,))
            known = f"SELECT {names} FROM marts.capacity_by_event WHERE seats_as_of IS NOT NULL"
            seats.append(ask(warehouse, f"{known} ORDER BY ALL"))
            before = changes(warehouse)
            assert extend(warehouse) == [(0, 0), (0, 0)]
            assert changes(warehouse) == before
        for number in range(len(days)):
            seen = texts(warehouse, at_instant("marts.event_history", day(number)))
            assert seen == events[number]
            past = at_instant("marts.seat_history", day(number))
            assert ask(warehouse, f"SELECT {names} {past} ORDER BY ALL") == seats[number]
        for table in (EVENT_HISTORY, SEAT_HISTORY, EVENT_CHANGES):
            assert not warehouse.contract_breaches(table)
        assert_replayed(warehouse, events)


def assert_replayed(warehouse: Warehouse, stored: Sequence[Texts]) -> None:
    """The changes of each day, on the state of the day before, are what was stored on it."""
    log = ask(warehouse, "FROM marts.event_changes ORDER BY changed_at")
    state: Texts = {}
    for number, expected in enumerate(stored):
        # A first load is in the history alone, and so are the members of a new event.
        begun = texts(
            warehouse,
            "FROM marts.event_history WHERE change = 'inserted'"
            f" AND valid_from = TIMESTAMPTZ '{day(number).isoformat()}'",
        )
        today = [change for change in log if change["changed_at"] == day(number)]
        new = {
            (change["organization"], str(change["event_identifier"]))
            for change in today
            if change["change"] == "inserted"
        }
        replay(state, today)
        first = {key for key in begun if key not in new}
        assert not first & state.keys()
        assert all(is_first_load(warehouse, slug, day(number)) for slug, _ in first)
        state |= begun
        assert state == expected


def is_first_load(warehouse: Warehouse, organization: str, instant: datetime) -> bool:
    """Whether an organization's history begins at an instant."""
    history = warehouse.read(EVENT_HISTORY, ["organization", "valid_from"])
    return history.filter(organization=organization)["valid_from"].min() == instant


def replay(state: Texts, log: Sequence[Mapping[str, Any]]) -> None:
    """Apply updates and deletions to a state; each update has the old value."""
    for change in log:
        key = (change["organization"], str(change["event_identifier"]))
        if change["change"] == "deleted":
            del state[key]
        elif change["change"] == "updated":
            assert state[key][change["column_name"]] == change["old_value"]
            state[key] = state[key] | {change["column_name"]: change["new_value"]}


disorder = st.lists(
    st.tuples(slices, st.integers(-2, 2), st.integers(-3, 0)), min_size=2, max_size=5
)


@pytest.mark.slow
@laws
@given(days=disorder)
def test_histories_are_in_order_and_end_in_what_is_stored_whatever_the_clocks_say(
    days: list[tuple[Slices, int, int]],
) -> None:
    """Clocks are set back, and seats are older than the events, by some days."""
    with new_warehouse() as warehouse:
        for number, (one, at, seats_at) in enumerate(days):
            started = day(number + at)
            store(
                warehouse, number, {BOLT: {}, **one}, at=started, seats_at=started + seats_at * DAY
            )
            extend(warehouse)
            for name in ("marts.event_history", "marts.seat_history"):
                assert ask(warehouse, overlaps(name)) == []
            names = ", ".join(SEAT_HISTORY.members)
            known = "FROM marts.capacity_by_event WHERE seats_as_of IS NOT NULL"
            current = "FROM marts.seat_history WHERE valid_to IS NULL"
            assert ask(warehouse, f"SELECT {names} {current} ORDER BY ALL") == ask(
                warehouse, f"SELECT {names} {known} ORDER BY ALL"
            )
        for table in (EVENT_HISTORY, SEAT_HISTORY, EVENT_CHANGES):
            assert not warehouse.contract_breaches(table)


def overlaps(table: str) -> str:
    """Versions that do not end before their event's next one begins, or that end backwards."""
    return f"""
        SELECT * FROM (
            SELECT *, lead(valid_from) OVER (
                PARTITION BY organization, event_identifier ORDER BY valid_from
            ) AS next_from FROM {table}
        ) WHERE valid_to < valid_from OR coalesce(valid_to, 'infinity') > next_from
    """
