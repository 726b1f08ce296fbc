"""Other releases' names, members that nobody documented, and other forms of the same times."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from booking_assets.sandbox import wire
from booking_assets.sandbox.resources import EVENTS as EVENT
from booking_assets.sandbox.resources import Kind
from booking_assets.sandbox.world import given_world
from booking_assets_tests.faults.data import LATER_NAMES
from booking_assets_tests.faults.server import FaultySandbox
from booking_assets_tests.sandbox.faults.conftest import EVENTS, SIZE, Start, View, viewed

INSTANTS = [member for member, kind in EVENT.kinds.items() if kind is Kind.INSTANT]


def test_eight_members_of_events_have_a_later_name() -> None:
    assert len(LATER_NAMES.keys() & EVENT.kinds.keys()) == 8
    assert LATER_NAMES["VenueOfficeIdentifier"] == "VenueOfficeId"


def test_era_c_has_another_prefix_and_short_names(start: Start, sound: View) -> None:
    faulty = start("era=C")
    assert faulty.server.base_url.endswith("/v2/E01/api")
    renamed = [
        {LATER_NAMES.get(name, name): value for name, value in row.items()} for row in sound.rows(1)
    ]
    assert faulty.rows(1) == renamed
    assert list(faulty.rows(1)[0]) == list(renamed[0])
    assert [list(row) for row in faulty.ask("search").json()] == [["EventId"]] * SIZE
    retrieved = faulty.client.get(f"{EVENTS}/{renamed[0]['EventId']}")
    assert retrieved.json() == renamed[0]


def test_era_c_serves_nothing_at_the_old_address(start: Start) -> None:
    faulty = start("era=C")
    old = faulty.server.base_url.removesuffix("/api") + f"{EVENTS}/count"
    assert (faulty.client.get(old).status_code, faulty.client.get(old).content) == (404, b"")
    body = {"Secret": faulty.tenant.secret}
    assert faulty.client.post("/security/tokens/generate", json=body).status_code == 200


def test_sort_names_never_follow(start: Start) -> None:
    faulty = start("era=C")
    assert faulty.page(1, sort="EventId").status_code == 500
    assert faulty.page(1, sort="EventIdentifier").status_code == 200


@pytest.mark.parametrize("era", ["B", "C"])
def test_later_eras_have_no_exam_score_warnings(tmp_path: Path, era: str) -> None:
    event = {
        "OrganizationIdentifier": "123e4567-e89b-12d3-a456-426614174001",
        "EventIdentifier": "123e4567-e89b-12d3-a456-426614174000",
        "ExamScoreWarnings": 'a "quoted", text',
        "EventTitle": "x",
    }
    data = tmp_path / "events.ndjson"
    data.write_text(json.dumps(event))
    server = FaultySandbox(given_world(data), f"era={era}")
    with server, viewed(server) as faulty:
        (row,) = faulty.rows(1)
    assert list(row.values()) == [value for name, value in event.items() if "Warnings" not in name]


def test_unknown_members_are_of_every_json_type_and_stay_with_their_rows(
    start: Start, sound: View
) -> None:
    expected, faulty = sound.rows(1, size=0), start("unknown_members")
    rows = faulty.rows(1, size=0)
    types = set()
    for good, row in zip(expected, rows, strict=True):
        (name,) = row.keys() - good.keys()
        types.add(type(row.pop(name)))
        assert row == good
    assert types == {str, int, float, bool, type(None), list, dict}
    row = faulty.rows(1)[0]
    assert faulty.client.get(f"{EVENTS}/{row['EventIdentifier']}").json() == row


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("utc", r"\+00:00$"),
        ("far", r"\+14:00$"),
        ("zulu", r"\dZ$"),
        ("seven_digits", r":\d\d\.\d{7}[+-]"),
        ("nine_digits", r":\d\d\.\d{7}00[+-]"),
        ("no_digits", r"T\d\d:\d\d:\d\d[+-]"),
        ("no_offset", r"T\d\d:\d\d:\d\d(\.\d{1,7})?$"),
    ],
)
def test_date_times_come_in_another_form(
    start: Start, sound: View, form: str, pattern: str
) -> None:
    expected, rows = sound.rows(1, size=0), start(f"date_times={form}").rows(1, size=0)
    seen = 0
    for good, row in zip(expected, rows, strict=True):
        assert list(row) == list(good)
        for member in good:
            if member not in INSTANTS:
                assert row[member] == good[member]
                continue
            seen += 1
            assert re.search(pattern, row[member])
            if form in {"utc", "far", "zulu", "seven_digits"}:
                assert wire.instant_of(row[member]).ticks == wire.instant_of(good[member]).ticks
    assert seen > 100
