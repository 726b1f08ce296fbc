"""The contract that this project exists for: count, collect, verify, land. No Dagster.

What lives here: `contracts`, `rows` and `decoding` (bytes to typed and rejected rows), `spool` and
`landing` (rows on their way to disk, and there), `pages` and `mending` (what is asked for), `tally`
and `verdict` (what makes it complete), `collection` (one organization), `concurrency` (many).
What must not: DuckDB, Dagster, HTTP status codes.
Read more: `docs/reliability.md`.
"""
