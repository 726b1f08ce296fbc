"""Every table of a page equals a query on the marts, written here in SQL, apart from the report."""

from __future__ import annotations

import pytest

from booking_assets_tests.report.conftest import World, section, table, tile

SOON = "event_scheduled_start > as_of AND event_scheduled_start <= as_of + INTERVAL 60 DAY"
NOTHING = "\u2013"
EVENT = "coalesce(nullif(trim(event_title), ''), 'Event ' || event_number)"


@pytest.fixture
def own(world: World) -> str:
    """The condition for rows of the organization whose page is looked at."""
    return f"organization = '{world.slugs[0]}'"


def texts(rows: list[tuple[object, ...]]) -> list[list[str]]:
    return [[" ".join(str(cell).split()) for cell in row] for row in rows]


def day(column: str) -> str:
    return f"strftime({column}, '%a %-d %b %Y')"


def instant(column: str) -> str:
    return f"strftime({column}, '%-d %b %Y, %H:%M UTC')"


def percent(ratio: str) -> str:
    # Python rounds halves to even, DuckDB away from zero: no ratio here is such a half.
    return f"format('{{:.0f}}%', 100 * ({ratio}))"


def test_utilization_by_month_and_type(world: World, own: str) -> None:
    expected = world.ask(
        f"""
        WITH events AS (
            SELECT *, date_trunc('month', local_date)::DATE AS month,
                lower(coalesce(nullif(trim(event_type), ''), 'No type')) AS kind
            FROM marts.capacity_by_event WHERE {own}
        )
        SELECT strftime(month, '%b %Y'), kind,
            count(*) FILTER (lifecycle_status <> 'Cancelled'),
            count(*) FILTER (lifecycle_status = 'Cancelled'),
            count(*) FILTER (lifecycle_status <> 'Cancelled' AND capacity_maximum IS NULL),
            format('{{:,}}', coalesce(
                sum(capacity_maximum) FILTER (lifecycle_status <> 'Cancelled'), 0)) AS offered,
            offered,
            coalesce(format('{{:,}}', sum(seats_taken) FILTER (
                lifecycle_status <> 'Cancelled' AND capacity_maximum IS NOT NULL)), '{
            NOTHING
        }') AS taken,
            CASE WHEN offered <> '0' THEN {
            percent(
                "sum(seats_taken) FILTER (lifecycle_status <> 'Cancelled' AND capacity_maximum"
                " IS NOT NULL) / sum(capacity_maximum) FILTER (lifecycle_status <> 'Cancelled')"
            )
        } ELSE '{NOTHING}' END
        FROM events
        WHERE month BETWEEN DATE '2025-04-01' AND DATE '2026-09-01'
        GROUP BY month, kind ORDER BY month DESC, kind
        """
    )
    shown = table(world.page(), "Utilization by month and type")
    assert len(shown) > 18
    found = sorted([row[0], row[1].lower(), *row[2:]] for row in shown)
    assert found == sorted(texts(expected))


def test_the_bars_are_the_figures_of_the_table(world: World) -> None:
    page = world.page()
    shown = {(row[1], row[0]): row[-1] for row in table(page, "Utilization by month and type")}
    figures = section(page, "utilization").all("figure")
    assert len(figures) == 4
    for figure in figures:
        kind = figure.all("strong")[0].text
        bars = [one.text.split(": ") for one in figure.all("title")]
        assert bars
        assert dict(bars) == {
            month: ratio
            for (name, month), ratio in shown.items()
            if name == kind and ratio not in (NOTHING, "unknown")
        }


@pytest.mark.parametrize(
    ("what", "identifier", "name"),
    [
        ("courses", "achievement_identifier", "achievement_title"),
        ("venues", "venue_location_identifier", "venue_name"),
    ],
)
def test_the_fullest_and_the_emptiest(
    world: World, own: str, what: str, identifier: str, name: str
) -> None:
    ranked = texts(
        world.ask(
            f"""
            SELECT coalesce(any_value({name}), left({identifier}::VARCHAR, 8)) AS name,
                {percent("sum(seats_taken) / sum(capacity_maximum)")},
                format('{{:,}}', sum(seats_taken)), format('{{:,}}', sum(capacity_maximum))
            FROM marts.capacity_by_event
            WHERE {own} AND lifecycle_status <> 'Cancelled' AND capacity_maximum IS NOT NULL
                AND {identifier} IS NOT NULL
                AND local_date BETWEEN DATE '2025-04-01' AND DATE '2026-03-31'
            GROUP BY {identifier}
            ORDER BY sum(seats_taken) / sum(capacity_maximum) DESC, sum(capacity_maximum) DESC, name
            """
        )
    )
    page = world.page()
    half = (len(ranked) + 1) // 2
    assert 1 < half <= 8
    assert table(page, f"Fullest {what}") == ranked[:half]
    assert table(page, f"Emptiest {what}") == ranked[half:][::-1]


def test_events_below_their_minimum(world: World, own: str) -> None:
    expected = world.ask(
        f"""
        SELECT {day("local_date")}, {EVENT} || ' '
                || coalesce(achievement_title, left(achievement_identifier::VARCHAR, 8),
                    'no course')
                || ' · '
                || coalesce(venue_name, left(venue_location_identifier::VARCHAR, 8), 'no venue'),
            seats_taken, capacity_minimum, capacity_minimum - seats_taken, registration_state
        FROM marts.capacity_by_event
        WHERE {own} AND {SOON} AND lifecycle_status <> 'Cancelled'
            AND seats_taken < capacity_minimum
        ORDER BY event_scheduled_start, event_identifier
        """
    )
    page = world.page()
    assert expected
    assert table(page, "Events below their minimum") == texts(expected)
    assert tile(page, "Below minimum")[0] == str(len(expected))


def test_seats_and_waitlist_of_the_next_60_days(world: World, own: str) -> None:
    ((taken, offered, waitlisted),) = world.ask(
        f"""
        SELECT sum(seats_taken) FILTER (capacity_maximum IS NOT NULL), sum(capacity_maximum),
            sum(seats_waitlisted)
        FROM marts.capacity_by_event
        WHERE {own} AND {SOON} AND lifecycle_status <> 'Cancelled'
        """
    )
    page = world.page()
    assert tile(page, "Seats taken") == (
        f"{taken / offered:.0%}",
        f"{taken:,} of {offered:,} seats",
    )
    assert tile(page, "Waitlisted")[0] == str(waitlisted)


def test_booking_curves(world: World, own: str) -> None:
    world.change(
        "DELETE FROM marts.seat_history",
        """
        INSERT INTO marts.seat_history (organization, event_identifier, valid_from, valid_to,
            seats_confirmed, seats_invited, seats_waitlisted, seats_other)
        SELECT organization, event_identifier, as_of - to_days(20 - 9 * step::INTEGER),
            CASE WHEN step < 2 THEN as_of - to_days(11 - 9 * step::INTEGER) END,
            (seats_taken * (step + 1)) // 3, 0, 0, 0
        FROM marts.capacity_by_event, range(3) AS steps(step) WHERE seats_taken IS NOT NULL
        """,
    )
    expected = world.ask(
        f"""
        WITH upcoming AS (
            SELECT * FROM marts.capacity_by_event
            WHERE {own} AND {SOON} AND lifecycle_status <> 'Cancelled'
                AND capacity_maximum IS NOT NULL
        )
        SELECT {day("local_date")}, {EVENT}, '', 'unknown', seats_taken // 3, seats_taken * 2 // 3,
            seats_taken, capacity_maximum
        FROM upcoming ORDER BY event_scheduled_start, event_identifier LIMIT 20
        """
    )
    page = world.page()
    assert len(expected) > 5
    assert table(page, "Booking curves") == texts(expected)
    lines = [one for one in page.all("path") if one.attributes["class"] == "line"]
    assert len(lines) == len(expected)
    # From 20 days ago to now.
    assert {line.attributes["d"].partition(" ")[0] for line in lines} == {"M100.0"}
    assert all("H150.0" in line.attributes["d"] for line in lines)


def test_exam_packages(world: World, own: str) -> None:
    page = world.page()
    states = world.ask(
        f"""
        SELECT distribution_state, {percent("count(*) / sum(count(*)) OVER ()")}, count(*)
        FROM marts.distribution_by_event WHERE {own} GROUP BY ALL
        """
    )
    shown = table(page, "Exam packages by state")
    assert len(states) > 5
    assert len(shown) == len(states)
    for state, share, count in states:
        assert [row[1:] for row in shown if row[0] == state] == [[share, str(count)]]
    for state, caption in (("Overdue", "Overdue packages"), ("Failed", "Failed packages")):
        expected = world.ask(
            f"""
            SELECT coalesce({instant("event_scheduled_start")}, '{NOTHING}'),
                {EVENT} || coalesce(' No. ' || event_number, ''),
                coalesce({instant("distribution_expected")}, '{NOTHING}'),
                coalesce(distribution_status, '{NOTHING}')
            FROM marts.distribution_by_event WHERE {own} AND distribution_state = '{state}'
            ORDER BY event_scheduled_start, {EVENT}
            """
        )
        assert table(page, caption) == texts(expected)
        assert tile(page, f"Packages {state.lower()}")[0] == str(len(expected))


def test_returns_overdue(world: World, own: str) -> None:
    expected = world.ask(
        f"""
        SELECT {instant("return_due")}, {EVENT} || coalesce(' No. ' || event_number, ''),
            date_diff('second', return_due, as_of) // 86400, return_state
        FROM marts.distribution_by_event WHERE {own} AND return_overdue
        ORDER BY return_due, {EVENT}
        """
    )
    page = world.page()
    assert expected
    assert table(page, "Returns overdue") == texts(expected)
    assert tile(page, "Returns overdue")[0] == str(len(expected))


def test_rooms_by_weekday_and_hour(world: World, own: str) -> None:
    hours = world.ask(
        f"""
        WITH bookings AS (
            SELECT c.venue_location_identifier,
                lower(trim(regexp_replace(c.venue_room, '\\s+', ' ', 'g'))) AS room,
                timezone('UTC', c.event_scheduled_start)
                    + to_minutes(event_scheduled_start_offset_minutes) AS starts,
                starts + (c.event_scheduled_end - c.event_scheduled_start) AS ends
            FROM marts.capacity_by_event AS c JOIN raw.events AS e
                USING (organization, event_identifier)
            WHERE c.{own} AND lifecycle_status <> 'Cancelled'
                AND (c.venue_location_identifier IS NOT NULL OR c.venue_room IS NOT NULL)
                AND c.event_scheduled_end > c.event_scheduled_start
                AND c.event_scheduled_end - c.event_scheduled_start <= INTERVAL 1 DAY
        ), slots AS (
            SELECT unnest(generate_series(
                TIMESTAMP '2025-12-01', TIMESTAMP '2026-03-01 23:00', INTERVAL 1 HOUR)) AS slot
        )
        SELECT isodow(slot), hour(slot),
            count(DISTINCT (venue_location_identifier, room, slot)) / 13
        FROM slots JOIN bookings ON starts < slot + INTERVAL 1 HOUR AND ends > slot
        GROUP BY ALL
        """
    )
    assert len(hours) > 20
    shown = table(world.page(), "Rooms booked by weekday and hour, 01 Dec 2025 to 01 Mar 2026")
    found = {
        (weekday, int(row[0][:2])): cell
        for row in shown
        for weekday, cell in enumerate(row[1:], start=1)
        if cell != "0"
    }
    assert found == {(weekday, hour): f"{rooms:.1f}" for weekday, hour, rooms in hours}


def test_attendance(world: World, own: str) -> None:
    expected = world.ask(
        f"""
        SELECT strftime(date_trunc('month', local_date), '%b %Y'), count(*), sum(taken),
            sum(present), sum(absent), sum(incomplete), sum(unmarked), sum(other),
            coalesce({percent("sum(absent) / nullif(sum(present) + sum(absent), 0)")}, 'unknown')
        FROM marts.attendance_by_event
        WHERE {own} AND lifecycle_status = 'Completed'
            AND local_date BETWEEN DATE '2025-04-01' AND DATE '2026-03-31'
        GROUP BY date_trunc('month', local_date) ORDER BY date_trunc('month', local_date) DESC
        """
    )
    page = world.page()
    assert len(expected) > 6
    assert table(page, "Attendance by month") == texts(expected)
    ((rate,),) = world.ask(
        f"""
        SELECT sum(absent) / (sum(present) + sum(absent)) FROM marts.attendance_by_event
        WHERE {own} AND lifecycle_status = 'Completed' AND local_date > DATE '2026-03-01' - 90
        """
    )
    assert tile(page, "No-show rate")[0] == f"{rate:.0%}"


def test_what_changed_since_the_last_report(world: World, own: str) -> None:
    """The collection of the last report had a clock that was 30 days ahead."""
    inserted = """
        INSERT INTO marts.event_changes (organization, event_identifier, changed_at, change,
            column_name, old_value, new_value, sequence)
        SELECT organization, event_identifier, as_of + to_hours({hours}), 'updated',
            '{column}', {old}, 'B 2', {sequence}
        FROM marts.capacity_by_event WHERE event_number % 20 = 0
    """
    world.change(
        "DELETE FROM marts.event_changes",
        inserted.format(hours=-720, column="event_title", old="'A'", sequence=7),
    )
    first = world.page()
    assert tile(first, "Events changed")[0] == NOTHING
    assert "This is the first report" in section(first, "changes").text
    world.change(
        inserted.format(hours=-718, column="venue_room", old="NULL", sequence=8),
        "UPDATE marts.organization_freshness SET events_as_of = events_as_of - INTERVAL 718 HOUR",
    )
    expected = world.ask(
        f"""
        SELECT {instant("as_of - INTERVAL 718 HOUR")}, 'Changed', {EVENT}, 'venue room', 'empty',
            'B 2'
        FROM marts.capacity_by_event WHERE {own} AND event_number % 20 = 0 ORDER BY {EVENT}
        """
    )
    page = world.page()
    assert expected
    assert table(page, "Changes since the last report") == texts(expected)
    assert tile(page, "Events changed")[0] == str(len(expected))
    assert "as of 1 Mar 2026, 12:00 UTC" in section(page, "changes").text


def test_the_index_has_the_key_figures_of_each_page(world: World) -> None:
    index = world.index()
    rows = {row[0]: row for row in table(index, "All organizations")}
    assert [*rows] == sorted(world.slugs)
    for slug, row in rows.items():
        page = world.page(slug)
        share, said = tile(page, "Seats taken")
        assert row[2] == f"{share} {said.removesuffix(' seats')}"
        labels = ("Below", "Packages overdue", "Packages failed", "Returns", "No-show", "Events")
        assert row[3:] == [tile(page, label)[0] for label in labels]
        assert row[1].startswith("1 Mar 2026, 12:00 UTC")


def test_the_index_says_how_old_the_data_was_when_it_was_published(world: World) -> None:
    world.change("UPDATE marts.organization_freshness SET age_minutes = 150")
    index = world.index()
    rows = table(index, "All organizations")
    assert {row[1] for row in rows} == {"1 Mar 2026, 12:00 UTC 2 h old when published"}
    assert "Published 1 Mar 2026, 14:30 UTC" in index.all("header")[0].text


def test_instants_are_in_the_organizations_time_zone(world: World) -> None:
    world.change("UPDATE marts.organizations SET timezone = 'America/Edmonton'")
    page = world.page()
    assert "Data as of 1 Mar 2026, 05:00 MST" in page.all("header")[0].text
