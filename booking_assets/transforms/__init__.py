"""The derivations as pure functions: frames in, frames out; one module a mart or group of marts.

Each takes rows of stored tables, at least the columns that its module names. Those that read events
also take `as_of`: the start of the newest complete collection, one row an organization. They raise
ValueError where an organization has events and no `as_of`. The result is typed by its contract and
sorted by its key.

The states of events (lifecycle, availability, registration) are in `capacity`, local time and time
zones in `rules`, the rules of asset checks in `check_rules`. May import `tables` and polars. A
clock, the environment, files, DuckDB, requests and Dagster do not belong here. The rules for
readers: `docs/marts.md`.
"""
