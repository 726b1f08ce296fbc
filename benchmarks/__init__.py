"""The benchmarks: what a refresh costs beside a peer, on a slow network, and as data grows.

Nothing imports this package. What is measured and how to run it: `benchmarks/README.md`.
"""
