"""Machines as processes: killed anywhere, no rows stay on their disk; no credential is shown."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from dotenv import dotenv_values

from booking_assets.collect.object_landings import ObjectLandings
from booking_assets.collect.staging import StagingWriter
from booking_assets.pipeline.landings import load_landings
from booking_assets.warehouse import loads
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.commands import SCRIPTS, SECONDS, Shell, shell, unfolded
from booking_assets_tests.reliability import collecting
from booking_assets_tests.reliability.collecting import call_of, return_of
from booking_assets_tests.reliability.installation import (
    Installation,
    held,
    installed,
    still_world,
)
from booking_assets_tests.storage.seaweed import ACCESS_KEY, BUCKET, SECRET_KEY, Seaweed

WORLD = still_world(40)
SOURCE = Path(__file__).parents[2]
COLLECTING = {
    "staged and not uploaded": return_of(StagingWriter.land),
    "uploaded without a manifest": call_of(ObjectLandings.write_manifest),
    "landed": return_of(ObjectLandings.write_manifest),
}
LOADING = {
    "fetched": return_of(ObjectLandings.fetch),
    "before the commit": return_of(loads.store),
    "after the commit": return_of(Warehouse.store),
}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Installation]:
    """An installation whose store is a folder, with a landing for each organization in it."""
    sections = f'[storage]\nurl = "{tmp_path}/store"'
    with installed(shell(tmp_path), WORLD, sections=sections) as made:
        yield made


def rows_on_disk(machine: Installation) -> list[str]:
    """What is left of rows on the way to or from the store."""
    scratch = machine.folder / "data/booking.scratch"
    return [path.name for path in scratch.rglob("*.parquet")]


def assert_loads_everything(machine: Installation) -> None:
    load_landings(machine.warehouse, machine.settings)
    for slug in machine.slugs:
        assert machine.stored(slug).equals(held(WORLD, slug))
    assert machine.breaches() == []
    assert rows_on_disk(machine) == []
    assert list((machine.folder / "data/booking.scratch").iterdir()) == []


@pytest.mark.parametrize("stage", COLLECTING.values(), ids=COLLECTING)
def test_a_machine_that_is_killed_while_it_collects_keeps_no_rows_once_it_starts_again(
    machine: Installation, stage: str
) -> None:
    killed = machine.ran("--only", "collect", "--dies-at", stage)
    assert killed.returncode == -signal.SIGKILL, killed
    assert rows_on_disk(machine)
    assert not machine.settings.warehouse_path.exists()
    assert machine.ran("--only", "collect").returncode == 0
    assert rows_on_disk(machine) == []
    assert not machine.settings.warehouse_path.exists()
    assert_loads_everything(machine)


@pytest.mark.parametrize("stage", LOADING.values(), ids=LOADING)
def test_a_load_that_is_killed_is_finished_by_the_next_and_nothing_is_loaded_twice(
    machine: Installation, stage: str
) -> None:
    assert not machine.report().failed_organizations
    killed = machine.ran("--only", "load", "--dies-at", stage)
    assert killed.returncode == -signal.SIGKILL, killed
    assert rows_on_disk(machine)
    assert_loads_everything(machine)
    assert machine.query("SELECT organization FROM raw.collections ORDER BY 1") == [
        {"organization": slug} for slug in sorted(machine.slugs)
    ]


def test_a_machine_that_works_keeps_its_rows_while_another_one_starts(
    machine: Installation, tmp_path: Path
) -> None:
    scratch = machine.folder / "data/booking.scratch"
    with machine.process("--only", "collect") as process:
        while not (folders := list(scratch.glob("[!.]*"))):
            assert process.poll() is None
        process.send_signal(signal.SIGSTOP)
        machine.ran("--only", "load")
        assert folders[0].exists()
        process.send_signal(signal.SIGCONT)
        assert process.wait() == 0
    assert_loads_everything(machine)


def test_no_credential_is_in_a_log_an_error_or_a_file(tmp_path: Path, seaweed: Seaweed) -> None:
    where = shell(tmp_path)
    sections = '[storage]\nurl = "s3://booking/secrets"'
    with installed(where, WORLD, sections=sections):
        said = refreshed(where, dict(seaweed.environment), 0)
        wrong = {"AWS_SECRET_ACCESS_KEY": SECRET_KEY[::-1]}
        said += refreshed(where, dict(seaweed.environment) | wrong, 1)
    assert "it refuses this user (SignatureDoesNotMatch)" in said
    shutil.rmtree(where.folder / "data")
    for secret in (SECRET_KEY, SECRET_KEY[::-1], ACCESS_KEY):
        assert secret not in said
        for path in where.folder.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("faketime"), reason="faketime is not installed")
def test_a_store_refuses_a_machine_whose_clock_is_wrong_and_nothing_is_lost(
    tmp_path: Path, seaweed: Seaweed
) -> None:
    where, variables = shell(tmp_path), dict(seaweed.environment)
    url = f"s3://{BUCKET}/{uuid4().hex}"
    with installed(where, WORLD, sections=f'[storage]\nurl = "{url}"') as machine:
        refreshed(where, variables, 0)
        tokens = {name: value or "" for name, value in dotenv_values(where.folder / ".env").items()}

        def ended(clock: str, *command: object) -> tuple[int, str]:
            done = subprocess.run(
                ["faketime", "-f", clock, *map(str, command)],
                cwd=where.folder,
                env=where.environment
                | variables
                | tokens
                | {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": str(SOURCE)},
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
            return done.returncode, unfolded(done.stdout + done.stderr)

        reason = f"the object store {url} cannot be used: this machine's clock is too far"
        for clock in ("+1h", "-1h"):
            # A worker: each organization ends, with the reason and the remedy.
            code, said = ended(
                clock, sys.executable, "-m", collecting.__name__, "--only", "collect"
            )
            assert code == 0, said
            for slug in machine.slugs:
                assert re.search(rf'"{slug}": "[^"]*{re.escape(reason)}[^"]*Set this machine', said)
            # A refresh begins with the warehouse's machine.
            code, said = ended(clock, SCRIPTS / "booking-assets", "refresh")
            assert code == 1, said
            assert reason in said
            assert "refuses this user" not in said
            for slug in machine.slugs:
                assert machine.stored(slug).equals(held(WORLD, slug))
            assert rows_on_disk(machine) == []
        refreshed(where, variables, 0)
        assert machine.breaches() == []


def refreshed(where: Shell, variables: dict[str, str], code: int) -> str:
    ended = where.run("booking-assets", "refresh", variables=variables)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr
