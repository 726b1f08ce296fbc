"""The sandbox: a stand-in Booking API, a real HTTP server over generated or given events.

What lives here: `world` (tenants and their events), `application` (the routes), `server` (a thread
or a process that serves them) and `configuration` (the files that let a client use it).
What must not: client code. The sandbox answers as the vendor's server does, and knows no more.
Read more: `docs/sandbox.md`.
"""
