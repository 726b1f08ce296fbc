"""The benchmarks: what a refresh costs, beside a floor and a peer, in one run.

They start programs, measure them and write `RESULTS.md` and its plot. Nothing imports this package.
How to run them: `benchmarks/README.md`.
"""
