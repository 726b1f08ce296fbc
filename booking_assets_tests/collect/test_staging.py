"""Which rows a landing keeps, and that nothing else stays behind on disk."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking_assets.collect import parts
from booking_assets.collect import staging as staging_module
from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.errors import LandingFailed
from booking_assets.collect.landing import Landing, take_ticket
from booking_assets.collect.staging import LOCK, StagingWriter
from booking_assets.tables.raw import EVENTS, REJECTED_ROWS
from booking_assets_tests.collect.events import ACME, STARTED, decoded, event, identifier

LOG_ROW: dict[str, Any] = {"organization": "acme", "started_at": STARTED, "finished_at": STARTED}


@pytest.fixture(params=[1, 3, 100], ids=lambda rows: f"parts of {rows}")
def part_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Small part files, so that few rows make several."""
    monkeypatch.setattr(parts, "PART_ROWS", request.param)
    return int(request.param)


def staging(root: Path, name: str = "events-1") -> StagingWriter:
    return StagingWriter(root, "acme", name, EVENT_ROWS)


def landed(opened: StagingWriter) -> Landing:
    return opened.land(ACME, LOG_ROW)


def rows_in(landing: Landing) -> pl.DataFrame:
    files = [pl.read_parquet(path) for path in landing.rows]
    return pl.concat([EVENTS.empty(), *files]).sort("event_identifier")


def rejected_in(landing: Landing) -> pl.DataFrame:
    return pl.concat([REJECTED_ROWS.empty(), *(pl.read_parquet(path) for path in landing.rejected)])


def version(number: int, title: str, day: int | None) -> dict[str, Any]:
    changed = None if day is None else f"2026-01-{day:02}T00:00:00+00:00"
    return event(number, EventTitle=title, LastChangeTime=changed)


DUPLICATES: dict[str, tuple[list[list[tuple[str, int | None]]], str]] = {
    "within a page": ([[("old", 1), ("new", 2)]], "new"),
    "within a page, the newer first": ([[("new", 2), ("old", 1)]], "new"),
    "across pages": ([[("old", 1)], [("new", 2)]], "new"),
    "across pages, the newer first": ([[("new", 2)], [("old", 1)]], "new"),
    "changed at the same time": ([[("first", 1)], [("second", 1)]], "second"),
    "changed at the same time, one page": ([[("first", 1), ("second", 1)]], "second"),
    "without a time before one with": ([[("none", None)], [("some", 1)]], "some"),
    "without a time after one with": ([[("some", 1)], [("none", None)]], "some"),
    "without any time": ([[("first", None)], [("second", None)]], "second"),
}


@pytest.mark.usefixtures("part_rows")
@pytest.mark.parametrize(("pages", "kept"), DUPLICATES.values(), ids=DUPLICATES)
def test_of_an_event_that_arrives_twice_the_newest_version_is_kept(
    tmp_path: Path, pages: list[list[tuple[str, int | None]]], kept: str
) -> None:
    with staging(tmp_path) as opened:
        opened.add(decoded(event(1), event(2)))
        for page in pages:
            opened.add(decoded(*(version(3, title, day) for title, day in page)))
        opened.add(decoded(event(4)))
        assert (opened.received, opened.loaded, opened.rejected) == (5, 4, 0)
        rows = rows_in(landed(opened))
    assert rows["event_identifier"].to_list() == [identifier(n) for n in (1, 2, 3, 4)]
    assert rows["event_title"].to_list() == ["Event 1", "Event 2", kept, "Event 4"]


@pytest.mark.usefixtures("part_rows")
def test_a_rejected_row_that_arrives_twice_is_kept_once_as_it_came_last(tmp_path: Path) -> None:
    with staging(tmp_path) as opened:
        opened.add(decoded(event(1, CapacityMaximum="first")))
        opened.add(decoded(event(1, CapacityMaximum="last"), event(2, CapacityMaximum="other")))
        assert (opened.received, opened.loaded, opened.rejected) == (3, 0, 2)
        rejected = rejected_in(landed(opened))
    assert sorted("last" in payload for payload in rejected["payload"]) == [False, True]
    assert dict(rejected.schema) == REJECTED_ROWS.dtypes


@pytest.mark.usefixtures("part_rows")
@pytest.mark.parametrize("order", [1, -1], ids=["typed first", "rejected first"])
def test_a_row_that_arrives_both_typed_and_rejected_is_typed(tmp_path: Path, order: int) -> None:
    typed = event(1, EventIdentifier="abcdef01-2345-6789-abcd-ef0123456789")
    rejected = typed | {"CapacityMaximum": "x", "EventIdentifier": typed["EventIdentifier"].upper()}
    with staging(tmp_path) as opened:
        for row in [typed, rejected][::order]:
            opened.add(decoded(row))
        assert (opened.received, opened.loaded, opened.rejected) == (2, 1, 0)
        landing = landed(opened)
    assert rows_in(landing).height == 1
    assert landing.rejected == ()


@pytest.mark.parametrize("identifier", [None, "", "N/A"], ids=["none", "empty", "no UUID"])
def test_rejected_rows_without_a_usable_identifier_are_never_taken_for_one(
    tmp_path: Path, identifier: str | None
) -> None:
    row = event(EventIdentifier=identifier)
    with staging(tmp_path) as opened:
        opened.add(decoded(row, row))
        opened.add(decoded(row))
        assert opened.rejected == 3
        assert rejected_in(landed(opened)).height == 3


@pytest.mark.usefixtures("part_rows")
def test_removed_rows_are_neither_stored_nor_counted(tmp_path: Path) -> None:
    with staging(tmp_path) as opened:
        opened.add(decoded(event(1), event(2), event(2), event(3)))
        opened.add(decoded(event(4, CapacityMaximum="x"), event(5, CapacityMaximum="x"), "null"))
        opened.remove({identifier(2), identifier(4), identifier(99)})
        assert (opened.received, opened.loaded, opened.rejected) == (4, 2, 2)
        assert set(opened.keys()) == {UUID(identifier(n)).int for n in (1, 3, 5)}
        opened.add(decoded(version(3, "newer", 9), event(6)))
        assert (opened.received, opened.loaded, opened.rejected) == (6, 3, 2)
        rows = rows_in(landed(opened))
    assert rows["event_title"].to_list() == ["Event 1", "newer", "Event 6"]


ARRIVALS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["a", "b"]), st.none() | st.integers(1, 3))
        | st.integers(0, 4),
        max_size=4,
    ),
    max_size=5,
)


@settings(deadline=None, max_examples=25)
@given(pages=ARRIVALS, gone=st.sets(st.integers(0, 4), max_size=2), part_rows=st.integers(1, 5))
def test_a_landing_equals_a_plain_model_of_the_rules(
    tmp_path_factory: pytest.TempPathFactory,
    pages: list[list[tuple[int, str, int | None] | int]],
    gone: set[int],
    part_rows: int,
) -> None:
    typed: dict[int, tuple[int, str]] = {}
    rejected: set[int] = set()
    arrived = 0
    for row in (row for page in pages for row in page):
        number = row if isinstance(row, int) else row[0]
        if number in gone:
            continue
        arrived += 1
        if isinstance(row, int):
            rejected.add(number)
        elif (row[2] or 0) >= typed.get(number, (0, ""))[0]:
            typed[number] = (row[2] or 0, row[1])
    with pytest.MonkeyPatch.context() as patch, staging(tmp_path_factory.mktemp("root")) as opened:
        patch.setattr(parts, "PART_ROWS", part_rows)
        for page in pages:
            rows = [
                event(row, CapacityMaximum="x") if isinstance(row, int) else version(*row)
                for row in page
            ]
            opened.add(decoded(*rows))
        opened.remove({identifier(number) for number in gone})
        numbers = (opened.received, opened.loaded, opened.rejected)
        landing = landed(opened)
    assert numbers == (arrived, len(typed), len(rejected - set(typed)))
    stored = rows_in(landing).select("event_identifier", "event_title").rows()
    assert stored == [(identifier(number), typed[number][1]) for number in sorted(typed)]
    assert rejected_in(landing).height == len(rejected - set(typed))


def test_a_second_attempt_starts_from_nothing(tmp_path: Path) -> None:
    with staging(tmp_path) as opened:
        opened.add(decoded(event(1, Novelty=1), "null"))
        opened.remove({identifier(9)})
        opened.clear()
        assert (opened.received, opened.loaded, opened.rejected) == (0, 0, 0)
        assert opened.unknown == frozenset()
        opened.add(decoded(event(2)))
        landing = landed(opened)
    assert rows_in(landing)["event_identifier"].to_list() == [identifier(2)]
    assert sorted(path.name for path in landing.folder.iterdir()) == [
        "collection.json",
        "rows-00000.parquet",
    ]


def test_a_closed_staging_keeps_no_keys_in_memory(tmp_path: Path) -> None:
    with staging(tmp_path) as opened:
        opened.add(decoded(event(1), event(2)))
        assert opened.keys().len() == 2
    assert opened.keys().is_empty()


def test_a_collection_without_rows_lands_as_well(tmp_path: Path) -> None:
    with staging(tmp_path) as opened:
        landing = landed(opened)
    assert (landing.rows, landing.rejected) == ((), ())
    assert landing.folder.is_dir()


def test_landed_files_have_the_types_of_the_contract(tmp_path: Path) -> None:
    with staging(tmp_path) as opened:
        opened.add(decoded(event(1)))
        opened.add(decoded(event(2, Novelty=1)))
        landing = landed(opened)
    for path in landing.rows:
        assert pl.read_parquet_schema(path) == EVENTS.dtypes


def test_a_failure_leaves_no_file_behind(tmp_path: Path) -> None:
    def failing() -> None:
        with staging(tmp_path) as opened:
            opened.add(decoded(event(1)))
            opened.remove({identifier(2)})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert [path.name for path in (tmp_path / "acme").iterdir()] == [LOCK]


def test_the_folder_of_a_killed_process_is_removed_and_others_are_not(tmp_path: Path) -> None:
    abandoned = tmp_path / "acme" / ".partial-events-0"
    abandoned.mkdir(parents=True)
    (abandoned / "rows-00000.parquet").write_bytes(b"half a file")
    with staging(tmp_path, "events-1") as first, staging(tmp_path, "events-2") as second:
        assert not abandoned.exists()
        first.add(decoded(event(1)))
        second.add(decoded(event(2)))
        landings = [landed(second), landed(first)]
    assert [rows_in(one)["event_identifier"].to_list() for one in landings] == [
        [identifier(2)],
        [identifier(1)],
    ]


HOLD_THE_LOCK = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), int(sys.argv[2]))
input(0)
"""


@contextmanager
def lock_held_by_another_process(home: Path, mode: int) -> Iterator[None]:
    """Another process holds the organization's lock, and is killed in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(home / LOCK), str(mode)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"0"
        yield
        process.kill()


def test_a_folder_in_use_by_another_process_is_left_alone(tmp_path: Path) -> None:
    used = tmp_path / "acme" / ".partial-events-0"
    used.mkdir(parents=True)
    with lock_held_by_another_process(used.parent, fcntl.LOCK_SH), staging(tmp_path):
        assert used.is_dir()
    with staging(tmp_path, "events-2"):
        assert not used.exists()


def test_a_lock_that_stays_with_another_process_is_named_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_module, "LOCK_TIMEOUT_SECONDS", 0.05)
    home = tmp_path / "acme"
    home.mkdir()
    with (
        lock_held_by_another_process(home, fcntl.LOCK_EX),
        pytest.raises(LandingFailed, match=re.escape(str(home / LOCK))),
        staging(tmp_path),
    ):
        pass
    assert list(home.iterdir()) == [home / LOCK]


def test_only_the_user_can_read_a_landing(tmp_path: Path) -> None:
    root = tmp_path / "landing"
    before = os.umask(0o022)
    try:
        with staging(root) as opened:
            opened.add(decoded(event(1), "null"))
            landing = landed(opened)
        take_ticket(root, "acme")
    finally:
        os.umask(before)
    modes = {True: 0o700, False: 0o600}
    for path in (root, *root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == modes[path.is_dir()], path
    assert len(list(landing.folder.iterdir())) == 3


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    writes_no_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_no_bytecode
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_an_os_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    page = decoded(*(event(n, EventTitle=os.urandom(64).hex()) for n in range(500)))
    with staging(tmp_path) as opened:
        opened.add(page)
        with files_of_at_most(4096), pytest.raises(OSError, match="too large"):
            landed(opened)
    assert [path.name for path in (tmp_path / "acme").iterdir()] == [LOCK]


def test_a_folder_that_vanishes_is_an_os_error(tmp_path: Path) -> None:
    with staging(tmp_path) as opened:
        opened.add(decoded(event(1)))
        shutil.rmtree(tmp_path / "acme")
        with pytest.raises(OSError, match="acme"):
            landed(opened)
