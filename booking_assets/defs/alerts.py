"""Sends alerts through apprise: a sensor for the daemon's runs, the command line for its own.

What is said is decided in `pipeline.alerts`. A run's tag keeps what was said of it, so that nobody
is told twice: in Dagster's storage, since it must outlast the process.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import dagster as dg

from booking_assets.defs.jobs import starter_tags_of
from booking_assets.defs.specs import SNAPSHOT_KEY
from booking_assets.pipeline.alerts import Alert, alert_of
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.errors import is_explained
from booking_assets.pipeline.organizations import withheld_failures
from booking_assets.pipeline.results import FAILURES, RunReport, report_run
from booking_assets.settings import Alerts, Settings
from booking_assets.warehouse.errors import WarehouseError
from booking_assets.warehouse.warehouse import Warehouse

ALERT_TAG = "booking-assets/alert"
"""On runs of which somebody was told, or whose starter tells; the values are below."""
BY_STARTER, KILLED, NOT_SENT, TOLD = "by the command line", "killed", "not sent", "told"
FAILED = "told: "
"""Begins the tag of a run that failed by itself; a digest of what failed follows."""

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_COLLECT_STEP, _SNAPSHOT_STEP = "collect_organizations", SNAPSHOT_KEY.to_python_identifier()
_SEND_SECONDS = 30
_BUSY_SECONDS = 20
"""How long a sensor waits for the warehouse: Dagster ends its evaluation after 60 s."""


def send(alerts: Alerts, alert: Alert) -> tuple[int, list[str]]:
    """Send a message to every URL; gives how many got it, and why others did not, without URLs."""
    try:
        import apprise  # noqa: PLC0415 - an optional dependency, whose plugins load for 2 s
    except ImportError:
        return 0, ["alerts need apprise: run `pip install 'booking-assets[alerts]'`"]
    # They log URLs, which hold secrets.
    for name in ("apprise", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    asset = apprise.AppriseAsset(async_mode=False, plugin_paths=[])
    kind = apprise.NotifyType.FAILURE if alert.is_failure else apprise.NotifyType.SUCCESS

    def deliver(url: str) -> str:
        """Sends to one URL; gives why that failed, "" if it did not."""
        target = apprise.Apprise(asset=asset)
        try:
            if not target.add(url):
                return "is no URL that apprise knows; correct it"
            is_sent = target.notify(
                alert.body, alert.title, kind, body_format="text", timeout=_SEND_SECONDS
            )
        except Exception as error:  # noqa: BLE001 - a failure to send never fails the run
            return f"ended in {type(error).__name__}; correct it"
        return "" if is_sent else "did not accept the message; check it, and the network"

    sent, faults = 0, []
    for variable in alerts.url_env:
        urls = os.environ.get(variable, "").split()
        if not urls:
            faults.append(f"{variable} is unset or blank; set it to one or several apprise URLs")
        for number, url in enumerate(urls, 1):
            fault = deliver(url)
            sent += not fault
            faults += [f"URL {number} of {variable} {fault}"] if fault else []
    return sent, faults


def starter_tags(settings: Settings) -> dict[str, str]:
    """The tags of a run whose starter calls `alert_after_runs`: no sensor tells of it."""
    return {ALERT_TAG: BY_STARTER} if settings.alerts.url_env else {}


def alert_after_runs(
    instance: dg.DagsterInstance,
    settings: Settings,
    report: RunReport,
    failures: Mapping[str, Sequence[str]],
) -> list[str]:
    """Send at most one message about runs that have ended, and tag them; gives why it failed.

    `failures` has what failed in each run, by its identifier, besides collections.
    """
    if not settings.alerts.url_env:
        return []
    failing = _failing_before(open_warehouse(settings), [*failures])
    states = {run_id: _state(run_id, texts) for run_id, texts in failures.items()}
    runs = {run_id: instance.get_run_by_id(run_id) for run_id in failures}
    before = {run_id: _state_before(instance, run) for run_id, run in runs.items() if run}
    alert = alert_of(
        report,
        failing,
        untold=[row["run_id"] for row in failing if _is_untold(instance, row["run_id"])],
        failing_hours=settings.alerts.failing_hours,
        failures=[
            text
            for run_id, texts in failures.items()
            if states[run_id] != before.get(run_id)
            for text in texts
        ],
        recovered=[
            run.job_name
            for run_id, run in runs.items()
            if run and states[run_id] == TOLD and before[run_id].startswith(FAILED)
        ],
    )
    sent, faults = send(settings.alerts, alert) if alert else (1, [])
    for run_id in before:
        instance.add_run_tags(run_id, {ALERT_TAG: states[run_id] if sent else NOT_SENT})
    return faults


def step_failure(event: dg.DagsterEvent, *, unknown: bool = False) -> str:
    """Why a step failed, without the stack, which is in the UI.

    The text of an unknown error, which may quote a row, is given where `unknown`; else its name.
    """
    step = event.step_failure_data
    if step.user_failure_data and step.user_failure_data.description:
        return step.user_failure_data.description
    error = step.error and (step.error.cause or step.error)
    name = (error and error.cls_name) or "an unknown error"
    if error and is_explained(name):
        # Without the name of its class, by which Dagster begins.
        return error.message.partition(": ")[2].strip()
    return error.message.strip() if error and unknown else f"{name}; see the Dagster UI"


def alert_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """One sensor for each way in which a run ends; none where nobody is to be told."""
    if not settings.alerts.url_env:
        return []
    return [
        _alert_sensor("alert_after_run", dg.DagsterRunStatus.SUCCESS, settings),
        _alert_sensor("alert_after_failed_run", dg.DagsterRunStatus.FAILURE, settings),
    ]


def _alert_sensor(
    name: str, ending: dg.DagsterRunStatus, settings: Settings
) -> dg.SensorDefinition:
    on, off = dg.DefaultSensorStatus.RUNNING, dg.DefaultSensorStatus.STOPPED
    patience = settings.warehouse.model_copy(update={"busy_timeout_seconds": _BUSY_SECONDS})
    impatient = settings.model_copy(update={"warehouse": patience})

    @dg.run_status_sensor(
        name=name,
        run_status=ending,
        default_status=on if settings.schedules.enabled else off,
        description=f"Tell those of `[alerts]` what changed, when a run ended in {ending.value}.",
    )
    def alert_after(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        run = context.dagster_run
        if starter_tags_of(run).get(ALERT_TAG, KILLED) != KILLED:
            return dg.SkipReason("somebody was told, or the run's starter tells")
        report, failures = _outcome(context, impatient)
        faults = alert_after_runs(context.instance, impatient, report, {run.run_id: failures})
        return dg.SkipReason("; ".join(faults) or "what changed was told")

    return alert_after


def _outcome(
    context: dg.RunStatusSensorContext, settings: Settings
) -> tuple[RunReport, Sequence[str]]:
    """The report of a run, and what else failed in it."""
    run = context.dagster_run
    failed, written = (
        [entry.get_dagster_event() for entry in context.instance.all_logs(run.run_id, of_type=kind)]
        for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.STEP_SUCCESS)
    )
    derived = any(event.step_key == _SNAPSHOT_STEP for event in written)
    warehouse = open_warehouse(settings)
    try:
        report = report_run(warehouse, [run.run_id], ())
        withheld = withheld_failures(warehouse, settings) if derived else []
    except WarehouseError as error:
        report, withheld = RunReport(), [str(error)] if derived else []
    texts = [
        step_failure(event)
        for event in failed
        if not (report.failed and event.step_key == _COLLECT_STEP)
    ]
    if run.status == dg.DagsterRunStatus.FAILURE and not failed:
        texts = [str(context.dagster_event.message).partition("\n")[0]]
    told = [f"{run.job_name} run {run.run_id} failed: {text}" for text in texts]
    return report, told or withheld


def _failing_before(warehouse: Warehouse, run_ids: Sequence[str]) -> list[dict[str, Any]]:
    try:
        return warehouse.failing_before(run_ids, FAILURES).to_dicts()
    except WarehouseError:
        return []


def _state(run_id: str, failures: Sequence[str]) -> str:
    """The tag of a run: equal for runs in which the same failed."""
    what = sorted({text.partition(":")[0].replace(run_id, "") for text in failures})
    return FAILED + sha256("\n".join(what).encode()).hexdigest()[:12] if what else TOLD


def _state_before(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """The tag of the job's last run before this one."""
    same_job = dg.RunsFilter(job_name=run.job_name, statuses=_ENDED)
    earlier = instance.get_runs(same_job, cursor=run.run_id, limit=1)
    return earlier[0].tags.get(ALERT_TAG, "") if earlier else ""


def _is_untold(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether nobody was told of a run; of one that was deleted, somebody was."""
    run = instance.get_run_by_id(run_id)
    return run is not None and not run.tags.get(ALERT_TAG, "").startswith(TOLD)
