"""`python -m benchmarks collecting storing`: several workers; many rows of many organizations.

They need what `booking_assets_tests.cluster.loopback` needs. `stages` are the programs that
`storing` measures; `docs/scale.md` puts the figures into a model.
"""
