"""Collects one organization's resource from the API: count, pages, typed rows, checks, a landing.

`contracts`, `decoding`, `rows`, `json_parts` and `privacy` turn bytes into typed and rejected rows;
`pages` requests them; `staging` and `parts` write them to disk as a `landing`, of which `landings`
has all and `object_landings` those in an object store, with the tickets; `content` tells that
nothing changed; `incremental` reads only what changed; `verification` and `completeness` decide
whether the rows are complete; `collection` runs these for an organization, and `concurrency` for
many; `stats` and `errors` say what became of it. It may import `api`, `tables`, `files` and
`objects`; DuckDB, Dagster and HTTP status codes do not belong here.
"""
