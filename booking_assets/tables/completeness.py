"""`IS_COMPLETE`: the rule by which `collect` accepts a collection, and the asset checks judge it.

It is an expression over the columns of raw.collections.
"""

from __future__ import annotations

import polars as pl

_DISTINCT = pl.col("rows_loaded") + pl.col("rows_rejected")
_ACCOUNTED = _DISTINCT + pl.col("duplicates_dropped")
_RECEIVED = pl.col("rows_received")

IS_COMPLETE: pl.Expr = (
    # An incremental collection receives few of its rows: the others are the last landing's.
    pl.when(pl.col("mode") == "full")
    .then(_RECEIVED == _ACCOUNTED)
    .otherwise(_RECEIVED <= _ACCOUNTED)
    # Rows of earlier releases have the first count and the last one only.
    & _DISTINCT.is_between(
        pl.coalesce("count_lowest", pl.min_horizontal("count_before", "count_after")),
        pl.coalesce("count_highest", pl.max_horizontal("count_before", "count_after")),
    )
    & ((pl.col("rows_loaded") > 0) | (pl.col("rows_rejected") == 0))
).fill_null(value=False)
"""Whether every received row is loaded, rejected or a duplicate; the distinct rows lie between the
lowest and the highest count; and not every row was rejected."""
