"""The contestants, each a program: `python -m benchmarks.contestants.NAME FOLDER`.

Each times its work and prints one line of JSON. What runs is chosen in `suite`; CPU and memory are
measured from outside, in `measure`.
"""
