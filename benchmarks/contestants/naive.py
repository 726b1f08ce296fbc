"""A naive script: a loop over the pages, `json`, row-wise inserts."""

from __future__ import annotations

import duckdb
import httpx

from benchmarks.outcome import stopwatch, tell
from benchmarks.target import page_body, target
from booking_assets.tables.raw import EVENT_MEMBERS, member_name

MEMBERS = tuple(member_name(column) for column in EVENT_MEMBERS)


def main() -> None:
    """Fetch and insert every page."""
    aim = target()
    elapsed = stopwatch()
    with (
        duckdb.connect(str(aim.folder / "naive.duckdb")) as con,
        httpx.Client(timeout=aim.timeout_seconds) as http,
    ):
        con.execute(f"CREATE TABLE events ({', '.join(f'{name} VARCHAR' for name in MEMBERS)})")
        places = ", ".join("?" * len(MEMBERS))
        for organization in aim.organizations:
            page = 1
            while True:
                rows = http.post(
                    aim.url("collect"),
                    json=page_body(organization, page, aim.page_size),
                    headers=organization.headers,
                ).json()
                if not rows:
                    break
                con.executemany(
                    f"INSERT INTO events VALUES ({places})",
                    [[row.get(name) for name in MEMBERS] for row in rows],
                )
                page += 1
        (stored,) = con.execute("SELECT count(*) FROM events").fetchall()
    tell(elapsed(), rows=stored[0])


if __name__ == "__main__":
    main()
