"""Tests of `booking-assets ui`: a run launched in the UI collects, derives and publishes."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import httpx
import pytest

from booking_assets.cli.ui import OTHER_INSTANCE
from booking_assets.defs.partitions import range_tags
from booking_assets_tests.commands import SECONDS, Shell, shell

FIRST, LAST = "harbour-trades", "river-college"

LAUNCH = """
mutation Launch($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
STATUS = "query Status($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
ASSETS = """
{ assetsOrError { ... on AssetConnection { nodes {
    key { path }
    assetMaterializations(limit: 1) { partition }
} } } }
"""


@dataclass(frozen=True)
class Ui:
    """The UI of an installation without configuration."""

    shell: Shell
    url: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = httpx.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=SECONDS
        )
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        assert "errors" not in told, told
        data: dict[str, Any] = told["data"]
        return data


def eventually(reached: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Whether a condition becomes true in time."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/server_info").status_code == 200
    return False


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    where = shell(tmp_path_factory.mktemp("ui"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    # A checkout has one, for `dagster dev`.
    (where.folder / "dagster.yaml").write_text("", encoding="utf-8")
    log = where.home.with_name("ui.log")
    with (
        log.open("w", encoding="utf-8") as output,
        where.started("booking-assets", "ui", "--port", str(port), output=output) as process,
    ):
        try:
            assert eventually(lambda: answers(url) or process.poll() is not None)
            assert process.poll() is None, log.read_text(encoding="utf-8")
            said = log.read_text(encoding="utf-8")
            assert "Warning" not in said
            assert OTHER_INSTANCE not in said
            yield Ui(where, url)
        finally:
            # As Ctrl-C does: the daemon and the code server are its children, and end with it.
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)
    assert not answers(url)


def test_a_ui_that_a_script_started_in_the_background_ends_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    where = shell(tmp_path)
    # As a shell starts commands in the background of a script.
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        command = where.started(
            "booking-assets", "ui", "--port", str(port), output=subprocess.DEVNULL
        )
        with command as process:
            assert eventually(lambda: answers(url))
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0
    finally:
        signal.signal(signal.SIGINT, former)
    assert not answers(url)


def run_in_ui(ui: Ui, job: str, tags: Mapping[str, str]) -> str:
    """Launches a job; gives how its run ended."""
    launched = ui.ask(
        LAUNCH,
        parameters={
            "selector": {
                "repositoryLocationName": "booking_assets",
                "repositoryName": "__repository__",
                "jobName": job,
            },
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in tags.items()]
            },
        },
    )["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run = launched["run"]["runId"]

    def status() -> str:
        return str(ui.ask(STATUS, run=run)["runOrError"]["status"])

    assert eventually(lambda: status() in {"SUCCESS", "FAILURE", "CANCELED"})
    return status()


def test_runs_that_are_launched_in_the_ui_collect_derive_and_publish(ui: Ui) -> None:
    assert run_in_ui(ui, "collect", range_tags(FIRST, LAST)) == "SUCCESS"
    assert run_in_ui(ui, "derive", {}) == "SUCCESS"

    nodes = ui.ask(ASSETS)["assetsOrError"]["nodes"]
    never = ["/".join(one["key"]["path"]) for one in nodes if not one["assetMaterializations"]]
    assert len(nodes) > 10
    assert never == []
    snapshot = ui.shell.folder / "sandbox/booking.snapshot.duckdb"
    with duckdb.connect(str(snapshot), read_only=True) as con:
        found = con.execute("SELECT DISTINCT organization FROM marts.capacity_by_event").fetchall()
    assert {FIRST, LAST} < {organization for (organization,) in found}
    assert not ui.shell.network_log.exists()


TIMELINE = """
    query Timeline($selector: RepositorySelector!) {
        repositoryOrError(repositorySelector: $selector) {
            ... on Repository { pipelines { name runs(limit: 5) { id repositoryOrigin { id } } } }
        }
    }
"""


def test_runs_of_the_command_line_stand_under_their_jobs(ui: Ui) -> None:
    refreshed = ui.shell.run("booking-assets", "refresh", "-o", FIRST)
    assert refreshed.returncode == 0, refreshed.stderr
    with dg.DagsterInstance.from_config(str(ui.shell.folder / ".dagster")) as instance:
        own = {run.job_name: run.run_id for run in reversed(instance.get_runs(limit=2))}
    selector = {"repositoryLocationName": "booking_assets", "repositoryName": "__repository__"}
    jobs = ui.ask(TIMELINE, selector=selector)["repositoryOrError"]["pipelines"]
    listed = {
        job["name"]: {run["id"]: run["repositoryOrigin"] for run in job["runs"]} for job in jobs
    }
    assert own.keys() == {"collect", "derive"}
    for job, run_id in own.items():
        # The timeline leaves out runs without an origin.
        assert listed[job][run_id] is not None
