"""The collection contract of one organization: count, pages, typed rows, verification, landing.

`contracts`, `rows` and `decoding` turn bytes into typed and rejected rows; `pages` requests them;
`staging` and `landing` write them to disk; `completeness` decides; `collection` runs these for one
organization and `concurrency` for many. It may import `api` and `tables`; DuckDB, Dagster and HTTP
status codes do not belong here.
"""
