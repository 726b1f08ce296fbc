"""The Dagster shell: names, wires, reports; decides nothing. The only room that knows Dagster.

What lives here: resources, partitions, assets, checks, jobs, schedules, sensors, metadata.
What must not: HTTP, SQL, column expressions, rules about completeness.
Read more: https://docs.dagster.io and `docs/decisions/0001-rooms.md`.
"""
