"""What people wait for beside the first refresh: an hour without changes, and the UI."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.comparison import OURS, Compared
from benchmarks.contestants import REFRESH
from benchmarks.growth import summary
from benchmarks.measure import Measurement, run
from benchmarks.sandbox import COMMAND, Case, serving

FULL, INCREMENTAL, NO_ASSETS = "refresh", "refresh --incremental", "dagster dev, no assets"
_PROBE = (sys.executable, "-m", "benchmarks.answer")
_DEV = (sys.executable, "-m", "dagster", "dev", "-f", "no_assets.py")


def unchanged(
    cases: Sequence[Case], repeats: int, home: Path, page_size: int, say: Callable[[str], None]
) -> Iterator[Compared]:
    """Refresh everything once, then `repeats` times what changed, which is nothing.

    The first of those that ask for changes does not count.
    """
    for case in cases:
        with serving(case, home, page_size) as server, server.fresh_folder() as folder:
            full = run(REFRESH, folder, server.process)
            say(f"{case}, {FULL}: {summary(full)}")
            runs = []
            for _ in range(repeats + 1):
                runs.append(run((*REFRESH, "--incremental"), folder, server.process))
                say(f"{case}, {INCREMENTAL}: {summary(runs[-1])}")
        yield Compared(case, {FULL: [full], INCREMENTAL: runs[1:]}, {}, Counter())


def answering(
    case: Case, repeats: int, home: Path, page_size: int, say: Callable[[str], None]
) -> Compared:
    """Start the UI of a refreshed folder, and Dagster's own of no assets; in turn.

    Seconds are those until GraphQL lists the code location; CPU seconds, until the end. The first
    pair does not count.
    """
    runs: dict[str, list[Measurement]] = {OURS: [], NO_ASSETS: []}
    with serving(case, home, page_size) as server, server.fresh_folder() as folder:
        (folder / "no_assets.py").write_text("import dagster as dg\n\ndefs = dg.Definitions()\n")
        run(REFRESH, folder, server.process)
        for repeat in range(repeats + 1):
            for name, command in ((OURS, (COMMAND, "ui")), (NO_ASSETS, _DEV)):
                measured = run((*_PROBE, *command), folder, server.process)
                measured = replace(measured, seconds=float(measured.output.splitlines()[-1]))
                say(f"{name}, the UI: {summary(measured)}")
                if repeat:
                    runs[name].append(measured)
    return Compared(case, runs, {}, Counter())
