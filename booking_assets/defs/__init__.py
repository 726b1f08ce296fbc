"""The Dagster shell: names, wires, reports; the only room that imports Dagster.

Resources, partitions, assets, checks, jobs, schedules, sensors and metadata. What a run does and
what a failure means is in `pipeline`; HTTP, SQL and column expressions do not belong here. Modules
hold factories, not definitions: Dagster also loads what `dg scaffold defs` writes into this folder.
"""
