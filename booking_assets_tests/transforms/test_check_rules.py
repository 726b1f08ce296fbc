"""The promises about collections: each names those that break it, and nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from booking_assets.tables.raw import COLLECTIONS
from booking_assets.transforms.check_rules import (
    never_complete,
    overdue,
    rejecting,
    shrunken,
    unaccounted,
)
from booking_assets_tests.transforms.rows import ACME, AS_OF, BOLT, DAY, INSTANT, Row

KEPT: Row = {
    "organization": ACME,
    "mode": "full",
    "stored_loaded": 9,
    "stored_rejected": 1,
    "count_before": 10,
    "count_after": 10,
    "count_lowest": 10,
    "count_highest": 10,
    "rows_received": 12,
    "rows_loaded": 9,
    "rows_rejected": 1,
    "duplicates_dropped": 2,
}


def reconciliation(*rows: Row) -> pl.DataFrame:
    """What is stored beside the log: `ACME`'s, and all accounted for, unless a row says."""
    texts = {"organization", "mode"}
    schema = {name: pl.String if name in texts else pl.Int64 for name in KEPT}
    return pl.DataFrame([KEPT | row for row in rows], schema=schema)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({}, id="a count that held"),
        pytest.param({"count_lowest": 8}, id="between a smaller count and a larger"),
        pytest.param(
            {"count_before": 12, "count_lowest": 10, "count_after": 11, "count_highest": 11},
            id="between counts that are neither the first nor the last",
        ),
        pytest.param(
            {"count_lowest": None, "count_highest": None, "count_before": 11, "count_after": 9},
            id="between the first count and the last, logged by an earlier release",
        ),
        pytest.param(dict.fromkeys(list(KEPT)[2:], 0), id="nothing counted, nothing stored"),
        pytest.param({"mode": "incremental", "rows_received": 3}, id="most were held already"),
    ],
)
def test_what_was_counted_received_and_stored_agrees(row: Row) -> None:
    assert unaccounted(reconciliation(row)) == []


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"stored_loaded": 8}, id="fewer rows stored than logged"),
        pytest.param({"stored_loaded": 10}, id="more rows stored than logged"),
        pytest.param({"stored_rejected": 0}, id="a rejected row was not kept"),
        pytest.param({"rows_received": 13}, id="a received row is nowhere"),
        pytest.param({"rows_received": 3}, id="a full collection that received too little"),
        pytest.param(
            {"mode": "incremental", "rows_received": 13}, id="a changed row that is nowhere"
        ),
        pytest.param({"count_lowest": 11, "count_highest": 11}, id="fewer than counted"),
        pytest.param({"count_lowest": 8, "count_highest": 9}, id="more than either count"),
        pytest.param(
            dict.fromkeys([name for name in KEPT if name.startswith("count")]), id="never counted"
        ),
        pytest.param(
            {"stored_loaded": 0, "rows_loaded": 0, "stored_rejected": 10, "rows_rejected": 10},
            id="every row rejected",
        ),
        pytest.param(
            {name: None for name in KEPT if name not in {"organization", "stored_loaded"}},
            id="stored and never logged",
        ),
    ],
)
def test_a_row_that_is_not_accounted_for_is_noticed(row: Row) -> None:
    kept: Row = {"organization": BOLT}
    assert unaccounted(reconciliation(row, kept)) == [ACME]


def test_organizations_with_rejected_rows_are_named() -> None:
    rows = reconciliation({}, {"organization": BOLT, "stored_rejected": 0})
    assert rejecting(rows) == [ACME]


def collections(*rows: Row) -> pl.DataFrame:
    """Complete collections of `ACME`'s events, on successive days unless a row says."""
    complete = [
        {
            "organization": ACME,
            "resource": "events",
            "status": "complete",
            "started_at": AS_OF + day * DAY,
        }
        | row
        for day, row in enumerate(rows)
    ]
    return pl.DataFrame(complete, schema=COLLECTIONS.dtypes)


def loaded(rows: int, **columns: Any) -> Row:
    return {"rows_loaded": rows} | columns


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], [], id="nothing was collected"),
        pytest.param([loaded(10)], [], id="the first has nothing to lose"),
        pytest.param([loaded(0), loaded(0)], [], id="nothing stays nothing"),
        pytest.param([loaded(10), loaded(5)], [], id="half"),
        pytest.param([loaded(10), loaded(4)], [ACME], id="more than half"),
        pytest.param([loaded(10), loaded(0)], [ACME], id="everything"),
        pytest.param([loaded(100), loaded(1), loaded(2)], [], id="the loss is an older one's"),
        pytest.param([loaded(9), loaded(1, status="shrunk")], [], id="it was refused"),
        pytest.param(
            [loaded(9), loaded(1, status="shrunk"), loaded(4)],
            [ACME],
            id="it compares with the last complete one",
        ),
        pytest.param(
            [loaded(9), loaded(1, resource="registrations")], [], id="of another resource"
        ),
        pytest.param([loaded(9), loaded(1, organization=BOLT)], [], id="of another organization"),
        pytest.param(
            [loaded(4, started_at=AS_OF + 9 * DAY), loaded(9)],
            [ACME],
            id="the newest is the one that started last, wherever it stands",
        ),
        pytest.param(
            [*[loaded(9, organization=BOLT)] * 2, loaded(1, organization=BOLT), loaded(9)],
            [BOLT],
            id="each for itself",
        ),
    ],
)
def test_an_organization_that_lost_too_much_at_once_is_named(
    rows: list[Row], expected: list[str]
) -> None:
    events = pl.col("resource") == "events"
    newest = (
        collections(*rows)
        .filter(events, status="complete")
        .sort("organization", "started_at", descending=[False, True])
        .group_by("organization", maintain_order=True)
        .head(2)
    )
    assert shrunken(newest, max_shrink=0.5, shrink_floor=4) == expected


@pytest.mark.parametrize(("after", "expected"), [(3, []), (1, [ACME]), (0, [ACME])])
def test_a_loss_of_few_rows_is_none_unless_nothing_is_left(after: int, expected: list[str]) -> None:
    newest = collections(loaded(after), loaded(4))
    assert shrunken(newest, max_shrink=0.1, shrink_floor=2) == expected
    assert shrunken(newest, max_shrink=0.1, shrink_floor=9) == ([] if after else [ACME])


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param(DAY, [], id="exactly as old as allowed"),
        pytest.param(DAY + INSTANT, [ACME], id="older"),
        pytest.param(timedelta(0), [], id="just started"),
    ],
)
def test_an_organization_that_was_not_collected_in_time_is_named(
    age: timedelta, expected: list[str]
) -> None:
    now = datetime(2026, 3, 20, tzinfo=UTC)
    newest = collections({"started_at": now - age}, {"organization": BOLT, "started_at": now})
    assert overdue(newest, now, max_age=DAY) == expected


def test_an_organization_that_was_never_complete_is_named() -> None:
    assert never_complete(collections({}), [ACME, BOLT]) == [BOLT]
    assert never_complete(collections(), [ACME]) == [ACME]
