"""`python -m benchmarks scale`: collecting with several workers; loading and deriving many rows.

It needs what `booking_assets_tests.cluster.loopback` needs. `stages` are the programs that
`storing` measures; `docs/scale.md` puts the figures into a model.
"""
