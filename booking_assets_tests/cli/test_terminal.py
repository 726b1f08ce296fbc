"""Tests of `booking-assets refresh` on a terminal: what a person sees, and Ctrl-C."""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from booking_assets_tests.cli.commands import SILENT_API, SLUGS, counts, serving
from booking_assets_tests.cli.terminal import Terminal, terminal
from booking_assets_tests.commands import SECONDS, Shell, shell, unfolded


@dataclass(frozen=True)
class Refreshed:
    """A folder that is configured for a sandbox, the terminal of its refresh, and its exit code."""

    where: Shell
    seen: Terminal
    code: int

    @property
    def shown(self) -> str:
        return self.seen.shown()

    @property
    def drawn(self) -> str:
        return "\n".join(self.seen.frames)


def refreshed(
    where: Shell,
    *faults: str,
    variables: Mapping[str, str] | None = None,
    columns: int = 80,
    **world: int,
) -> Refreshed:
    """A refresh in a terminal, to its end, from a sandbox with these faults."""
    with (
        serving(where, *faults, **world),
        terminal(where, "booking-assets", "refresh", columns=columns, variables=variables) as seen,
    ):
        return Refreshed(where, seen, seen.end())


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Refreshed:
    """A refresh of three small organizations, after three seconds without an answer."""
    return refreshed(shell(tmp_path_factory.mktemp("wide")), "downtime=3")


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Refreshed:
    """The same in a narrow terminal with neither colors nor letters of other alphabets."""
    variables = {"PYTHONIOENCODING": "ascii", "LANG": "C", "NO_COLOR": "1"}
    where = shell(tmp_path_factory.mktemp("narrow"))
    return refreshed(where, variables=variables, columns=40)


def test_a_refresh_draws_each_phase_and_leaves_exactly_the_summary(wide: Refreshed) -> None:
    assert wide.code == 0, wide.shown
    for phase in ("collect", "derive", "publish"):
        pattern = rf"^{phase} +[━─]+ 0:00:\d\d \d/\d+ \w"
        assert re.search(pattern, wide.drawn, re.MULTILINE), wide.drawn
    assert "  river-college   stored 6 events, " in wide.drawn
    paths = rf"warehouse: {re.escape(str(wide.where.folder))}.*snapshot: .*"
    first, *lines = wide.shown.split("\n")
    assert first.split() == ["regis-", "seats", "taken", "exam", "packages"]
    assert [line.split()[0] for line in lines[:5]] == ["organization", *SLUGS, "total"]
    assert re.fullmatch(paths, "".join(lines[5:]))
    assert max(map(len, (first, *lines[:5]))) <= 80


def test_a_wait_is_counted_down(wide: Refreshed) -> None:
    waits = re.findall(r"^  river-college +again in (\d+) s: ", wide.drawn, re.MULTILINE)
    assert len(set(waits)) > 1
    assert "again in" not in wide.shown


def test_the_figures_are_those_of_the_published_snapshot(wide: Refreshed) -> None:
    events, registrations = (
        counts(wide.where, table) for table in ("raw.events", "raw.registrations")
    )
    for slug in SLUGS:
        (cells,) = re.findall(rf"^{slug} .*$", wide.shown, re.MULTILINE)
        _, *figures, status = cells.split()
        assert figures[:3] == [str(events[slug]), str(registrations[slug]), "0"]
        assert status == "complete"
    total = re.findall(r"^total +(\d+) +(\d+) ", wide.shown, re.MULTILINE)
    assert total == [(str(sum(events.values())), str(sum(registrations.values())))]


def test_an_ascii_terminal_without_colors_gets_neither_other_letters_nor_colors(
    narrow: Refreshed,
) -> None:
    assert narrow.code == 0
    assert narrow.seen.written.isascii()
    assert not re.search(rb"\x1b\[(3|9)\d", narrow.seen.written)
    assert re.search(r"^collect +[#.]+ 0:00:", narrow.drawn, re.MULTILINE)


def test_a_narrow_terminal_gets_a_paragraph_for_each_organization(narrow: Refreshed) -> None:
    for slug in (*SLUGS, "total"):
        assert re.search(
            rf"{slug}: \d+ events, \d+ registrations, 0 rejected, \d+/\d+ seats t",
            unfolded(narrow.shown),
        )


def test_of_24_organizations_only_those_at_work_are_drawn_and_the_failed_one_is_explained(
    tmp_path: Path,
) -> None:
    faults = (f"unauthorized=events@{SLUGS[0]}", "throttle=80/2")
    many = refreshed(shell(tmp_path), *faults, organizations=24, events=2)
    assert many.code == 1, many.shown
    frames = many.seen.frames
    assert any(f"{SLUGS[0]}: failed events: " in frame for frame in frames)
    assert max(frame.count("\n") for frame in frames[:-1]) < 24
    _, *lines = many.shown.split("\n")
    assert [line.split()[0] for line in lines[:2]] == ["organization", SLUGS[0]]
    assert any(line.startswith("total ") and line.endswith("23 of 24") for line in lines)
    assert "23 more are complete" in lines
    said = unfolded(many.shown)
    assert said.count("(HTTP 401") == 1
    assert "It is read from BOOKING_TOKEN_HARBOUR_TRADES" in said
    assert "failed, no data" in unfolded(re.sub(r" total .*", "", said.replace(SLUGS[0][-2:], "")))


# Ctrl-C.

WITHIN_SECONDS = 20
"""Less than the answers that are waited for take, and enough for a busy machine."""

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
    faults = ("latency=30",) if stored == "nothing stored" else ()
    for attempt in range(5):
        where = shell(tmp_path / str(attempt))
        with (
            serving(where, *faults, events=50),
            terminal(where, "booking-assets", "refresh") as seen,
        ):
            seen.until(lambda shown: re.search(moment, shown))
            assert seen.interrupt() < WITHIN_SECONDS
        # A busy machine may end the refresh before the key is pressed.
        if seen.process.returncode:
            break
    assert seen.process.returncode == 130
    shown = unfolded(seen.shown()).strip()
    names = ", ".join(SLUGS)
    said = stored if stored == "nothing stored" else f"{names} {stored}"
    assert re.fullmatch(
        rf"Interrupted: {said}; (nothing|the snapshot) was published\. Run it again\.", shown
    )
    snapshot = where.folder / "data/booking.snapshot.duckdb"
    assert snapshot.exists() == ("the snapshot was published" in shown)


def test_ctrl_c_ends_a_rebuild_with_one_sentence_that_says_what_is_published(
    wide: Refreshed,
) -> None:
    with terminal(wide.where, "booking-assets", "rebuild") as seen:
        seen.until(lambda shown: re.search("derive .* event_history", shown))
        assert seen.interrupt() < WITHIN_SECONDS
    assert seen.process.returncode == 130
    said = "Interrupted: stored; nothing was published, the last snapshot stays. Run it again."
    assert seen.shown().replace("\n", "") == said[:80] + said[80:].lstrip()


def test_ctrl_c_ends_a_check_that_waits_for_the_api(tmp_path: Path) -> None:
    where = shell(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        (where.folder / "booking.toml").write_text(SILENT_API.format(port=port), encoding="utf-8")
        with (
            terminal(where, "booking-assets", "check", variables={"PYTHONUNBUFFERED": "1"}) as seen,
            silent.accept()[0],
        ):
            assert seen.interrupt() < WITHIN_SECONDS
    assert seen.process.returncode == 130
    assert re.fullmatch(r"Interrupted: .* Run it again\.", unfolded(seen.shown()).strip())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda one: one.name)
def test_an_interrupted_refresh_says_what_is_stored_and_ends_at_once(
    tmp_path: Path, number: signal.Signals
) -> None:
    where = shell(tmp_path)
    with (
        serving(where, "latency=2", events=40),
        where.started("booking-assets", "refresh") as process,
    ):
        landing = where.folder / "data/booking.landing"
        deadline = time.monotonic() + SECONDS
        while not list(landing.glob("*/.partial-*")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert said == "Interrupted: nothing stored; nothing was published. Run it again.\n"
    assert not (where.folder / "data/booking.snapshot.duckdb").exists()
