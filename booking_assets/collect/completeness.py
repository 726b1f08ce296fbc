"""Whether a collection is complete, and whether a slice has shrunk too far.

The rule of completeness is in `tables.completeness`, because the asset checks apply it too. What
follows from it is in `collection`.
"""

from __future__ import annotations

from booking_assets.collect.stats import CollectionStats, collections_frame
from booking_assets.tables.completeness import IS_COMPLETE


def is_complete(stats: CollectionStats, *counts: int) -> bool:
    """Whether the rows are complete by these counts, which are logged as lowest and highest."""
    stats.count_lowest, stats.count_highest = min(counts), max(counts)
    return bool(collections_frame([stats.log_row()]).select(IS_COMPLETE).item())


def has_shrunk(loaded: int, stored: int | None, max_shrink: float, shrink_floor: int) -> bool:
    """Whether a slice loses more than `max_shrink` and `shrink_floor` of its rows, or all.

    A first load (`stored` is None) and an empty slice that stays empty have nothing to lose.
    """
    if not stored:
        return False
    lost = stored - loaded
    # A quotient, because it is rounded as the setting was: 57 of 100 is exactly 0.57.
    return loaded == 0 or (lost > shrink_floor and lost / stored > max_shrink)
