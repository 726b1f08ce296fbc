"""Whether a collection is complete, and whether a slice has shrunk too far: two pure rules.

What follows from them is in `collection`.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet


def is_complete(distinct_rows: int, counts: AbstractSet[int]) -> bool:
    """Whether the number of distinct rows lies between the lowest and the highest count.

    Args:
        distinct_rows: typed and rejected rows, each identifier once.
        counts: what `count` answered while the rows were read; several where rows moved.
    """
    return bool(counts) and min(counts) <= distinct_rows <= max(counts)


def has_shrunk(loaded: int, stored: int | None, max_shrink: float) -> bool:
    """Whether a slice loses more than `max_shrink` of its stored rows.

    A first load (`stored` is None) and an empty slice that stays empty have nothing to lose.
    """
    # A quotient, because it is rounded as the setting was: 57 of 100 is exactly 0.57.
    return stored is not None and stored > 0 and (stored - loaded) / stored > max_shrink
