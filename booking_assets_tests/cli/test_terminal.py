"""Tests of `booking-assets refresh` on a terminal: what a person sees, and Ctrl-C."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from booking_assets_tests.cli.commands import SLUGS, counts, ran, sandbox
from booking_assets_tests.cli.terminal import Terminal, terminal
from booking_assets_tests.commands import SECONDS, Shell, shell, unfolded

FEW = ("--still", "--events", "6")


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A folder that is configured for a sandbox of three small organizations at rest."""
    where = shell(tmp_path_factory.mktemp("quiet"))
    with sandbox(where, *FEW, "--write-config", str(where.folder)):
        yield where


def refreshed(
    where: Shell, variables: Mapping[str, str] | None = None, *, columns: int = 80
) -> tuple[int, Terminal]:
    """A refresh in a terminal, to its end."""
    with terminal(where, "booking-assets", "refresh", columns=columns, variables=variables) as seen:
        return seen.end(), seen


def test_a_refresh_draws_each_phase_and_leaves_exactly_the_summary(quiet: Shell) -> None:
    code, seen = refreshed(quiet)
    assert code == 0, seen.shown()
    drawn = "\n".join(seen.frames)
    for phase in ("collect", "derive", "publish"):
        assert re.search(rf"^{phase} +[━─]+ 0:00:\d\d \d/\d+ \w", drawn, re.MULTILINE), drawn
    assert "  river-college   stored 6 events, " in drawn
    paths = rf"warehouse: {re.escape(str(quiet.folder))}.*snapshot: .*"
    first, *lines = seen.shown().split("\n")
    assert first.split() == ["regis-", "seats", "taken", "exam", "packages"]
    assert [line.split()[0] for line in lines[:5]] == ["organization", *SLUGS, "total"]
    assert re.fullmatch(paths, "".join(lines[5:]))
    assert max(map(len, (first, *lines[:5]))) <= 80


def test_the_figures_are_those_of_the_published_snapshot(quiet: Shell) -> None:
    code, seen = refreshed(quiet)
    assert code == 0
    events, registrations = counts(quiet, "raw.events"), counts(quiet, "raw.registrations")
    for slug in SLUGS:
        (cells,) = re.findall(rf"^{slug} .*$", seen.shown(), re.MULTILINE)
        _, *figures, status = cells.split()
        assert figures[:3] == [str(events[slug]), str(registrations[slug]), "0"]
        assert status == "complete"
    total = re.findall(r"^total +(\d+) +(\d+) ", seen.shown(), re.MULTILINE)
    assert total == [(str(sum(events.values())), str(sum(registrations.values())))]


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"CI": "true"}], ids=str)
def test_where_the_cursor_cannot_move_progress_is_plain_lines(
    quiet: Shell, variables: dict[str, str]
) -> None:
    code, seen = refreshed(quiet, variables)
    assert code == 0
    assert re.search(r"^stored +river-college: 6 events$", seen.shown(), re.MULTILINE)
    assert re.search(r"^publish ", seen.shown(), re.MULTILINE)
    assert not re.search(rb"\x1b\[[0-9;?]*[^0-9;?m]", seen.written)


def test_an_ascii_terminal_without_colors_gets_neither_other_letters_nor_colors(
    quiet: Shell,
) -> None:
    variables = {"PYTHONIOENCODING": "ascii", "LANG": "C", "NO_COLOR": "1"}
    code, seen = refreshed(quiet, variables)
    assert code == 0
    assert seen.written.isascii()
    assert not re.search(rb"\x1b\[(3|9)\d", seen.written)
    assert re.search(r"^collect +[#.]+ 0:00:", "\n".join(seen.frames), re.MULTILINE)


def test_a_narrow_terminal_gets_a_paragraph_for_each_organization(quiet: Shell) -> None:
    code, seen = refreshed(quiet, columns=40)
    assert code == 0
    shown = unfolded(seen.shown())
    for slug in (*SLUGS, "total"):
        assert re.search(
            rf"{slug}: \d+ events, \d+ registrations, 0 rejected, \d+/\d+ seats t", shown
        )


def test_a_wait_is_counted_down(tmp_path: Path) -> None:
    where = shell(tmp_path)
    arguments = (*FEW, "--fault", "downtime=3", "--write-config", str(where.folder))
    with sandbox(where, *arguments):
        code, seen = refreshed(where)
    assert code == 0, seen.shown()
    waits = re.findall(
        r"^  river-college +again in (\d+) s: ", "\n".join(seen.frames), re.MULTILINE
    )
    assert len(set(waits)) > 1
    assert "again in" not in seen.shown()


def test_of_60_organizations_only_those_at_work_are_drawn_and_the_failed_one_is_explained(
    tmp_path: Path,
) -> None:
    where = shell(tmp_path)
    faults = ("--fault", f"unauthorized=events@{SLUGS[0]}", "--fault", "throttle=80/2")
    world = ("--organizations", "60", "--still", "--events", "2")
    with sandbox(where, *world, *faults, "--write-config", str(where.folder)):
        code, seen = refreshed(where)
    assert code == 1, seen.shown()
    assert any(f"{SLUGS[0]}: failed events: " in frame for frame in seen.frames)
    assert max(frame.count("\n") for frame in seen.frames[:-1]) < 30
    _, *lines = seen.shown().split("\n")
    assert [line.split()[0] for line in lines[:2]] == ["organization", SLUGS[0]]
    assert any(line.startswith("total ") and line.endswith("59 of 60") for line in lines)
    assert "59 more are complete" in lines
    said = unfolded(seen.shown())
    assert said.count("(HTTP 401") == 1
    assert "It is read from BOOKING_TOKEN_HARBOUR_TRADES" in said
    assert "failed, no data" in unfolded(re.sub(r" total .*", "", said.replace(SLUGS[0][-2:], "")))


# Ctrl-C.

MOMENTS = {
    "before anything is counted": (r"0:00:0[1-9] 0/3", "nothing stored", ""),
    "between collecting and deriving": (r" 3/3 organizations", "stored", "not"),
    "while a mart is derived": (r"derive .* event_history", "stored", "not"),
    "while the snapshot is published": (r"publish .*snapshot", "stored", "not"),
}


@pytest.mark.parametrize(("moment", "stored", "others"), MOMENTS.values(), ids=MOMENTS)
def test_ctrl_c_ends_a_refresh_within_seconds_and_with_one_sentence(
    tmp_path: Path, moment: str, stored: str, others: str
) -> None:
    where = shell(tmp_path)
    faults = ("--fault", "latency=1") if stored == "nothing stored" else ()
    with (
        sandbox(where, "--still", "--events", "50", *faults, "--write-config", str(where.folder)),
        terminal(where, "booking-assets", "refresh") as seen,
    ):
        seen.until(lambda shown: re.search(moment, shown))
        assert seen.interrupt() < 3
    assert seen.process.returncode == 130
    shown = unfolded(seen.shown()).strip()
    names = ", ".join(SLUGS)
    said = stored if stored == "nothing stored" else f"{names} {stored}"
    assert re.fullmatch(
        rf"Interrupted: {said}; (nothing|the snapshot) was published\. Run it again\.", shown
    )
    snapshot = where.folder / "data/booking.snapshot.duckdb"
    assert snapshot.exists() == ("the snapshot was published" in shown)


def test_ctrl_c_ends_a_rebuild_with_one_sentence_that_says_what_is_published(quiet: Shell) -> None:
    assert ran(quiet, "refresh").exit_code == 0
    with terminal(quiet, "booking-assets", "rebuild") as seen:
        seen.until(lambda shown: re.search("derive .* event_history", shown))
        assert seen.interrupt() < 3
    assert seen.process.returncode == 130
    said = "Interrupted: stored; nothing was published, the last snapshot stays. Run it again."
    assert seen.shown().replace("\n", "") == said[:80] + said[80:].lstrip()


def test_ctrl_c_ends_a_check_that_waits_for_the_api(tmp_path: Path) -> None:
    where = shell(tmp_path)
    arguments = (*FEW, "--fault", "latency=4", "--write-config", str(where.folder))
    with (
        sandbox(where, *arguments),
        terminal(where, "booking-assets", "check", variables={"PYTHONUNBUFFERED": "1"}) as seen,
    ):
        time.sleep(3)
        assert seen.interrupt() < 3
    assert seen.process.returncode == 130
    assert re.fullmatch(r"Interrupted: .* Run it again\.", unfolded(seen.shown()).strip())


def test_an_interrupted_refresh_says_what_is_stored_and_ends_at_once(tmp_path: Path) -> None:
    where = shell(tmp_path)
    arguments = ("--events", "40", "--fault", "latency=2", "--write-config", str(where.folder))
    with (
        sandbox(where, *arguments),
        where.started("booking-assets", "refresh") as process,
    ):
        landing = where.folder / "data/booking.landing"
        deadline = time.monotonic() + SECONDS
        while not list(landing.glob("*/.partial-*")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert said == "Interrupted: nothing stored; nothing was published. Run it again.\n"
    assert not (where.folder / "data/booking.snapshot.duckdb").exists()
