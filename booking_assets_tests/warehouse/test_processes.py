"""The warehouse among other processes: locks, killed writers, damaged files."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import duckdb
import polars as pl
import pytest

from booking_assets.files import locked, pauses
from booking_assets.tables.capacity import STATES
from booking_assets.tables.raw import COLLECTIONS, EVENTS
from booking_assets.warehouse.connection import transaction
from booking_assets.warehouse.errors import WarehouseBusy, WarehouseUnreadable
from booking_assets.warehouse.paths import lock_path
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import events, keys, slice_load, titles


@contextmanager
def process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that printed its first line; killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == "ready\n"
            yield started
        finally:
            started.kill()


class Time:
    """A clock that moves only in `sleep`, which then calls `meanwhile`."""

    def __init__(self, meanwhile: Callable[[float], None] = lambda now: None) -> None:
        self.now = 0.0
        self.meanwhile = meanwhile

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile(self.now)


FOREIGN = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reader")
print("ready", flush=True)
sys.stdin.read()
"""

OURS = """
import sys
from pathlib import Path
from booking_assets.files import locked
from booking_assets.warehouse.paths import lock_path
with locked(lock_path(Path(sys.argv[1])), exclusive=sys.argv[2] == "exclusive", waiting=iter(())):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["reader", "writer"])
def test_a_process_that_locks_the_file_is_named_after_the_timeout(
    warehouse: Warehouse, landing: Path, kind: str
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1]))])
    time = Time()
    patient = dataclasses.replace(warehouse, clock=time.clock, sleep=time.sleep)
    with (
        process(FOREIGN, str(warehouse.path), kind) as holder,
        pytest.raises(WarehouseBusy) as busy,
    ):
        patient.store([slice_load(landing, "acme", events("acme", [2], 1), 1)])
    assert time.now == pytest.approx(warehouse.busy_timeout_seconds)
    for named in (str(warehouse.path), str(warehouse.snapshot), "python", f"(pid {holder.pid})"):
        assert named in str(busy.value)
    assert keys(warehouse, "acme") == {1}


def test_a_lock_released_before_the_timeout_is_no_error(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1]))])
    with process(FOREIGN, str(warehouse.path), "writer") as holder:

        def leave(now: float) -> None:
            if now > 5 and holder.poll() is None:
                holder.kill()
                holder.wait()

        time = Time(leave)
        patient = dataclasses.replace(warehouse, clock=time.clock, sleep=time.sleep)
        patient.store([slice_load(landing, "acme", events("acme", [2], 1), 1)])
    assert 5 < time.now < 6
    assert keys(warehouse, "acme") == {2}


def test_a_connection_of_the_same_process_locks_the_file_too(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1]))])
    hasty = dataclasses.replace(warehouse, busy_timeout_seconds=0)
    with (
        duckdb.connect(str(warehouse.path)),
        pytest.raises(WarehouseBusy, match="another connection of this process"),
    ):
        hasty.store([slice_load(landing, "acme", events("acme", [2], 1), 1)])


@pytest.mark.parametrize("mode", ["shared", "exclusive"])
def test_readers_share_the_lock_and_writers_do_not(
    warehouse: Warehouse, landing: Path, mode: str
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1]))])
    hasty = dataclasses.replace(warehouse, busy_timeout_seconds=0)

    calls: list[tuple[Callable[[], object], bool]] = [
        (lambda: hasty.row_counts(EVENTS), mode == "shared"),
        (lambda: hasty.log(COLLECTIONS.empty()), False),
        (hasty.publish, False),
    ]
    with process(OURS, str(warehouse.path), mode) as holder:
        named = rf"process {holder.pid}" if mode == "exclusive" else "another process"
        refused = pytest.raises(
            WarehouseBusy, match=rf"Another run of booking-assets \({named}\) uses the warehouse"
        )
        for call, works in calls:
            with nullcontext() if works else refused:
                call()
    for call, _ in calls:
        call()


def test_the_lock_of_a_killed_process_is_free_at_once(warehouse: Warehouse, landing: Path) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1]))])
    with process(OURS, str(warehouse.path), "exclusive") as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with locked(lock_path(warehouse.path), exclusive=True, waiting=iter(())):
            pass


def test_waiting_grows_and_ends_at_its_bound() -> None:
    time = Time()
    steps = [time.now for _ in pauses(3, time.clock, time.sleep)]
    lengths = [later - earlier for earlier, later in zip([0.0, *steps], steps, strict=False)]
    assert lengths[:-1] == pytest.approx(sorted(lengths[:-1]))
    assert max(lengths) == pytest.approx(0.5)
    assert steps[-1] == pytest.approx(3)


WRITER = """
import sys
from itertools import count
from pathlib import Path
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import slice_load, events
folder = Path(sys.argv[1])
data = folder / "data"
warehouse = Warehouse(path=data / "w.duckdb", snapshot=data / "s.duckdb", memory_limit="192MB")
print("ready", flush=True)
for n in count(int(sys.argv[2])):
    made = {one: events(one, range(100), n) for one in ("acme", "globex")}
    warehouse.store([slice_load(folder, one, rows, n) for one, rows in made.items()])
"""


def test_a_writer_killed_at_any_moment_leaves_old_or_new_slices(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    warehouse = Warehouse(
        path=folder / "w.duckdb", snapshot=folder / "s.duckdb", memory_limit="192MB"
    )
    for number, moment in enumerate((0.05, 0.2)):
        with process(WRITER, str(tmp_path), str(number * 1000)) as writer:
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(moment)
            writer.kill()
            writer.wait()
        if not warehouse.path.exists():
            continue
        counts = warehouse.row_counts(EVENTS)
        assert counts in ({}, {"acme": 100, "globex": 100})
        if counts:
            assert len(titles(warehouse, "acme")) == 1
            assert titles(warehouse, "acme") == titles(warehouse, "globex")
            assert not warehouse.contract_breaches(EVENTS)
    (folder / "w.duckdb.tmp-killed").mkdir()
    last = 10_000
    warehouse.store([slice_load(tmp_path, "acme", events("acme", [1], last), last)])
    assert keys(warehouse, "acme") == {1}
    assert {p.name for p in folder.iterdir()} == {"w.duckdb", "w.duckdb.lock"}


@pytest.mark.parametrize("damage", ["emptied", "half", "noise"])
def test_a_damaged_warehouse_is_never_overwritten(
    warehouse: Warehouse, landing: Path, damage: str
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1]))])
    content = warehouse.path.read_bytes()
    damaged = {
        "emptied": b"",
        "half": content[: len(content) // 2],
        "noise": bytes(range(256)) * 400,
    }[damage]
    warehouse.path.write_bytes(damaged)
    for call in (
        lambda: warehouse.read(EVENTS),
        lambda: warehouse.store([slice_load(landing, "acme", events("acme", [2]), 1)]),
        warehouse.publish,
    ):
        with pytest.raises(WarehouseUnreadable, match="booking-assets rebuild"):
            call()
    assert warehouse.path.read_bytes() == damaged


def test_a_session_without_changes_leaves_no_log(warehouse: Warehouse, landing: Path) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1]))])
    warehouse.log(COLLECTIONS.empty())
    warehouse.forget("nobody")

    def failing(_: Warehouse) -> Iterator[pl.DataFrame]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        warehouse.replace(EVENTS, failing)
    assert {path.name for path in warehouse.path.parent.iterdir()} == {
        warehouse.path.name,
        f"{warehouse.path.name}.lock",
    }


def test_in_a_session_each_write_stands_for_itself_and_frees_what_it_replaced(
    warehouse: Warehouse,
) -> None:
    def derived(value: str) -> Iterator[pl.DataFrame]:
        # Each value is another text: several blocks of the file.
        at = pl.int_range(100_000, eager=True)
        texts, order = at.hash().cast(pl.String) + value, at.cast(pl.Int32)
        rows = {"mart": value, "column": value, "state": texts, "meaning": texts, "order": order}
        yield pl.DataFrame(rows)

    def failing(_: Warehouse) -> Iterator[pl.DataFrame]:
        yield from derived("e")
        raise KeyError

    sizes = []
    with suppress(KeyError), warehouse.writing_session() as session:
        for value in "abcd":
            session.replace(STATES, lambda _, value=value: derived(value))  # type: ignore[misc]
            sizes.append(warehouse.path.stat().st_size)
            assert {*session.read(STATES)["mart"]} == {value}
        session.replace(STATES, failing)
    assert {*warehouse.read(STATES)["mart"]} == {"d"}
    assert max(sizes) < 2.5 * sizes[0]


def test_a_log_without_its_warehouse_is_not_written_over(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.path.parent.mkdir()
    log = warehouse.path.with_name(f"{warehouse.path.name}.wal")
    log.write_bytes(b"committed rows")
    with pytest.raises(WarehouseUnreadable, match="booking-assets rebuild"):
        warehouse.store([slice_load(landing, "acme", events("acme", [1]))])
    assert not warehouse.path.exists()


def test_an_error_that_was_swallowed_cannot_be_committed() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE kept AS SELECT 1 AS number")

        def ignores_the_error() -> None:
            with transaction(con):
                con.execute("DELETE FROM kept")
                with suppress(duckdb.ConversionException):
                    con.execute("INSERT INTO kept SELECT 'x'")

        with pytest.raises(duckdb.TransactionException):
            ignores_the_error()
        assert con.execute("SELECT number FROM kept").fetchall() == [(1,)]


def test_an_interrupted_transaction_is_undone() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE kept AS SELECT 1 AS number")

        def interrupted() -> None:
            with transaction(con):
                con.execute("DELETE FROM kept")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert con.execute("SELECT number FROM kept").fetchall() == [(1,)]


def test_a_process_with_a_failed_load_writes_nothing_to_stderr(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from booking_assets.tables.raw import EVENTS
from booking_assets.warehouse.errors import SliceLoadFailed
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.slice_loads import slice_load, events
folder = Path(sys.argv[1])
warehouse = Warehouse(path=folder / "w.duckdb", snapshot=folder / "s.duckdb", memory_limit="192MB")
warehouse.store([slice_load(folder, "acme", events("acme", [1]))])
warehouse.read(EVENTS)
broken = slice_load(folder, "acme", events("acme", [1]), 1)
broken.slices[EVENTS][0].write_bytes(b"noise")
try:
    warehouse.store([broken])
except SliceLoadFailed as refused:
    print(refused.organization)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "acme\n", "")
