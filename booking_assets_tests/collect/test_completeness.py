"""When a collection is complete, when a slice has shrunk, and what the log gets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking_assets.collect.completeness import has_shrunk, is_complete
from booking_assets.collect.stats import CollectionStats, collections_frame
from booking_assets.tables.raw import COLLECTIONS
from booking_assets_tests.collect.events import STARTED


@pytest.mark.parametrize(
    ("distinct", "counts", "complete"),
    [
        pytest.param(7, {7}, True, id="just what was counted"),
        pytest.param(6, {7}, False, id="one too few"),
        pytest.param(8, {7}, False, id="one too many"),
        pytest.param(0, {0}, True, id="nothing counted and nothing arrived"),
        pytest.param(7, {6, 8}, True, id="between two counts"),
        pytest.param(8, {6, 8}, True, id="at the edge of two counts"),
        pytest.param(9, {6, 8}, False, id="beyond both counts"),
        pytest.param(0, set(), False, id="never counted"),
    ],
)
def test_a_collection_is_complete_between_its_counts(
    distinct: int, counts: set[int], complete: bool
) -> None:
    assert is_complete(distinct, counts) is complete


@pytest.mark.parametrize(
    ("loaded", "stored", "max_shrink", "shrunk"),
    [
        pytest.param(0, None, 0.5, False, id="a first load may be empty"),
        pytest.param(0, 0, 0.5, False, id="nothing has nothing to lose"),
        pytest.param(9, 0, 0.5, False, id="growth from nothing"),
        pytest.param(50, 100, 0.5, False, id="just the half"),
        pytest.param(49, 100, 0.5, True, id="more than the half"),
        pytest.param(0, 1, 0.5, True, id="the only row"),
        pytest.param(200, 100, 0.0, False, id="growth"),
        pytest.param(99, 100, 0.0, True, id="any loss"),
        pytest.param(0, 100, 1.0, False, id="all may go"),
    ],
)
def test_a_slice_may_lose_max_shrink_and_no_row_more(
    loaded: int, stored: int | None, max_shrink: float, shrunk: bool
) -> None:
    assert has_shrunk(loaded, stored, max_shrink) is shrunk


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(1, 10_000))
def test_a_loss_of_exactly_max_shrink_passes_despite_rounding(percent: int, scale: int) -> None:
    stored, lost = 100 * scale, percent * scale
    assert not has_shrunk(stored - lost, stored, percent / 100)
    assert lost == stored or has_shrunk(stored - lost - 1, stored, percent / 100)


def test_a_log_row_fits_the_table_once_it_is_finished() -> None:
    stats = CollectionStats("acme", "events", "run", "full", STARTED, finished_at=datetime.now(UTC))
    frame = collections_frame([stats.log_row()])
    assert dict(frame.schema) == COLLECTIONS.dtypes
    assert [name for name in COLLECTIONS.required if frame[name].null_count()] == []


def test_the_counts_of_stats_are_all_counts_and_totals() -> None:
    stats = CollectionStats("acme", "events", "run", "full", STARTED, count_before=3, totals={3, 4})
    assert stats.counts == {3, 4}
