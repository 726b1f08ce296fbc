"""The derivations: pure functions, frames in, frame out.

What lives here: one module an answer (`capacity`, `distribution`), and `rules`, what their rules
share. All of the project's column expressions are here.
What must not: a clock, the environment, a file, a database, the network, Dagster.
Read more: `docs/tables.md` has the rules; https://docs.pola.rs has the expressions.
"""
