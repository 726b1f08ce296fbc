"""Collects one organization's resource from the API: count, pages, typed rows, checks, a landing.

`contracts`, `decoding`, `rows`, `json_parts` and `privacy` turn bytes into typed and rejected rows;
`pages` requests them; `staging`, `parts` and `landing` write them to disk; `incremental` reads only
what changed; `verification` and `completeness` decide whether the rows are complete; `collection`
runs these for an organization, and `concurrency` for many. It may import `api`, `tables` and
`files`; DuckDB, Dagster and HTTP status codes do not belong here.
"""
