"""The only room that uses DuckDB: `warehouse.Warehouse` reads, stores, replaces and publishes.

`loads` replaces an organization's rows, `versions` extends the history, `queries` reads for checks
and marts, `view` reads tables, `snapshot` publishes the file for analysts; `ddl`, `frames`,
`connection` and `errors` serve them. May import `tables`, `files`, duckdb and polars.
Requests, Dagster and rules about the meaning of data do not belong here.
"""
