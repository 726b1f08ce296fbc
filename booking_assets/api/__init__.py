"""HTTP client for the Booking API: authentication, retries, error classes, wire format.

`client.BookingClient` is the entry point: count, collect, search, retrieve, exists, download. The
package may import httpx and stamina, and no other package of the project. Typed rows and whether a
collection is complete belong to `collect`; frames, DuckDB and Dagster do not belong here.
"""
