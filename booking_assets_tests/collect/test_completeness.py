"""When a collection is complete, when a slice has shrunk, and what the log gets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking_assets.collect.completeness import has_shrunk, is_complete
from booking_assets.collect.stats import CollectionStats, collections_frame
from booking_assets.tables.raw import COLLECTIONS
from booking_assets.transforms.check_rules import unaccounted
from booking_assets_tests.collect.events import STARTED


@pytest.mark.parametrize(
    ("loaded", "rejected", "counts", "complete"),
    [
        pytest.param(7, 0, (7,), True, id="exactly what was counted"),
        pytest.param(5, 2, (7,), True, id="rejected rows count"),
        pytest.param(6, 0, (7,), False, id="one too few"),
        pytest.param(8, 0, (7,), False, id="one too many"),
        pytest.param(0, 0, (0,), True, id="nothing counted and nothing arrived"),
        pytest.param(7, 0, (6, 8), True, id="between two counts"),
        pytest.param(8, 0, (8, 6), True, id="equal to the higher of two counts"),
        pytest.param(9, 0, (6, 8), False, id="beyond both counts"),
        pytest.param(0, 7, (7,), False, id="every row rejected"),
    ],
)
def test_a_collection_is_complete_between_its_counts(
    loaded: int, rejected: int, counts: tuple[int, ...], complete: bool
) -> None:
    stats = CollectionStats("acme", "events", "run", "full", STARTED, count_before=99)
    stats.rows_loaded, stats.rows_rejected = loaded, rejected
    stats.rows_received = loaded + rejected
    assert is_complete(stats, *counts) is complete
    assert (stats.count_lowest, stats.count_highest) == (min(counts), max(counts))
    logged = collections_frame([stats.log_row()]).with_columns(
        stored_loaded="rows_loaded", stored_rejected="rows_rejected"
    )
    assert unaccounted(logged) == ([] if complete else ["acme"])


@pytest.mark.parametrize(
    ("loaded", "stored", "max_shrink", "shrunk"),
    [
        pytest.param(0, None, 0.5, False, id="a first load may be empty"),
        pytest.param(0, 0, 0.5, False, id="nothing has nothing to lose"),
        pytest.param(9, 0, 0.5, False, id="growth from nothing"),
        pytest.param(50, 100, 0.5, False, id="exactly half"),
        pytest.param(49, 100, 0.5, True, id="more than half"),
        pytest.param(0, 1, 0.5, True, id="the only row"),
        pytest.param(2, 7, 0.5, False, id="five rows of seven"),
        pytest.param(2, 8, 0.5, True, id="six rows of eight"),
        pytest.param(200, 100, 0.0, False, id="growth"),
        pytest.param(94, 100, 0.0, True, id="any loss above the floor"),
        pytest.param(95, 100, 0.0, False, id="any loss up to the floor"),
        pytest.param(1, 100, 1.0, False, id="all but one may go"),
        pytest.param(0, 100, 1.0, True, id="to nothing"),
    ],
)
def test_a_slice_may_lose_max_shrink_and_no_row_more(
    loaded: int, stored: int | None, max_shrink: float, shrunk: bool
) -> None:
    assert has_shrunk(loaded, stored, max_shrink, 5) is shrunk


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(1, 10_000))
def test_a_loss_of_exactly_max_shrink_passes_despite_rounding(percent: int, scale: int) -> None:
    stored, lost = 100 * scale, percent * scale
    assert lost == stored or not has_shrunk(stored - lost, stored, percent / 100, 0)
    assert lost == stored or has_shrunk(stored - lost - 1, stored, percent / 100, 0)


def test_a_log_row_fits_the_table_once_it_is_finished() -> None:
    stats = CollectionStats("acme", "events", "run", "full", STARTED, finished_at=datetime.now(UTC))
    frame = collections_frame([stats.log_row()])
    assert dict(frame.schema) == COLLECTIONS.dtypes
    assert [name for name in COLLECTIONS.required if frame[name].null_count()] == []


def test_the_counts_of_stats_are_all_counts_and_totals() -> None:
    stats = CollectionStats("acme", "events", "run", "full", STARTED, count_before=3, totals={3, 4})
    assert stats.counts == {3, 4}
