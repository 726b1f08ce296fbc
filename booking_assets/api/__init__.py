"""The Booking API: one client for counting, collecting, searching, retrieving and downloading.

What lives here: `client` (the front door), `authentication`, `retry`, `answers` (what a status
means), `transport` (one request), `errors` (what a person should do), `wire` (names and bodies).
What must not: frames, DuckDB, Dagster, and whether a collection is complete (`collect`).
Read more: `docs/reliability.md`; https://www.python-httpx.org and https://stamina.hynek.me.
"""
