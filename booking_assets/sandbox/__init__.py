"""The sandbox: a stand-in Booking API, a real HTTP server over generated or given events.

It imports nothing of the project, `tables` and the client least of all: `resources` writes the
API's members from the vendor's reference, so that a misspelled contract fails a test. Code that
calls the API belongs in `api`; faults that only tests use belong in `booking_assets_tests.faults`.
"""
