"""The contracts: name, grain, columns, types and meaning of every table, stated once.

`raw` has the raw tables; of the marts, `capacity` those about seats, attendance and the calendar,
`names` venues, achievements and organizations, and `marts` the others. Writers, checks, DuckDB
comments and `docs/tables.md` derive from them. May import polars, for its types. Reading, writing
and computing do not belong here: see `warehouse` and `transforms`.
"""
