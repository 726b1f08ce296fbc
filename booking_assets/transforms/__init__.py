"""The derivations as pure functions: frames in, frames out; one module a mart or group of marts.

Each takes rows of stored tables, at least the columns that its module names, and `as_of`: the start
of the newest complete collection, one row an organization. It raises ValueError where an
organization has events and no `as_of`. The result is typed by its contract and sorted by its key.

May import `tables` and polars. A clock, the environment, files, DuckDB, requests and Dagster do not
belong here. Column expressions for other purposes are in `collect`. The rules for readers:
`docs/marts.md`.
"""
