"""The SQL of docs/analysts.md answers its questions: rows that were counted by hand.

Two refreshes, a day apart, of three organizations: `acme`, whose events are below; `globex`, whose
second collection fails; `initech`, whose second collection of registrations fails.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import duckdb
import pytest

from booking_assets.api.authentication import Token
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_api, open_warehouse
from booking_assets.pipeline.progress import NoProgress
from booking_assets.pipeline.refresh import refresh
from booking_assets.sandbox import tokens
from booking_assets.sandbox.faults.registry import parse_faults
from booking_assets.sandbox.resources import (
    Resource,
)
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.tenants import Tenant
from booking_assets.sandbox.world import World
from booking_assets.settings import Api, Organization, Settings
from booking_assets_tests.pipeline.three_organizations import (
    ACME,
    GLOBEX,
    INITECH,
    MEMBERS,
    TUESDAY,
    WEDNESDAY,
    rows,
)

PAGE = (Path(__file__).parents[2] / "docs/analysts.md").read_text(encoding="utf-8")
QUESTIONS = dict(
    re.findall(r"^### ([^\n]+\?)\n.*?^```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snapshot of Wednesday."""
    folder = tmp_path_factory.mktemp("analysts")
    now = TUESDAY
    tenants = {
        slug: Tenant(slug, owner, tokens.token_of(owner, slug, opaque=False), f"secret of {slug}")
        for slug, owner in (("acme", ACME), ("globex", GLOBEX), ("initech", INITECH))
    }

    def clock() -> datetime:
        return now

    def source(resource: Resource, owner: UUID) -> Any:
        return lambda _: rows(resource, owner, MEMBERS[resource](owner, changed=now == WEDNESDAY))

    world = World(
        {
            resource: {one: source(resource, one.identifier) for one in tenants.values()}
            for resource in MEMBERS
        },
        clock,
    )
    secrets = {one.identifier: Token(one.token) for one in tenants.values()}
    settings = Settings(
        root=folder,
        source="the test",
        api=Api(base_url="http://127.0.0.1:1"),
        organizations=tuple(
            Organization(slug=one.slug, identifier=one.identifier, token_env="UNUSED")
            for one in tenants.values()
        ),
        warehouse_path=folder / "booking.duckdb",
        snapshot_path=folder / "booking.snapshot.duckdb",
    )
    faults = {
        TUESDAY: (),
        WEDNESDAY: ("unauthorized=all@globex", "unauthorized=registrations@initech"),
    }
    for now in (TUESDAY, WEDNESDAY):
        with (
            SandboxServer(world, faults=parse_faults(faults[now], 0)) as server,
            open_api(server.base_url, 30, lambda one: secrets[one.identifier]) as connect,
        ):
            refresh(
                Collector(
                    connect=connect,
                    warehouse=open_warehouse(settings),
                    settings=settings,
                    progress=NoProgress(),
                    clock=clock,
                )
            )
    return settings.snapshot_path


ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "Which classes are below their minimum next month?": [
        ("acme", 1, "Welding A", date(2026, 4, 13), 3, 6),
        ("globex", 31, "Forklift", date(2026, 4, 14), 0, 5),
    ],
    "Which coming classes are over-full, or have a waitlist?": [
        ("acme", 2, "Welding B", 6, 5, 2),
    ],
    "Which classes can a person still register for?": [
        ("acme", 1, "Welding A", date(2026, 4, 13), 5),
        ("acme", 4, "First Aid, short", date(2026, 4, 15), 9),
        ("globex", 31, "Forklift", date(2026, 4, 14), 10),
        ("initech", 21, "Orientation", date(2026, 4, 16), None),
    ],
    # First Aid: 4 of 4 and 1 of 10; Welding: 3 of 8, 6 of 5 and 0 of 8.
    "How full are our courses?": [
        ("acme", "First Aid", 2, 5, 14, 0.36),
        ("acme", "Welding", 3, 9, 21, 0.43),
    ],
    # Harbour: 3 of 8, 6 of 5 and 1 of 10.
    "How full is each venue next month?": [
        ("acme", "Harbour Campus", 3, 10, 23, 0.43),
        ("globex", "000000a3", 1, 0, 10, 0.0),
    ],
    "How many seats do we offer by month and type, cancelled events apart?": [
        (date(2026, 2, 1), "Exam", 1, 0, 20),
        (date(2026, 3, 1), "Class", 1, 1, 4),
        (date(2026, 3, 1), "Exam", 2, 0, 40),
        (date(2026, 4, 1), "Class", 5, 0, 33),
        (date(2026, 5, 1), "Class", 1, 0, 8),
    ],
    "How did the seats of one class fill over time?": [
        (TUESDAY, 2, 0, 0),
        (WEDNESDAY, 2, 1, 0),
    ],
    "How many registrations were requested in the last seven days, by course?": [
        ("acme", "First Aid", 1),
        ("acme", "Welding", 2),
        ("initech", None, 1),
    ],
    "What was cancelled this week?": [
        ("acme", 5, "Rigging", date(2026, 3, 12), WEDNESDAY),
    ],
    "What changed since yesterday?": [
        ("acme", 2, "updated", "capacity_maximum", "4", "5"),
        ("acme", 5, "updated", "event_scheduling_status", "Active", "Cancelled"),
        ("acme", 10, "inserted", None, None, None),
        ("acme", 11, "deleted", None, None, None),
    ],
    # Before Welding B had 5 seats and the meeting was deleted; globex is as of Tuesday.
    "What did the schedule look like yesterday?": [
        ("acme", "Class", 5, 38),
        ("acme", "Exam", 3, 60),
        ("acme", "Meeting", 1, None),
        ("initech", "Class", 1, None),
    ],
    "How many events begin in each week of next month, also where none does?": [
        (date(2026, 3, 30), 0),
        (date(2026, 4, 6), 0),
        (date(2026, 4, 13), 4),
        (date(2026, 4, 20), 1),
        (date(2026, 4, 27), 0),
    ],
    "Which rooms are booked twice, and when?": [
        (
            *("acme", "Harbour Campus", "Shop A", "Welding A", "First Aid, short"),
            datetime(2026, 4, 15, 19, tzinfo=UTC),
            120.0,
        ),
    ],
    "How well are rooms used next month?": [
        ("acme", "Harbour Campus", "Shop A", date(2026, 4, 13), 35.0, 2.0, 0.58),
        ("acme", "Harbour Campus", "Shop A", date(2026, 4, 20), 35.0, 0.0, 0.58),
        ("globex", None, "Bay 2", date(2026, 4, 13), 3.0, 0.0, 0.05),
    ],
    "What are the attendance and no-show rates, by course?": [
        ("acme", "Class", "First Aid", 2, 1, 0.67, 0.33),
        ("acme", "Exam", None, 1, 1, 0.5, 0.5),
    ],
    "Where was attendance not entered?": [
        ("acme", 3, "First Aid", date(2026, 3, 10), 1, 4),
    ],
    "Which exam packages are overdue or failed?": [
        ("acme", 8, "Sitting B", "Overdue", None, -1.5),
        ("acme", 9, "Sitting C", "Failed", "Error", None),
    ],
    "Where do exam packages stand, and how many were shipped late?": [
        ("acme", "Failed", "Error", 1, 0, None),
        ("acme", "Overdue", None, 1, 0, None),
        ("acme", "Shipped", "Delivered", 1, 1, 2.0),
    ],
    "Which exam materials are overdue to come back?": [
        ("acme", 7, "Sitting A", "Not Returned", datetime(2026, 2, 24, 16, tzinfo=UTC), 15),
    ],
    "Is each organization current, and why not?": [
        ("acme", True, True, WEDNESDAY, WEDNESDAY, None, None, None, None),
        ("globex", False, True, TUESDAY, TUESDAY, "events", "failed", ANY, ANY),
        ("initech", False, True, WEDNESDAY, TUESDAY, "registrations", "failed", ANY, ANY),
    ],
}


def test_the_page_answers_twenty_questions() -> None:
    assert QUESTIONS.keys() == ANSWERS.keys()
    assert len(QUESTIONS) == 20


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_with_the_rows_that_were_counted(
    snapshot: Path, question: str
) -> None:
    with duckdb.connect(str(snapshot.resolve()), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        assert con.execute(QUESTIONS[question]).fetchall() == ANSWERS[question]


def test_the_reason_why_an_organization_is_not_current_is_told(snapshot: Path) -> None:
    with duckdb.connect(str(snapshot.resolve()), read_only=True) as con:
        answer = con.execute(QUESTIONS["Is each organization current, and why not?"]).fetchall()
    assert all("401" in reason and remedy for *_, reason, remedy in answer[1:])
