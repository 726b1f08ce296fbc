"""Fault switches of the sandbox: what may go wrong with the vendor's server, on demand.

What lives here: `registry` (every switch by its name), a module for each family of faults, and
`middleware`, which stands between the sandbox's log and its routes.
What must not: the routes' own behaviour. Without a switch, none of this is in the way.
Read more: `docs/sandbox.md`, "Faults".
"""
