"""Promises of new databases of Dagster: those that it would make, sooner."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy

from booking_assets.defs import storage
from booking_assets_tests.defs.test_storage import DAGSTERS_OWN, POOLED, materialize, opened


def written_schema(*databases: Path) -> str:
    """The tables of databases, and what Dagster writes into new ones, as SQL."""
    lines = []
    for database in databases:
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
            made = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
            # Dagster makes the indexes of a table in any order.
            statements = [" ".join(f"{sql};".split()) for (sql,) in made.fetchall()]
            lines += sorted(statements, key=lambda sql: (not sql.startswith("CREATE TABLE"), sql))
            (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            lines.append(f"INSERT INTO alembic_version VALUES ('{version}');")
            names = connection.execute("SELECT name FROM secondary_indexes ORDER BY id")
            lines += [
                "INSERT INTO secondary_indexes (name, migration_completed)"
                f" VALUES ('{name}', CURRENT_TIMESTAMP);"
                for (name,) in names.fetchall()
            ]
    return "".join(f"{line}\n" for line in lines)


def test_new_databases_are_those_that_dagster_makes_and_are_made_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def schemas(state: Path, settings: str) -> dict[str, str]:
        with opened(tmp_path / "home", state, settings) as instance:
            instance.report_engine_event("one", run_id="run", job_name="seats")
            runs = state / "history/runs"
            databases = {
                "runs": runs.with_suffix(".db"),
                "events": runs / "run.db",
                "index": runs / "index.db",
                "schedules": state / "schedules/schedules.db",
            }
            return {name: written_schema(database) for name, database in databases.items()}

    own = schemas(tmp_path / "own", DAGSTERS_OWN)
    monkeypatch.setattr(sqlalchemy.MetaData, "create_all", lambda *_: pytest.fail("made"))
    assert schemas(tmp_path / "pooled", POOLED) == own
    own["index"] = own["index"].removeprefix(own["events"])
    written = Path(storage.__file__).with_name("storage.sql").read_text(encoding="utf-8")
    assert written == "".join(f"-- {name}\n{schema}" for name, schema in own.items())


def test_a_database_whose_creation_was_killed_is_created_by_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    with monkeypatch.context() as killed:
        killed.setattr(storage, "sync", raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            opened(tmp_path / "home", state, POOLED)
    assert not [file for file in state.rglob("*") if file.is_file()]
    with opened(tmp_path / "home", state, POOLED) as instance:
        assert materialize(instance)


def raise_interrupt(_: Path) -> None:
    raise KeyboardInterrupt


def refuse(*_: Path) -> None:
    raise PermissionError


def test_where_files_cannot_be_linked_dagster_makes_its_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    monkeypatch.setattr(os, "link", refuse)
    with opened(tmp_path / "home", state, POOLED) as instance:
        assert materialize(instance)
    assert not [*state.rglob("*.new")]
