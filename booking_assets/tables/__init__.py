"""The contracts: name, grain, columns, types and meaning of every table, stated once.

Writers, checks, DuckDB comments and `docs/tables.md` derive from them. May import polars, for its
types. Reading, writing and computing do not belong here: see `warehouse` and `transforms`.
"""
