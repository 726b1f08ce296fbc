"""What makes a collection complete, and when a slice has shrunk too far. Pure.

What lives here: the two rules. What must not: requests, files, what to do about it (`collection`).
Read more: `docs/reliability.md`.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet


def is_complete(held: int, counts: AbstractSet[int]) -> bool:
    """Whether the distinct rows held are what the API counted.

    Args:
        held: distinct rows, the rejected ones included.
        counts: every total that the API named from the first count to the last.

    Returns:
        True where one count held throughout and equals `held`, or the counts differ (rows moved
        while they were read) and `held` lies between them.
    """
    return bool(counts) and min(counts) <= held <= max(counts)


def has_shrunk(loaded: int, stored: int | None, max_shrink: float) -> bool:
    """Whether a slice loses more than `max_shrink` of its stored rows.

    A first load (`stored` None) and an empty slice that stays empty have nothing to lose.
    """
    # A quotient, because it is rounded as the setting was: 57 of 100 is just 0.57.
    return stored is not None and stored > 0 and (stored - loaded) / stored > max_shrink
