"""The contestants, each a program of its own: `python -m benchmarks.contestants.NAME FOLDER`.

What lives here: one module a contestant; it times its work and ends with one line of JSON.
What must not: measuring from outside (`measure`), choosing what runs (`suite`).
Read more: `benchmarks/README.md`.
"""
