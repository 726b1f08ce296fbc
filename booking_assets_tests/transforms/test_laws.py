"""Laws that hold for any events: nothing is lost, nothing counted twice, order means nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from booking_assets.tables.capacity import (
    ATTENDANCE_BY_EVENT,
    CAPACITY_BY_EVENT,
    CAPACITY_UTILIZATION,
    COURSE_UTILIZATION,
)
from booking_assets.tables.marts import DISTRIBUTION_BY_EVENT, DISTRIBUTION_STATUS
from booking_assets.transforms import capacity, distribution
from booking_assets.transforms.attendance import attendance_by_event
from booking_assets_tests.transforms.capacity import derived
from booking_assets_tests.transforms.laws import (
    AS_OF,
    assert_keeps_contract,
    assert_same,
    by_organization,
    later,
    laws,
    seeds,
    shuffled,
    weeks,
)
from booking_assets_tests.transforms.rows import (
    Row,
    identifier,
    known_of,
    registrations_frame,
    seats_frame,
)
from booking_assets_tests.transforms.strategies import (
    MOST_EVENTS,
    capacity_events,
    distribution_events,
    known_organizations,
    registration_frames,
    registration_rows,
)

given_capacity = given(
    events=capacity_events,
    registrations=st.none() | registration_frames,
    known=known_organizations,
)
given_distribution = given(events=distribution_events)

KEY = ("organization", "event_identifier")


def capacity_of(
    events: pl.DataFrame, registrations: pl.DataFrame | None, known: Collection[str]
) -> pl.DataFrame:
    return derived(events, AS_OF, registrations, seats_frame(known))


def months_of(rows: pl.DataFrame) -> pl.DataFrame:
    return capacity.capacity_utilization(rows, known_of(rows))


def courses_of(rows: pl.DataFrame) -> pl.DataFrame:
    return capacity.course_utilization(rows, known_of(rows))


def distribution_of(events: pl.DataFrame) -> pl.DataFrame:
    return distribution.distribution_by_event(events, AS_OF)


@laws
@given_capacity
def test_capacity_keeps_its_contracts_and_grains(
    events: pl.DataFrame, registrations: pl.DataFrame | None, known: Collection[str]
) -> None:
    rows = capacity_of(events, registrations, known)
    assert_keeps_contract(rows, CAPACITY_BY_EVENT)
    assert_keeps_contract(months_of(rows), CAPACITY_UTILIZATION)


@laws
@given_distribution
def test_distribution_keeps_its_contracts_and_grains(events: pl.DataFrame) -> None:
    rows = distribution_of(events)
    assert_keeps_contract(rows, DISTRIBUTION_BY_EVENT)
    assert_keeps_contract(distribution.distribution_status(rows), DISTRIBUTION_STATUS)


@laws
@given(
    events=capacity_events, registrations=registration_frames, known=known_organizations, seed=seeds
)
def test_the_order_of_rows_means_nothing_to_capacity(
    events: pl.DataFrame, registrations: pl.DataFrame, known: Collection[str], seed: int
) -> None:
    rows = capacity_of(events, registrations, known)
    assert_same(capacity_of(shuffled(events, seed), shuffled(registrations, seed), known), rows)
    assert_same(months_of(shuffled(rows, seed)), months_of(rows))


@laws
@given(events=distribution_events, seed=seeds)
def test_the_order_of_rows_means_nothing_to_distribution(events: pl.DataFrame, seed: int) -> None:
    rows = distribution_of(events)
    assert_same(distribution_of(shuffled(events, seed)), rows)
    assert_same(
        distribution.distribution_status(shuffled(rows, seed)),
        distribution.distribution_status(rows),
    )


@laws
@given_capacity
def test_merging_organizations_adds_up_for_capacity(
    events: pl.DataFrame, registrations: pl.DataFrame | None, known: Collection[str]
) -> None:
    rows = capacity_of(events, registrations, known)
    apart = [capacity_of(part, registrations, known) for part in by_organization(events)]
    assert_same(pl.concat(apart), rows)
    assert_same(
        pl.concat(months_of(part) for part in apart),
        months_of(rows),
    )


@laws
@given_distribution
def test_merging_organizations_adds_up_for_distribution(events: pl.DataFrame) -> None:
    rows = distribution_of(events)
    apart = [distribution_of(part) for part in by_organization(events)]
    assert_same(pl.concat(apart), rows)
    assert_same(
        pl.concat(distribution.distribution_status(part) for part in apart),
        distribution.distribution_status(rows),
    )


@laws
@given_capacity
def test_capacity_has_each_event_once_and_counts_it_in_one_month(
    events: pl.DataFrame, registrations: pl.DataFrame | None, known: Collection[str]
) -> None:
    rows = capacity_of(events, registrations, known)
    assert_same(rows.select(KEY), events.select(KEY).sort(KEY))
    months = months_of(rows)
    assert months.select(pl.sum_horizontal("events", "events_cancelled").sum()).item() == len(rows)


@laws
@given_distribution
def test_distribution_has_each_event_in_scope_once_and_counts_it_in_one_state(
    events: pl.DataFrame,
) -> None:
    in_scope = [
        (event["organization"], event["event_identifier"])
        for event in events.iter_rows(named=True)
        if (str(event["event_type"]).strip().lower(), str(event["event_format"]).strip().lower())
        == ("exam", "paper")
        or any(
            value is not None
            for name, value in event.items()
            if name.startswith(("distribution_", "exam_material_return_"))
        )
    ]
    rows = distribution_of(events)
    assert rows.select(KEY).rows() == sorted(in_scope)
    assert distribution.distribution_status(rows)["events"].sum() == len(rows)


@laws
@given_capacity
def test_sums_of_months_are_sums_of_events(
    events: pl.DataFrame, registrations: pl.DataFrame | None, known: Collection[str]
) -> None:
    rows = capacity_of(events, registrations, known)
    expected: Counter[str] = Counter()
    for event in rows.iter_rows(named=True):
        if event["lifecycle_status"] == "Cancelled":
            expected["events_cancelled"] += 1
            continue
        maximum = event["capacity_maximum"]
        expected["events"] += 1
        expected["events_unlimited"] += maximum is None
        expected["seats_offered"] += maximum or 0
        expected["seats_required"] += event["capacity_minimum"] or 0
        expected["seats_published"] += (maximum or 0) * (event["lifecycle_status"] != "Drafted")
        expected["events_unknown"] += event["seats_taken"] is None
        if event["seats_taken"] is not None:
            expected["seats_offered_known"] += maximum or 0
            expected["seats_taken"] += event["seats_taken"] * (maximum is not None)
            expected["seats_taken_unlimited"] += event["seats_taken"] * (maximum is None)
            expected["seats_waitlisted"] += event["seats_waitlisted"]
            expected[f"events_{event['availability'].lower()}"] += 1
    for months in (months_of(rows), courses_of(rows)):
        counts = months.select(pl.col(pl.Int64).sum()).row(0, named=True)
        assert counts == {name: expected[name] for name in counts}


@laws
@given(
    events=capacity_events,
    registrations=registration_frames,
    known=known_organizations,
    unknown=st.sets(st.integers(0, MOST_EVENTS).map(identifier)),
)
def test_seats_by_event_are_seats_by_month_and_those_without_limit(
    events: pl.DataFrame, registrations: pl.DataFrame, known: Collection[str], unknown: set[str]
) -> None:
    unknown_events = events.filter(pl.col("event_identifier").is_in(unknown)).select(KEY)
    rows = derived(events, AS_OF, registrations, seats_frame(known), unknown_events)
    active = rows.filter(pl.col("lifecycle_status") != "Cancelled")
    for figures in (
        capacity.capacity_utilization(rows, known),
        capacity.course_utilization(rows, known),
    ):
        assert_keeps_contract(
            figures, CAPACITY_UTILIZATION if "event_type" in figures.columns else COURSE_UTILIZATION
        )
        taken = figures.select(pl.col("seats_taken", "seats_taken_unlimited").sum()).row(0)
        assert sum(taken) == active["seats_taken"].sum()
        assert figures["events_unknown"].sum() == active["seats_taken"].null_count()
        assert figures["seats_offered_known"].sum() == sum(
            active.drop_nulls("seats_taken")["capacity_maximum"].drop_nulls()
        )


@laws
@given_capacity
def test_attendance_divides_the_seats_that_are_taken(
    events: pl.DataFrame, registrations: pl.DataFrame | None, known: Collection[str]
) -> None:
    rows = capacity_of(events, registrations, known)
    registered = registrations_frame() if registrations is None else registrations
    attended = attendance_by_event(rows, registered)
    assert_keeps_contract(attended, ATTENDANCE_BY_EVENT)
    with_registrations = registered.select(KEY).unique()
    events_known = rows.drop_nulls("seats_as_of").join(with_registrations, on=KEY, how="semi")
    assert_same(
        attended.select(*KEY, seats_taken="taken", seats_as_of="seats_as_of"),
        events_known.select(*KEY, "seats_taken", "seats_as_of").sort(KEY),
    )
    marks = ("present", "absent", "incomplete", "unmarked", "other")
    assert attended.select(pl.sum_horizontal(marks) == pl.col("taken")).to_series().all()
    rates = attended.drop_nulls("attendance_rate")
    assert rates.select(
        pl.sum_horizontal("attendance_rate", "no_show_rate").is_close(1).all()
    ).item()


@laws
@given_distribution
def test_sums_of_states_are_sums_of_events(events: pl.DataFrame) -> None:
    rows = distribution_of(events)
    states = distribution.distribution_status(rows)
    assert states.select(pl.col(pl.Int64).sum()).row(0, named=True) == {
        "events": len(rows),
        "shipped_late": len(rows.filter(pl.col("days_shipped_late") > 0)),
        "returns_overdue": len(rows.filter(pl.col("return_overdue"))),
    }


@laws
@given_capacity
def test_every_event_has_one_availability_exactly_where_seats_are_known(
    events: pl.DataFrame, registrations: pl.DataFrame | None, known: Collection[str]
) -> None:
    months = months_of(capacity_of(events, registrations, known))
    answered = set(known) if registrations is not None else set()
    available = ("events_under", "events_over", "events_full", "events_empty", "events_open")
    for month in months.iter_rows(named=True):
        counts = [month[name] for name in available]
        if month["organization"] in answered:
            assert sum(counts) == month["events"]
        else:
            assert counts == [None] * len(available)


@laws
@given(
    events=capacity_events,
    registrations=registration_frames,
    one_more=registration_rows,
    known=known_organizations,
)
def test_one_more_registration_never_frees_a_seat(
    events: pl.DataFrame, registrations: pl.DataFrame, one_more: Row, known: Collection[str]
) -> None:
    before = capacity_of(events, registrations, known)
    after = capacity_of(events, pl.concat([registrations, registrations_frame(one_more)]), known)
    for column in ("seats_taken", "utilization", "seats_waitlisted"):
        assert not (after[column] < before[column]).any()
    assert not (after["seats_available"] > before["seats_available"]).any()
    assert (after["seats_taken"] - before["seats_taken"]).sum() in {0, 1}
    months_before, months = (months_of(rows) for rows in (before, after))
    for column in ("seats_taken", "utilization", "seats_waitlisted"):
        assert not (months[column] < months_before[column]).any()


@laws
@given(events=capacity_events, offset=st.integers(-840, 840))
def test_the_offset_in_which_an_instant_was_written_moves_only_local_days(
    events: pl.DataFrame, offset: int
) -> None:
    rewritten = events.with_columns(
        event_scheduled_start_offset_minutes=pl.lit(offset, dtype=pl.Int32)
    )
    assert_same(
        capacity_of(rewritten, None, ()).drop("local_date"),
        capacity_of(events, None, ()).drop("local_date"),
    )


@laws
@given(events=capacity_events)
def test_an_unknown_offset_is_the_offset_of_utc(events: pl.DataFrame) -> None:
    offset = pl.col("event_scheduled_start_offset_minutes")
    assert_same(
        capacity_of(events.with_columns(offset.fill_null(0)), None, ()),
        capacity_of(events, None, ()),
    )


@laws
@given(capacities=capacity_events, distributions=distribution_events, weeks=weeks)
def test_only_the_given_instant_says_what_time_it_is(
    capacities: pl.DataFrame, distributions: pl.DataFrame, weeks: int
) -> None:
    as_of = later(AS_OF, weeks)
    assert_same(
        derived(later(capacities, weeks), as_of),
        later(capacity_of(capacities, None, ()), weeks),
    )
    assert_same(
        distribution.distribution_by_event(later(distributions, weeks), as_of),
        later(distribution_of(distributions), weeks),
    )


@laws
@given(capacity_events, distribution_events)
def test_the_columns_to_read_are_enough(
    capacities: pl.DataFrame, distributions: pl.DataFrame
) -> None:
    assert_same(
        capacity_of(capacities.select(capacity.EVENT_COLUMNS), None, ()),
        capacity_of(capacities, None, ()),
    )
    assert_same(
        distribution_of(distributions.select(distribution.EVENT_COLUMNS)),
        distribution_of(distributions),
    )
