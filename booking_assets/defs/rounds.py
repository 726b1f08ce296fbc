"""Rounds: collections of many organizations as several runs of some organizations each.

Schedules request them, and `booking-assets refresh --submit` has the sensor here do so. Dagster's
queue and launcher spread the runs; a run that died is started again by Dagster (`run_retries`).
When the last run of a round has ended, also a failed one, the sensor requests `derive` once.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.storage.tags import RETRY_NUMBER_TAG, WILL_RETRY_TAG

from booking_assets.collect.stats import Mode
from booking_assets.defs.jobs import COLLECT, DERIVE
from booking_assets.defs.raw import run_config
from booking_assets.settings import Settings

ROUND_TAG = "booking-assets/round"
"""On the runs of a round: its name."""
PART_TAG = "booking-assets/part"
"""On the runs of a round: which part, and of how many, as in `3/14`."""
DERIVED_TAG = "booking-assets/derived-round"
"""On the derivation that follows a round: its name."""
FAILED_PARTS_TAG = "booking-assets/failed-parts"
"""On the derivation that follows a round: the parts that failed, or that nobody requested."""
_SUBMITTED = "booking-assets/submitted-rounds"
"""Where commands leave the names of rounds that the sensor requests: as dynamic partitions, since
these are added one by one, also by two commands at once. What was asked is under a key of its own.
"""
_LATEST_REQUEST = timedelta(minutes=5)
"""How long after its newest run a round may get further ones: who requests them may have died."""


def round_requests(
    settings: Settings,
    name: str,
    mode: Mode,
    slugs: Sequence[str] = (),
    *,
    allow_shrink: bool = False,
) -> list[dg.RunRequest]:
    """The runs of a round, in the order of their parts; of all organizations where none is named.

    Those of the same `name` are requested once, however often.
    """
    parts = round_parts(settings, slugs)
    return [
        dg.RunRequest(
            run_key=f"{name}/{number}",
            job_name=COLLECT,
            run_config=run_config(mode, allow_shrink=allow_shrink, organizations=part),
            tags={ROUND_TAG: name, PART_TAG: f"{number}/{len(parts)}"},
        )
        for number, part in enumerate(parts, 1)
    ]


def round_parts(settings: Settings, slugs: Sequence[str] = ()) -> list[Sequence[str]]:
    """The organizations of each run of a round; of all organizations where none is named."""
    slugs = slugs or settings.slugs
    size = settings.schedules.organizations_a_run or len(slugs)
    return [slugs[start : start + size] for start in range(0, len(slugs), size)]


def submit_round(
    instance: dg.DagsterInstance, mode: Mode, slugs: Sequence[str], *, allow_shrink: bool
) -> str:
    """Leave a round to the sensor; gives its name."""
    name = f"submitted/{datetime.now(UTC).isoformat()}/{uuid4().hex[:8]}"
    asked = {"mode": mode, "slugs": [*slugs], "allow_shrink": allow_shrink}
    instance.daemon_cursor_storage.set_cursor_values({_key(name): json.dumps(asked)})
    instance.add_dynamic_partitions(_SUBMITTED, [name])
    return name


def is_derived_by_round(run: dg.DagsterRun) -> bool:
    """Whether a run is of a round that is derived as a whole; not so where a person repeats it."""
    is_first = run.parent_run_id is None or RETRY_NUMBER_TAG in run.tags
    return ROUND_TAG in run.tags and is_first


def round_sensor(
    settings: Callable[[], Settings], jobs: Sequence[Any], *, enabled: bool
) -> dg.SensorDefinition:
    """The sensor that requests submitted rounds, and derives each round when it has ended."""

    @dg.sensor(
        name="rounds",
        jobs=jobs,
        minimum_interval_seconds=10,
        default_status=(
            dg.DefaultSensorStatus.RUNNING if enabled else dg.DefaultSensorStatus.STOPPED
        ),
        description="Request the rounds of `refresh --submit`; derive a round when it has ended.",
    )
    def rounds(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        # Those of the last tick are requested; nothing else removes any.
        _forget(context.instance, json.loads(context.cursor or "[]"))
        submitted = _submitted(context.instance)
        requests = [
            request
            for name, asked in submitted.items()
            for request in round_requests(settings(), name, **asked)
        ]
        return dg.SensorResult(
            run_requests=[*requests, *_derivations(context.instance)],
            cursor=json.dumps([*submitted]),
        )

    return rounds


def _submitted(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What was asked, by the name of the round."""
    keys = {_key(name): name for name in instance.get_dynamic_partitions(_SUBMITTED)}
    stored = instance.daemon_cursor_storage.get_cursor_values({*keys})
    return {name: json.loads(text) for key, name in keys.items() if (text := stored.get(key))}


def _forget(instance: dg.DagsterInstance, names: Sequence[str]) -> None:
    for name in names:
        instance.delete_dynamic_partition(_SUBMITTED, name)
        instance.daemon_cursor_storage.set_cursor_values({_key(name): ""})


def _key(name: str) -> str:
    return f"{_SUBMITTED}/{name}"


def _derivations(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    names = dict(instance.get_run_tags([ROUND_TAG, DERIVED_TAG]))
    requests = []
    for name in sorted(names.get(ROUND_TAG, set()) - names.get(DERIVED_TAG, set())):
        records = instance.get_run_records(dg.RunsFilter(tags={ROUND_TAG: name}))
        if not records or (failed := _failed_parts(instance, records)) is None:
            continue
        tags = {DERIVED_TAG: name} | ({FAILED_PARTS_TAG: ", ".join(failed)} if failed else {})
        requests.append(dg.RunRequest(run_key=name, job_name=DERIVE, tags=tags))
    return requests


def _failed_parts(
    instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]
) -> list[str] | None:
    """The parts of a round that ended without success; None while the round goes on."""
    # The newest record comes first.
    runs = {record.dagster_run.tags[PART_TAG]: record.dagster_run for record in reversed(records)}
    parts = int(next(iter(runs)).partition("/")[2])
    is_young = datetime.now(UTC) - records[0].create_timestamp < _LATEST_REQUEST
    is_expecting = len(runs) < parts and is_young
    if is_expecting or not all(_has_ended(instance, run) for run in runs.values()):
        return None
    succeeded = [part for part, run in runs.items() if run.is_success]
    expected = [f"{number}/{parts}" for number in range(1, parts + 1)]
    return [part for part in expected if part not in succeeded]


def _has_ended(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run is finished, and Dagster does not start it again."""
    if run.is_failure and instance.run_retries_enabled:
        # Dagster decides it just after the failure.
        return run.tags.get(WILL_RETRY_TAG) == "false"
    return run.is_finished
