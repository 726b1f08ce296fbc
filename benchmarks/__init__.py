"""The benchmark harness: what a refresh costs, beside a floor and a peer, in one run.

What lives here: starting contestants, measuring them, writing `RESULTS.md` and its plot.
What must not: anything that the project needs at run time; nothing imports this package.
Read more: `benchmarks/README.md`.
"""
