"""The contracts: every table's name, grain, key, columns, types and meaning, stated once.

What lives here: `contract` (what a table and a column are), `raw` and `marts` (the tables), and
`catalog` (all of them together). Writers, checks, comments and docs derive from these.
What must not: reading, writing or computing anything.
Read more: https://dataframely.readthedocs.io and `docs/tables.md`.
"""
