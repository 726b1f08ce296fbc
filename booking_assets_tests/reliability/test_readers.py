"""Analysts who read without pause while two refreshes run at once: none fails or is misled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from booking_assets.sandbox.world import generated_world
from booking_assets_tests.commands import SECONDS, Shell
from booking_assets_tests.reliability import reading
from booking_assets_tests.reliability.installation import NOON, Installation, installed

READERS = 2
AT_ONCE = 2


@contextmanager
def readers(site: Installation, stop: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that read the snapshot until the file `stop` is there."""
    command = [sys.executable, reading.__file__, str(site.settings.snapshot_path), str(stop)]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(READERS)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{reading.READY}\n"
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_readers_never_fail_and_marts_agree_while_two_refreshes_run(where: Shell) -> None:
    hours = [0]
    world = generated_world(3, 40, seed=7, clock=lambda: NOON + timedelta(hours=hours[0]))
    stop = where.folder.parent / "stop"
    with installed(where, world, api="page_size = 100", registrations=True) as site:
        site.collect_derive_and_publish()
        hours[0] += 12
        with readers(site, stop) as reading_all, ThreadPoolExecutor(AT_ONCE) as pool:
            runs = [pool.submit(where.run, "booking-assets", "refresh") for _ in range(AT_ONCE)]
            for run in runs:
                ended = run.result(SECONDS)
                assert ended.returncode == 0, ended.stdout + ended.stderr
            stop.touch()
            said = [process.communicate(timeout=SECONDS) for process in reading_all]
        assert [complaint for _, complaint in said if complaint] == []
        versions = [set(json.loads(report)["versions"]) for report, _ in said]
        assert len(set.union(*versions)) > 1
        assert site.breaches() == []
        assert site.half_written() == []
        logged = site.query("SELECT count(DISTINCT run_id) AS runs FROM raw.collections")
        assert logged == [{"runs": 1 + AT_ONCE}]
        assert reading.disagreements(str(site.settings.snapshot_path.resolve())) == []
