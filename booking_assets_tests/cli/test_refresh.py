"""Tests of `booking-assets refresh` against a configured API that serves given events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from booking_assets.sandbox.tenants import token_variable
from booking_assets_tests.cli.commands import (
    Ran,
    counts,
    ran,
    sandbox,
)
from booking_assets_tests.commands import Shell, shell

ACME, BETA, GAMMA = (
    "123e4567-e89b-12d3-a456-426614174000",
    "9f8e7d6c-5b4a-4321-8fed-cba987654321",
    "c0ffee00-0000-4000-8000-000000000001",
)


def slug(organization: str) -> str:
    """The slug that the sandbox gives to the organization of given events."""
    return f"organization-{organization[:8]}"


def event(organization: str, number: int, title: str = "as planned") -> dict[str, Any]:
    return {
        "EventIdentifier": f"00000000-0000-4000-8000-{number:012}",
        "OrganizationIdentifier": organization,
        "EventTitle": title,
        "EventType": "Class",
        "EventScheduledStart": "2026-05-04T09:00:00-06:00",
        "CapacityMaximum": 10 + number,
        "LastChangeTime": "2026-03-01T12:00:00.1234567+00:00",
    }


MORNING = [event(ACME, 10), event(BETA, 20), *(event(GAMMA, number) for number in range(6))]
EVENING = [*MORNING[:2], event(GAMMA, 0), event(GAMMA, 1, "moved"), event(GAMMA, 7)]


@contextmanager
def serving(where: Shell, events: list[dict[str, Any]]) -> Iterator[None]:
    """Run a sandbox with these events, and write its configuration to the folder."""
    given = where.home.with_name("events.ndjson")
    given.write_text("".join(f"{json.dumps(one)}\n" for one in events), encoding="utf-8")
    with sandbox(where, "--data", str(given), "--write-config", str(where.folder)):
        yield


@dataclass(frozen=True)
class Day:
    """A folder that is refreshed twice.

    In the morning the first organization's token is missing. In the evening it is there, the third
    organization has other events, and only these two are asked for.
    """

    checked: Ran
    morning: Ran
    in_the_morning: dict[str, int]
    evening: Ran


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    where = shell(tmp_path_factory.mktemp("configured"))
    dotenv = where.folder / ".env"
    with serving(where, MORNING):
        lines = dotenv.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(token_variable(slug(ACME)))]
        dotenv.write_text("".join(kept), encoding="utf-8")
        checked = ran(where, "check")
        morning = ran(where, "refresh")
        in_the_morning = counts(where, "marts.capacity_by_event")
    with serving(where, EVENING):
        # More than half of an organization's events are gone: that needs a person's word.
        asked = ("-o", slug(ACME), "--organization", slug(GAMMA), "--allow-shrink")
        evening = ran(where, "refresh", *asked)
    return Day(checked, morning, in_the_morning, evening)


@pytest.mark.slow
def test_an_organization_without_a_token_is_named_with_the_remedy(day: Day) -> None:
    assert day.morning.exit_code == 1
    (told,) = re.findall(f"{slug(ACME)}, events[^:]*: (.*)", day.morning.said)
    assert f"the environment variable {token_variable(slug(ACME))} is unset or blank" in told
    assert "Set the variable" in told
    assert "Traceback" not in day.morning.said
    assert "No booking.toml" not in day.morning.said


@pytest.mark.slow
def test_the_other_organizations_are_stored_derived_and_published(day: Day) -> None:
    assert day.in_the_morning == {slug(BETA): 1, slug(GAMMA): 6}


@pytest.mark.slow
def test_check_names_the_credential_that_is_missing(day: Day) -> None:
    assert day.checked.exit_code == 1
    assert token_variable(slug(ACME)) in day.checked.said
    assert day.checked.process.stdout.count("verified") == 2


@pytest.mark.slow
def test_the_next_refresh_completes_what_was_mended(day: Day) -> None:
    assert day.evening.exit_code == 0, day.evening.said
    statuses = dict(
        day.evening.snapshot(
            f"""
            SELECT started_at, coalesce(reason, status) FROM raw.collections
            WHERE organization = '{slug(ACME)}' AND resource = 'events' ORDER BY started_at
            """
        )
    )
    refused, complete = statuses.values()
    assert token_variable(slug(ACME)) in refused
    assert complete == "complete"


@pytest.mark.slow
def test_only_the_organizations_asked_for_are_refreshed(day: Day) -> None:
    collections = day.evening.snapshot(
        """
        SELECT organization, count(*) FROM raw.collections
        WHERE resource = 'events' GROUP BY organization
        """
    )
    assert dict(collections) == {slug(ACME): 2, slug(BETA): 1, slug(GAMMA): 2}
    assert slug(BETA) not in day.evening.said


@pytest.mark.slow
def test_the_snapshot_has_the_other_organizations_as_before(day: Day) -> None:
    in_the_evening = counts(day.evening.shell, "marts.capacity_by_event")
    assert in_the_evening == {slug(ACME): 1, slug(BETA): 1, slug(GAMMA): 3}


@pytest.mark.slow
def test_the_next_refresh_sees_what_is_new_changed_or_gone(day: Day) -> None:
    titles = f"""
        SELECT right(event_identifier::VARCHAR, 1), event_title
        FROM raw.events WHERE organization = '{slug(GAMMA)}'
    """
    assert dict(day.evening.snapshot(titles)) == {
        "0": "as planned",
        "1": "moved",
        "7": "as planned",
    }
    seats = f"""
        SELECT sum(capacity_maximum) FROM marts.capacity_by_event
        WHERE organization = '{slug(GAMMA)}'
    """
    assert day.evening.snapshot(seats) == [(10 + 11 + 17,)]


@pytest.mark.slow
def test_no_token_is_printed(day: Day) -> None:
    dotenv = (day.evening.shell.folder / ".env").read_text(encoding="utf-8")
    tokens = re.findall(r"^BOOKING_TOKEN_\w+=(.+)$", dotenv, re.MULTILINE)
    assert len(tokens) == 3
    for one in (day.checked, day.morning, day.evening):
        assert [token for token in tokens if token in one.said] == []


def test_a_signal_while_an_interrupted_refresh_finds_its_words_takes_none_of_their_truth(
    tmp_path: Path,
) -> None:
    program = """
import sys
from booking_assets import __main__
from booking_assets.defs import runs

def signaled(*_):
    raise KeyboardInterrupt

runs.alert_after_runs = runs.interruption = signaled
sys.argv = ["booking-assets", "refresh"]
__main__.main()
"""
    where = shell(tmp_path)
    with serving(where, MORNING):
        ended = where.run("python", "-c", program)
    assert ended.returncode == 130
    stored = ", ".join(map(slug, sorted((ACME, BETA, GAMMA))))
    said = f"Interrupted: {stored} stored; the snapshot was published. Run it again."
    assert ended.stderr.splitlines()[-1] == said
