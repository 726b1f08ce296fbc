"""The warehouse: the project's only DuckDB, written in one transaction, published as a snapshot.

What lives here: `warehouse` (the interface), `slices` (an organization's rows replaced),
`snapshot` (the file for analysts), `queries` (what checks ask), `ddl`, `frames`, `connection`,
`lock`, `errors`.
What must not: Dagster, requests, or rules about what the data means.
Read more: `docs/architecture.md` and https://duckdb.org/docs/2.0.
"""
