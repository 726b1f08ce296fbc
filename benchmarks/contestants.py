"""The two programs that `python -m benchmarks peer` compares, and whether their answers are equal.

The peer's job itself is in `peer/job.py`, which runs in an environment of its own.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from dotenv import dotenv_values

from benchmarks.sandbox import COMMAND, Case
from booking_assets.sandbox.resources import EVENTS, REGISTRATIONS, Kind, Resource
from booking_assets.settings import load_settings

REFRESH = (COMMAND, "refresh")
IDLE = (sys.executable, "-m", "benchmarks.idle")
_PEER = Path(__file__).resolve().parent / "peer"
_TYPES = {
    Kind.IDENTIFIER: "text",
    Kind.FLAG: "bool",
    Kind.TEXT: "text",
    Kind.NUMBER: "bigint",
    Kind.MEASURE: "double",
    Kind.INSTANT: "timestamp",
}
_AS_WRITTEN = "EventScheduledStart"
"""Stays text: dlt would drop the offset, which the local date follows from."""

ANSWERS: Mapping[str, str] = {
    "events": "SELECT count(*), count(DISTINCT event_identifier), sum(capacity_maximum)"
    " FROM raw.events",
    "registrations": "SELECT count(*), count(DISTINCT registration_identifier)"
    " FROM raw.registrations",
    "capacity_by_event": """
        SELECT count(*), sum(capacity_maximum), sum(seats_confirmed), sum(seats_invited),
            sum(seats_waitlisted), sum(seats_other), sum(seats_available), sum(is_locked::INTEGER),
            sum((lifecycle_status = 'Cancelled')::INTEGER),
            bit_xor(hash(row(event_identifier::VARCHAR, local_date, capacity_minimum, seats_taken,
                utilization, availability, is_below_minimum, event_scheduled_start)::VARCHAR))
        FROM marts.capacity_by_event""",
    "capacity_utilization": """
        SELECT count(*), sum(events), sum(events_cancelled), sum(seats_offered),
            sum(seats_required), sum(seats_taken), sum(seats_taken_unlimited), sum(events_full),
            bit_xor(hash(row(month, event_type, venue_location_identifier::VARCHAR, events,
                events_unlimited, seats_offered, seats_taken, seats_waitlisted, events_under,
                events_over, events_empty, events_open, utilization, minimum_fill)::VARCHAR))
        FROM marts.capacity_utilization""",
    "distribution_by_event": """
        SELECT count(*), round(sum(lead_days), 6), round(sum(days_shipped_late), 6),
            bit_xor(hash(row(event_identifier::VARCHAR, distribution_process, distribution_status,
                replace(distribution_state, 'Overdue', 'Planned'), lead_days, days_shipped_late,
                return_due)::VARCHAR))
        FROM marts.distribution_by_event""",
    "distribution_status": """
        SELECT sum(events), sum(shipped_late),
            bit_xor(hash(row(distribution_state, distribution_process, distribution_status, events,
                round(median_lead_days, 9), round(median_days_shipped_late, 9), earliest_start,
                latest_start)::VARCHAR))
                FILTER (distribution_state NOT IN ('Overdue', 'Planned'))
        FROM marts.distribution_status""",
}
"""Rows, sums and fingerprints of rows. They leave out what moves with the instant of a run, such as
Planned and Overdue: two runs never have the same."""

Answers = dict[str, tuple[Any, ...]]


def our_answers(folder: Path, case: Case) -> Answers:
    """The answers of the warehouse that a refresh left in the folder."""
    return _answers(load_settings(environment={}, folder=folder).warehouse_path, case)


def peer_answers(folder: Path, case: Case) -> Answers:
    """The answers of the peer's database."""
    return _answers(folder / "peer.duckdb", case)


def _answers(database: Path, case: Case) -> Answers:
    with duckdb.connect(str(database), read_only=True) as con:
        return {
            name: con.execute(query).fetchall()[0]
            for name, query in ANSWERS.items()
            if name != "registrations" or case.registrations
        }


def require_equal(ours: Answers, peer: Answers, case: Case) -> None:
    """Raise ValueError where the two do not have the same rows, sums and fingerprints."""
    differing = [
        f"{name}: {ours[name]}, peer {peer[name]}" for name in ours if ours[name] != peer[name]
    ]
    if differing:
        raise ValueError(f"{case}: the answers differ\n" + "\n".join(differing))


def peer_python(home: Path) -> str:
    """The interpreter of the peer's environment, which uv makes where `requirements.txt` is new."""
    requirements = _PEER / "requirements.txt"
    version = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    environment = home / f"peer-{version}"
    python = environment / "bin" / "python"
    ready = environment / "ready"
    if not ready.exists():
        subprocess.run(["uv", "venv", "-q", "--clear", "-p", "3.11", str(environment)], check=True)
        install = ["uv", "pip", "install", "-q", "--compile-bytecode", "-p", str(python)]
        subprocess.run([*install, "-r", str(requirements)], check=True)
        ready.touch()
    return str(python)


@dataclass(frozen=True)
class Peer:
    """The peer's setup: its interpreter, rows a request, and processes that normalize."""

    python: str
    page_size: int
    workers: int


def prepare_peer(folder: Path, case: Case, peer: Peer) -> tuple[str, ...]:
    """Do what a deployment of the peer does once, and give the command of its job."""
    settings = load_settings(environment={}, folder=folder)
    secrets = dotenv_values(folder / ".env")
    assert settings.api is not None
    resources = [EVENTS, REGISTRATIONS] if case.registrations else [EVENTS]
    described = {
        "base_url": settings.api.base_url,
        "page_size": peer.page_size,
        "normalize_workers": peer.workers,
        "extract_workers": settings.api.max_concurrency * settings.collect.max_organizations,
        "organizations": [
            {
                "slug": one.slug,
                "identifier": str(one.identifier),
                "token": secrets[one.credential_variable],
            }
            for one in settings.organizations
        ],
        "resources": {
            one.name: {"sort": one.identifier, "columns": _columns(one)} for one in resources
        },
    }
    (folder / "peer.json").write_text(json.dumps(described), encoding="utf-8")
    job = str(_PEER / "job.py")
    subprocess.run([peer.python, job, "prepare"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return (peer.python, job, "run")


def _columns(resource: Resource) -> dict[str, str]:
    """The members' types, so that dlt does not infer them."""
    types = {name: _TYPES[kind] for name, kind in resource.kinds.items()}
    return types | {_AS_WRITTEN: "text"} if resource is EVENTS else types
