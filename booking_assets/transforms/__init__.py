"""The derivations as pure functions: frames in, frames out; one module a mart or group of marts.

May import `tables` and polars. A clock, the environment, files, DuckDB, requests and Dagster do not
belong here. Column expressions for other purposes are in `collect`. The rules for readers:
`docs/marts.md`.
"""
