"""What a refresh does, without Dagster: collect, derive, publish, rebuild.

Every decision is here: which organizations are collected together, what a failure means, which mart
reads what and which transform derives it, what is published. It may import every room but `defs`,
`cli` and `report`; SQL belongs in `warehouse`, column expressions in `transforms`, HTTP in `api`.
"""
