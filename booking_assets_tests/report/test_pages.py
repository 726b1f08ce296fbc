"""What every page keeps to: no network, no script, escaped, small, readable by everybody."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from booking_assets.report.writing import Report
from booking_assets_tests.report.conftest import Element, World, parsed, section, table, tile

HOSTILE = (
    """</td><script>alert(1)</script><img src=x onerror=alert(2)>' " & {{ 7 * 7 }} &lt;b&gt;"""
)
MEGABYTE = 1_000_000
TEXTS = {
    "marts.capacity_by_event": (
        *("event_title", "event_type", "venue_name", "achievement_title", "venue_room"),
        *("registration_state",),
    ),
    "marts.capacity_utilization": ("event_type", "venue_name"),
    "marts.course_utilization": ("achievement_title",),
    "marts.distribution_by_event": ("event_title", "distribution_status", "return_state"),
    "marts.event_changes": ("change", "column_name", "old_value", "new_value"),
    "marts.organization_freshness": ("reason", "remedy"),
    "marts.organizations": ("label",),
}
"""The texts of the snapshot that a page shows."""


def hostile(world: World) -> Report:
    """A report of a snapshot in which every text is hostile."""
    world.write()
    text = "'" + HOSTILE.replace("'", "''") + "'"
    world.change(
        """INSERT INTO marts.event_changes (organization, event_identifier, changed_at, change)
        SELECT organization, event_identifier, as_of + INTERVAL 30 MINUTE, 'updated'
        FROM marts.capacity_by_event""",
        *(
            f"UPDATE {name} SET {', '.join(f'{column} = {text}' for column in columns)}"
            for name, columns in TEXTS.items()
        ),
        "UPDATE marts.organization_freshness SET is_current = false,"
        " events_as_of = events_as_of + INTERVAL 1 HOUR",
    )
    return world.write()


@pytest.fixture
def pages(world: World) -> list[tuple[Path, Element]]:
    written = hostile(world)
    return [(path, parsed(path)) for path in (written.index, *written.pages.values())]


def test_a_page_refers_to_nothing_outside_of_the_report(
    pages: list[tuple[Path, Element]],
) -> None:
    for path, page in pages:
        for element in page.walk():
            for name in ("href", "src", "action", "data", "poster", "srcset", "xlink:href"):
                target = element.attributes.get(name)
                if target and not target.startswith("#"):
                    assert element.tag == "a"
                    assert (path.parent / target).resolve().is_file(), target
                elif target:
                    ids = [one.attributes.get("id") for one in page.walk()]
                    assert target[1:] in ids
        assert not re.search(
            r"url\(|@import|https?:|//", path.read_text("utf-8").split("</style>")[0]
        )


def test_a_page_has_no_script(pages: list[tuple[Path, Element]]) -> None:
    for _, page in pages:
        assert page.all("script", "iframe", "object", "embed", "link", "base", "img", "form") == []
        events = [n for one in page.walk() for n in one.attributes if n.startswith("on")]
        assert events == []


def test_texts_of_people_are_escaped(pages: list[tuple[Path, Element]]) -> None:
    for path, page in pages:
        written = path.read_text(encoding="utf-8")
        assert "<script" not in written
        assert "onerror=alert(2)" in written
        assert "onerror=alert(2)>" not in written
        assert " ".join(HOSTILE.split()) in page.text


def test_every_chart_has_a_table(pages: list[tuple[Path, Element]]) -> None:
    charts = 0
    for _, page in pages:
        for chart in page.all("svg"):
            if chart.attributes.get("aria-hidden") == "true":
                # Its figures are in the cells of the same row.
                assert {"td", "table"} <= {*chart.ancestors()}
                continue
            charts += 1
            assert chart.attributes["role"] == "img"
            assert chart.attributes["aria-label"]
            parent = chart.parent
            while parent is not None and parent.tag != "section":
                parent = parent.parent
            assert parent is not None
            assert parent.all("table")
    assert charts


def test_a_page_can_be_read_with_a_keyboard_and_a_screen_reader(
    pages: list[tuple[Path, Element]],
) -> None:
    for _, page in pages:
        assert page.all("html")[0].attributes["lang"] == "en"
        assert page.all("title")[0].text
        assert [len(page.all(tag)) for tag in ("main", "header", "footer", "h1")] == [1, 1, 1, 1]
        levels = [int(one.tag[1]) for one in page.all("h1", "h2", "h3", "h4")]
        assert levels[0] == 1
        assert all(below <= above + 1 for above, below in pairwise(levels))
        assert page.all("a")[0].attributes["href"] == "#main"
        ids = [one.attributes["id"] for one in page.walk() if "id" in one.attributes]
        assert len(ids) == len({*ids})
        for one in page.all("table"):
            assert one.all("caption")[0].text
            assert all(head.attributes.get("scope") in ("col", "row") for head in one.all("th"))
            assert all(head.text for head in one.all("th"))
            assert one.parent is not None
            assert one.parent.attributes["tabindex"] == "0"
            assert one.parent.attributes["aria-label"]


def test_every_section_says_what_it_is_as_of(pages: list[tuple[Path, Element]]) -> None:
    for _, page in pages:
        for one in page.all("section"):
            if "id" in one.attributes:
                assert re.search(r"[Aa]s of (\d|the instant)", one.text), one.attributes["id"]


def test_a_page_has_a_megabyte_at_most(world: World) -> None:
    world.write()
    title = "repeat('<&> ' || event_title, 40)"
    copies = """SELECT * REPLACE (uuid() AS event_identifier, {title} AS event_title {more})
        FROM {name}, range(20)"""
    columns = "SELECT * EXCLUDE (range) FROM ({})"
    world.change(
        "INSERT INTO marts.capacity_by_event BY NAME "
        + columns.format(
            copies.format(
                name="marts.capacity_by_event",
                title=title,
                more=", as_of + INTERVAL 9 DAY AS event_scheduled_start, 50 AS capacity_minimum,"
                " 60 AS capacity_maximum, true AS is_below_minimum,"
                " 'Published' AS lifecycle_status",
            )
        ),
        "INSERT INTO marts.distribution_by_event BY NAME "
        + columns.format(
            copies.format(
                name="marts.distribution_by_event",
                title=title,
                more=", 'Overdue' AS distribution_state, true AS return_overdue,"
                " as_of AS return_due",
            )
        ),
        """INSERT INTO marts.event_changes (organization, event_identifier, changed_at, change,
            column_name, old_value, new_value)
        SELECT organization, event_identifier, as_of + INTERVAL 30 MINUTE, 'updated', 'content',
            repeat('<', 200), repeat('&', 200) FROM marts.capacity_by_event""",
        "UPDATE marts.organization_freshness SET events_as_of = events_as_of + INTERVAL 1 HOUR",
    )
    written = world.write()
    assert len(written.drawn) == 2
    sizes = [path.stat().st_size for path in (written.index, *written.pages.values())]
    assert max(sizes) < MEGABYTE
    page = parsed(written.pages[world.slugs[0]])
    ((late,),) = world.ask(
        "SELECT count(*) FROM marts.distribution_by_event"
        f" WHERE organization = '{world.slugs[0]}' AND distribution_state = 'Overdue'"
    )
    assert tile(page, "Packages overdue")[0] == f"{late:,}"
    assert f"50 of {late:,} are shown" in section(page, "packages").text


def test_what_is_unknown_is_shown_as_unknown_and_never_as_0(world: World) -> None:
    seats = ", ".join(
        f"{name} = NULL"
        for name in (
            *("seats_confirmed", "seats_invited", "seats_waitlisted", "seats_taken"),
            *("seats_other", "seats_as_of", "utilization", "is_below_minimum"),
        )
    )
    sums = "seats_taken = NULL, seats_offered_known = 0, events_unknown = events"
    world.change(
        f"UPDATE marts.capacity_by_event SET {seats}",
        f"UPDATE marts.capacity_utilization SET {sums}",
        f"UPDATE marts.course_utilization SET {sums}",
        "DELETE FROM marts.attendance_by_event",
        "DELETE FROM marts.seat_history",
    )
    written = world.write()
    page = parsed(written.pages[world.slugs[0]])
    for label in ("Seats taken", "Waitlisted", "Below minimum", "No-show rate"):
        assert tile(page, label)[0] == "unknown"
    utilization = table(page, "Utilization by month and type")
    assert {row[-2] for row in utilization if row[5] != "0"} == {"unknown"}
    assert {row[-1] for row in utilization if row[5] != "0"} == {"unknown"}
    assert "?" in [one.text for one in section(page, "utilization").all("text")]
    assert "courses are not ranked: their seats are unknown" in section(page, "rankings").text
    assert "seats are unknown" in section(page, "minimum").text
    assert "Unknown" in section(page, "attendance").text
    for name in ("utilization", "rankings", "minimum", "curves", "attendance"):
        assert "Seats are unknown: " in section(page, name).text
    curves = table(page, "Booking curves")
    assert curves
    assert {tuple(row[2:7]) for row in curves} == {("unknown",) * 5}
    for row in table(parsed(written.index), "All organizations"):
        assert row[2:4] == ["unknown", "unknown"]
        assert row[7] == "unknown"


def test_a_name_that_is_unknown_is_the_beginning_of_its_identifier(world: World) -> None:
    world.change(
        "UPDATE marts.course_utilization SET achievement_title = NULL",
        "UPDATE marts.capacity_utilization SET venue_name = NULL",
    )
    page = world.page()
    for caption in ("Fullest courses", "Fullest venues"):
        rows = table(page, caption)
        assert rows
        assert all(re.fullmatch("[0-9a-f]{8}", row[0]) for row in rows)


def test_a_page_has_nothing_of_another_organization(world: World) -> None:
    first, second = world.slugs
    world.change(
        *(
            f"UPDATE {name} SET {', '.join(f'{one} = organization || {one}' for one in ones)}"
            for name, ones in TEXTS.items()
        )
    )
    written = world.write()
    for slug, other in ((first, second), (second, first)):
        html = written.pages[slug].read_text(encoding="utf-8")
        assert slug in html
        assert other not in html
        identifiers = world.ask(
            f"""
            SELECT DISTINCT unnest([event_identifier, venue_location_identifier,
                achievement_identifier])::VARCHAR
            FROM marts.capacity_by_event WHERE organization = '{other}'
            """
        )
        assert identifiers
        assert not [one for (one,) in identifiers if one and one[:8] in html]


def test_an_organization_without_any_row_in_a_mart_has_its_page(world: World) -> None:
    names = [name for name in TEXTS if name != "marts.organization_freshness"]
    world.change(*(f"DELETE FROM {name}" for name in (*names, "marts.attendance_by_event")))
    page = world.page()
    assert tile(page, "Packages overdue")[0] == "0"
    assert tile(page, "Seats taken") == ("\u2013", "no seats are offered")
    assert page.all("h1")[0].text == world.slugs[0]


def test_an_organization_that_fails_says_since_when_why_and_what_to_do(world: World) -> None:
    slug = world.slugs[0]
    world.change(
        "UPDATE marts.organization_freshness SET is_current = false, reason = 'The token expired.',"
        " remedy = 'Set another one.', failing_since = TIMESTAMPTZ '2026-02-27 08:05:00+00'"
        f" WHERE organization = '{slug}'"
    )
    written = world.write()
    (row,) = table(parsed(written.index), "Organizations that are not current")
    assert row == [slug, "27 Feb 2026, 08:05 UTC", "The token expired.", "Set another one."]
    said = parsed(written.pages[slug]).all("header")[0].text
    assert "Not current since 27 Feb 2026, 08:05 UTC. The token expired." in said
    assert "Set another one." in said


def test_organizations_with_the_same_problem_share_a_row_of_the_index(world: World) -> None:
    world.change(
        "UPDATE marts.organization_freshness SET is_current = false, reason = 'Not reachable.',"
        " remedy = 'Try again.', failing_since = TIMESTAMPTZ '2026-02-27 08:05:00+00'"
    )
    index = parsed(world.write().index)
    expected = [", ".join(world.slugs), "27 Feb 2026, 08:05 UTC", "Not reachable.", "Try again."]
    assert table(index, "Organizations that are not current") == [expected]


def test_a_withheld_organization_is_in_the_index_with_the_reason_and_without_figures(
    world: World,
) -> None:
    slug, other = world.slugs
    world.write()
    world.change(
        "UPDATE marts.organization_freshness SET is_published = false,"
        f" reason = 'A broken promise.' WHERE organization = '{slug}'",
        f"DELETE FROM marts.capacity_by_event WHERE organization = '{slug}'",
    )
    written = world.write()
    assert [*written.pages] == [other]
    assert not (written.path / "organizations" / f"{slug}.html").exists()
    index = parsed(written.index)
    (row,) = [row for row in table(index, "All organizations") if row[0].startswith(slug)]
    assert row[2:] == ["Withheld: no figures."]
    ((name, _, why, _),) = table(index, "Organizations that are not current")
    assert (name, why) == (f"{slug} withheld", "A broken promise.")
