"""Opens a snapshot with each client of docs/analysts.md, and prints its tables of clients.

    python docs/try_clients.py [SNAPSHOT]

Needs `uv` and `npm`: each client is installed into an environment of its own, which takes
minutes, so this is no part of the tests. The row of Excel exports the snapshot of the working
directory. A client of the second table that works after all prints the number of rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

NAME = "booking.snapshot.duckdb"
WITH_PYTZ = ("1.3", "1.4", "1.5")
TABLE = "booking.marts.capacity_by_event"
INSTANTS = f"SELECT as_of FROM {TABLE}"
CONNECT = f'duckdb.connect("{NAME}", read_only=True)'
ENGINE = f'create_engine("duckdb:///{NAME}", connect_args={{"read_only": True}})'
IBIS = (
    f'ibis.duckdb.connect("{NAME}", read_only=True)'
    '.table("capacity_by_event", database="booking.marts")'
)
ATTACH = f"attach: [{{path: {NAME}, alias: booking, read_only: true}}]"
DBT = f"""
import pathlib
from dbt.cli.main import dbtRunner
pathlib.Path("models").mkdir()
pathlib.Path("models/events.sql").write_text("{INSTANTS}")
pathlib.Path("dbt_project.yml").write_text("{{name: tried, profile: tried}}")
pathlib.Path("profiles.yml").write_text('''
tried:
  target: dev
  outputs:
    dev: {{type: duckdb, path: tried.duckdb, {ATTACH}}}
''')
assert dbtRunner().invoke(["-q", "run"]).success
import duckdb
rows = duckdb.connect("tried.duckdb").sql("SELECT count(*) FROM events").fetchall()[0][0]
"""
SHELL = "import subprocess; rows = int(subprocess.check_output({!r}, shell=True).split()[-1])"
NODE = f"DuckDBInstance.create('{NAME}', {{access_mode: 'READ_ONLY'}})"
NODE_SCRIPT = f"""
import {{DuckDBInstance}} from '@duckdb/node-api';
const connection = await (await {NODE}).connect();
console.log((await connection.runAndReadAll('{INSTANTS}')).getRows().length);
"""
EXPORT = "booking-assets export --format xlsx --table marts.capacity_by_event FOLDER"


@dataclass(frozen=True)
class Client:
    """A Python client.

    Attributes:
        shown: The distributions whose versions are printed, separated by blanks.
        installed: What is installed, separated by blanks.
        line: What opens the snapshot.
        code: Python that sets `rows` to the number of events.
    """

    shown: str
    installed: str
    line: str
    code: str


def fetched(line: str, imports: str, rows: str = "{}") -> tuple[str, str]:
    """A line, and code whose `rows` is the length of an expression with its value."""
    return line, f"import {imports}\nopened = {line}\nrows = len({rows.format('opened')})"


FETCHED = f"{{}}.sql({INSTANTS!r}).fetchall()"
DUCKDB = fetched(CONNECT, "duckdb", FETCHED)
IBIS_ROWS = fetched(IBIS, "ibis", "{}.as_of.execute()")
CLI = f"duckdb -readonly {NAME}"
LISTED = f"{CLI} -noheader -list '{INSTANTS}' | wc -l"
WORKING = (
    *(Client("duckdb pytz", f"duckdb=={minor}.* pytz", *DUCKDB) for minor in WITH_PYTZ),
    Client("duckdb", "duckdb==2.0.*", *DUCKDB),
    Client("duckdb-cli", "duckdb-cli", CLI, SHELL.format(LISTED)),
    Client(
        "polars duckdb pyarrow",
        "polars duckdb pyarrow",
        *fetched(
            f"polars.read_database(query, {CONNECT})", f"duckdb, polars; query = {INSTANTS!r}"
        ),
    ),
    Client(
        "pandas duckdb pytz",
        "pandas duckdb pytz",
        *fetched(f"{CONNECT}.sql(query).df()", f"duckdb; query = {INSTANTS!r}"),
    ),
    Client("ibis-framework duckdb", "ibis-framework[duckdb] duckdb<2", *IBIS_ROWS),
    Client("dbt-duckdb dbt-core duckdb", "dbt-duckdb dbt-core<1.12", ATTACH, DBT),
    Client(
        "duckdb-sqlalchemy sqlalchemy duckdb",
        "duckdb-sqlalchemy pytz",
        *fetched(
            ENGINE,
            "sqlalchemy; create_engine = sqlalchemy.create_engine",
            f"{{}}.connect().execute(sqlalchemy.text({INSTANTS!r})).fetchall()",
        ),
    ),
)
FAILING = (
    *(Client("duckdb", f"duckdb=={minor}.*", *DUCKDB) for minor in WITH_PYTZ),
    Client(
        "ibis-framework duckdb",
        "ibis-framework[duckdb] duckdb>=2",
        *fetched(f"{IBIS}.to_pyarrow_batches()", "ibis", "{}.read_all()"),
    ),
    Client(
        "duckdb-engine sqlalchemy duckdb",
        "duckdb-engine duckdb setuptools",
        *fetched(
            f"sqlalchemy.inspect({ENGINE})",
            "sqlalchemy; create_engine = sqlalchemy.create_engine",
            '{}.get_columns("capacity_by_event", schema="marts")',
        ),
    ),
)
VERSIONS = """
from importlib.metadata import version
print("\\t" + ", ".join(f"{name} {version(name)}" for name in NAMES.split()))
"""


def main() -> None:
    """Print both tables."""
    named = sys.argv[1] if len(sys.argv) > 1 else "sandbox/booking.snapshot.duckdb"
    snapshot = Path(named).resolve()
    with duckdb.connect(str(snapshot), read_only=True) as con:
        expected = con.execute(f"SELECT count(*) FROM {TABLE}").fetchall()[0][0]
    print(f"{expected} events\n\n| client | opened with | rows |\n|---|---|---|")
    for clients in (WORKING, FAILING):
        for client in clients:
            print(_row(*_python(client, snapshot)), flush=True)
        if clients is WORKING:
            print(_row(*_node(snapshot)), _row(*_excel()), sep="\n", flush=True)
            print("\n| client | opened with | fails with |\n|---|---|---|")


def _row(client: str, line: str, answer: str) -> str:
    return f"| {client} | `{line}` | {answer} |"


def _python(client: Client, snapshot: Path) -> tuple[str, str, str]:
    code = f"NAMES = {client.shown!r}\n{VERSIONS}\n{client.code}\nprint('\\t' + str(rows))"
    with _folder(snapshot) as name:
        folder = Path(name)
        _run("uv", "venv", "-q", "env", "-p", "3.11", folder=folder)
        _run("uv", "pip", "install", "-q", "-p", "env", *client.installed.split(), folder=folder)
        done = _run("env/bin/python", "-c", code, folder=folder, check=False)
    told = [line[1:] for line in done.stdout.splitlines() if line.startswith("\t")]
    errors = [line for line in done.stderr.splitlines() if "Error" in line]
    return told[0], client.line, told[1] if len(told) > 1 else errors[-1][:160]


def _node(snapshot: Path) -> tuple[str, str, str]:
    with _folder(snapshot) as name:
        folder = Path(name)
        (folder / "tried.mjs").write_text(NODE_SCRIPT)
        _run("npm", "install", "--silent", "@duckdb/node-api", folder=folder)
        package = folder / "node_modules/@duckdb/node-api/package.json"
        version = json.loads(package.read_text())["version"]
        rows = _run("node", "tried.mjs", folder=folder).stdout.strip()
    return f"Node.js, @duckdb/node-api {version}", NODE, rows


def _excel() -> tuple[str, str, str]:
    with tempfile.TemporaryDirectory() as name:
        words = EXPORT.replace("FOLDER", f"{name}/export").split()
        _run(sys.executable, "-m", "booking_assets", *words[1:], folder=Path.cwd())
        _run("uv", "venv", "-q", "env", "-p", "3.11", folder=Path(name))
        _run("uv", "pip", "install", "-q", "-p", "env", "openpyxl", folder=Path(name))
        code = (
            "import openpyxl, importlib.metadata as m; print(m.version('openpyxl'));"
            "book = openpyxl.load_workbook('export/marts.capacity_by_event.xlsx');"
            "print(book.active.max_row - 1)"
        )
        version, rows = _run("env/bin/python", "-c", code, folder=Path(name)).stdout.split()
    return f"Excel (read by openpyxl {version})", EXPORT, rows


def _folder(snapshot: Path) -> tempfile.TemporaryDirectory[str]:
    """A new folder with a symlink to the snapshot, as the published one is."""
    folder = tempfile.TemporaryDirectory()
    (Path(folder.name) / NAME).symlink_to(snapshot)
    return folder


def _run(*command: str, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    path = f"{folder}/env/bin:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    if check and done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done


if __name__ == "__main__":
    main()
