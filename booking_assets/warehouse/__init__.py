"""The only room that uses DuckDB: `warehouse.Warehouse` reads, stores, replaces and publishes.

`loads` replaces an organization's rows, `collections_log` logs and prunes collections, `versions`
extends the history, `maintenance` renames and forgets organizations; `queries` and `figures` read
for checks and marts, `view` reads tables; `snapshot` publishes the file for analysts as a version
(`publication`), `published` reads it, `export` writes it to other files; `ddl`, `frames`,
`connection`, `paths` and `errors` serve them. May import `tables`, `files`, duckdb and polars.
Requests, Dagster and rules about the meaning of data do not belong here.
"""
