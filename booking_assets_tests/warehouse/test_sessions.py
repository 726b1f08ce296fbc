"""Sessions share one DuckDB in memory: nothing of a session reaches the next."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from booking_assets.tables.raw import EVENTS
from booking_assets.warehouse.connection import SPILL, DatabaseFile
from booking_assets.warehouse.view import View
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.commands import SECONDS
from booking_assets_tests.warehouse.slice_loads import events, keys, slice_load

ROWS = 1_500_000


@pytest.fixture
def file(tmp_path: Path) -> DatabaseFile:
    path = tmp_path / "it's [a] ?x.duckdb"
    return DatabaseFile(path, tmp_path / "s", "64MB", 2, 0, time.monotonic, time.sleep)


def open_files(path: Path) -> list[str]:
    names = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return [name for name in names if name.startswith(str(path))]


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def test_between_sessions_the_process_has_no_file_of_the_warehouse_open(file: DatabaseFile) -> None:
    with file.writing() as con:
        con.execute("CREATE TABLE t AS SELECT 1 AS i")
        assert open_files(file.path)
    assert open_files(file.path) == []
    with duckdb.connect(str(file.path)) as foreign:
        foreign.execute("INSERT INTO t VALUES (2)")
    with file.reading() as con:
        assert con.execute("SELECT sum(i) FROM t").fetchall() == [(3,)]


def test_settings_and_temporary_tables_end_with_their_session(file: DatabaseFile) -> None:
    def settings(con: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
        names = ("threads", "memory_limit", "preserve_insertion_order", "TimeZone")
        values = ", ".join(f"CAST(current_setting('{name}') AS VARCHAR)" for name in names)
        return con.execute(f"SELECT {values}").fetchall()

    with file.writing() as con:
        con.execute("CREATE TEMP TABLE kept AS SELECT 1")
        con.execute("SET threads = 1; SET preserve_insertion_order = false")
    with file.reading() as con:
        assert settings(con) == [("2", "61.0 MiB", "true", "UTC")]
        with pytest.raises(duckdb.CatalogException):
            con.execute("FROM kept")
    with dataclasses.replace(file, memory_limit="128MB", threads=1).reading() as con:
        assert settings(con) == [("1", "122.0 MiB", "true", "UTC")]


def test_each_session_spills_to_disk_and_returns_its_memory(file: DatabaseFile) -> None:
    with file.writing() as con:
        con.execute(f"CREATE TABLE t AS SELECT i, hash(i) AS h FROM range({ROWS}) AS r(i)")
    resident = []
    for _ in range(3):
        with file.reading() as con:
            con.execute("CREATE TEMP TABLE a AS SELECT i, CAST(h AS VARCHAR) || h AS h FROM t")
            con.execute("CREATE TEMP TABLE b AS FROM a")
            ((spilled,),) = con.execute("SELECT sum(size) FROM duckdb_temporary_files()").fetchall()
            assert spilled > 0
            assert con.execute("SELECT count(*), max(i) FROM b").fetchall() == [(ROWS, ROWS - 1)]
        assert [*file.path.parent.glob(f"*{SPILL}*")] == []
        resident.append(resident_mib())
    assert max(resident[1:]) < resident[0] + 32


def test_a_forked_process_opens_its_own_and_both_go_on(tmp_path: Path) -> None:
    script = """
import os, sys, time
from pathlib import Path
from booking_assets.warehouse.connection import DatabaseFile
file = DatabaseFile(Path(sys.argv[1], "w.duckdb"), Path("s"), "64MB", 2, 9, time.time, time.sleep)
with file.writing() as con:
    con.execute("CREATE TABLE t AS SELECT 1 AS i")
child = os.fork()
with file.writing() as con:
    con.execute("INSERT INTO t SELECT i + 1 FROM t")
if not child:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
with file.reading() as con:
    print(con.execute("SELECT count(*) FROM t").fetchall())
"""
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[(4,)]\n", "")


def test_a_session_within_a_session_has_a_duckdb_of_its_own(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1, 2]))])
    with warehouse.session() as outer:
        assert keys(warehouse, "acme") == {1, 2}
        assert outer.row_counts(EVENTS) == {"acme": 2}
    assert keys(warehouse, "acme") == {1, 2}


def test_a_session_reads_the_log_once_for_the_organizations_it_shows_and_the_next_reads_anew(
    warehouse: Warehouse, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    fetch = View.fetch

    def counted(view: View, query: str, *parameters: Any) -> pl.DataFrame:
        fetched.append(query)
        return fetch(view, query, *parameters)

    monkeypatch.setattr(View, "fetch", counted)
    for slugs in (["a"], ["a", "b"]):
        warehouse.store([slice_load(landing, slugs[-1], events(slugs[-1], [1]))])
        for opened in (warehouse.session, warehouse.writing_session):
            with opened() as session:
                fetched.clear()
                for shown in (session, session.only(["b"])):
                    stored = [one for one in slugs if shown is session or one == "b"]
                    for _ in range(2):
                        assert [*shown.newest_collections()["organization"]] == stored
                        assert [*shown.reconciliation()["organization"]] == stored
                assert len(fetched) == 4
        fetched.clear()
        for _ in range(2):
            assert [*warehouse.newest_collections()["organization"]] == slugs
        assert len(fetched) == 2
