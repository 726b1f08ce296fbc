"""A download is the whole set in one file; its CSV loses what the vendor's loses."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import httpx

from booking_assets.sandbox import downloads
from booking_assets.sandbox.resources import EVENTS
from booking_assets.sandbox.world import generated_world
from booking_assets_tests.sandbox.conftest import NOON


def download(client: httpx.Client, **filter_: Any) -> httpx.Response:
    return client.post("/booking/events/download", json={"Filter": filter_})


def collected(client: httpx.Client) -> dict[str, dict[str, Any]]:
    events = client.post("/booking/events/collect", json={"Filter": {"PageSize": 0}}).json()
    return {event["EventIdentifier"]: event for event in events}


def test_json_holds_every_event_with_nulls_written(client: httpx.Client) -> None:
    answer = download(client, Page=2, PageSize=1, Sort="Nonsense")
    assert answer.headers["content-type"] == "application/json"
    rows = answer.json()
    assert all(list(row) == list(EVENTS.kinds) for row in rows)
    assert answer.text.startswith('[\r\n  {\r\n    "AchievementIdentifier"')
    present = {
        row["EventIdentifier"]: {name: value for name, value in row.items() if value is not None}
        for row in rows
    }
    assert present == collected(client)


def test_the_file_is_an_attachment_with_a_number(client: httpx.Client) -> None:
    names = [download(client).headers["content-disposition"] for _ in range(2)]
    numbers = [
        int(match[1])
        for name in names
        if (match := re.match(r"attachment; filename=Booking_Events__2603011200-(\d+)\.json", name))
    ]
    assert numbers[1] == numbers[0] + 1


def test_csv_is_quoted_and_has_a_column_a_member(client: httpx.Client) -> None:
    answer = download(client, Format="csv")
    assert answer.headers["content-type"] == "text/csv"
    assert answer.content.startswith(b'"AchievementIdentifier","EventIdentifier"')
    assert not answer.content.endswith(b"\n")
    header, *rows = csv.reader(io.StringIO(answer.text, newline=""), strict=True)
    assert header == list(EVENTS.kinds)
    events = collected(client)
    assert len(rows) == len(events)
    for row in rows:
        named = dict(zip(header, row, strict=True))
        event = events[named["EventIdentifier"]]
        described = event.get("EventDescription", "")
        assert named["EventDescription"] == described.replace("\n", "")
        assert named["AllowRegistrationWithLink"] == (
            "Yes" if event.get("AllowRegistrationWithLink") else "No"
        )
        assert re.fullmatch(
            r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d [AP]M [+-]\d\d:\d\d",
            named["EventScheduledStart"],
        )


def test_nothing_is_an_empty_file_or_an_empty_array() -> None:
    world = generated_world(1, 0, seed=1, clock=lambda: NOON)
    rows = list(world.rows(world.tenants[0]))
    assert downloads.content(rows, EVENTS, is_csv=True) == b""
    assert downloads.content(rows, EVENTS, is_csv=False) == b"[]"


def test_a_file_name_carries_the_minute() -> None:
    assert downloads.file_name(NOON + timedelta(minutes=5), 3, EVENTS, is_csv=True) == (
        "Booking_Events__2603011205-3.csv"
    )
