"""`Warehouse.extend_history`: writes the versions that the rules decided."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import polars as pl
import pytest

from booking_assets.tables.marts import EVENT_HISTORY
from booking_assets.tables.raw import EVENTS
from booking_assets.warehouse import versions
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.commands import SECONDS
from booking_assets_tests.warehouse.slice_loads import events, instant, slice_load

KEY = list(EVENTS.grain)


@pytest.fixture(params=[versions.APPLY_ROWS, 2], autouse=True)
def apply_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes versions by one statement, and by one for about two of them."""
    monkeypatch.setattr(versions, "APPLY_ROWS", request.param)


def changes(rows: list[tuple[pl.DataFrame, str]], round_: int) -> pl.DataFrame:
    """Added versions of these events, each with its change, at the instant of a round."""
    at = pl.lit(instant(round_), dtype=EVENT_HISTORY.dtypes["valid_from"])
    return pl.concat(
        frame.select(
            *KEY,
            valid_from=at,
            valid_to=at if change == "deleted" else pl.lit(None, dtype=at_dtype()),
            change=pl.lit(change),
        )
        for frame, change in rows
    )


def at_dtype() -> pl.DataType:
    return EVENT_HISTORY.dtypes["valid_to"]


def closed(frame: pl.DataFrame, since: int, until: int) -> pl.DataFrame:
    return frame.select(
        *KEY,
        valid_from=pl.lit(instant(since), dtype=at_dtype()),
        valid_to=pl.lit(instant(until), dtype=at_dtype()),
    )


Digests = dict[str, pl.DataFrame]


def extend(warehouse: Warehouse, closed: pl.DataFrame, added: pl.DataFrame) -> Digests:
    """Apply the given changes; returns the input of the decision."""
    seen: Digests = {}

    def decided(
        open_versions: pl.DataFrame, events: pl.DataFrame, newest: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        seen.update(open_versions=open_versions.sort(KEY), events=events.sort(KEY), newest=newest)
        return closed, added

    assert warehouse.extend_history(EVENT_HISTORY, decided) == (closed.height, added.height)
    return seen


def digests(warehouse: Warehouse) -> Digests:
    """The input of a decision now; nothing is changed."""
    nothing = events("acme", [1]).head(0)
    return extend(warehouse, closed(nothing, 0, 0), changes([(nothing, "inserted")], 0))


def test_open_versions_have_the_digests_of_their_events(
    warehouse: Warehouse, landing: Path
) -> None:
    rows = events("acme", [1, 2, 3])
    warehouse.store([slice_load(landing, "acme", rows)])
    seen = extend(warehouse, closed(rows.head(0), 0, 0), changes([(rows, "inserted")], 0))
    assert seen["open_versions"].is_empty()
    assert seen["newest"]["started_at"].to_list() == [instant(0)]
    seen = digests(warehouse)
    assert (
        seen["open_versions"].drop("valid_from", "valid_to").equals(seen["events"].drop("seen_at"))
    )
    assert seen["events"]["digest"].n_unique() == 3


def test_a_digest_follows_every_member_and_nothing_else(
    warehouse: Warehouse, landing: Path
) -> None:
    warehouse.store([slice_load(landing, "acme", events("acme", [1]))])
    before = digests(warehouse)["events"]["digest"].item()
    same = events("acme", [1], 1).with_columns(event_title=pl.lit("round 0"))
    warehouse.store([slice_load(landing, "acme", same, 1)])
    assert digests(warehouse)["events"]["digest"].item() == before
    for round_, member in enumerate(("venue_room", "extra", "last_change_user"), start=2):
        other = same.with_columns(pl.lit("x").alias(member))
        warehouse.store([slice_load(landing, "acme", other, round_)])
        assert digests(warehouse)["events"]["digest"].item() != before


def test_an_update_closes_the_old_version_and_a_deletion_keeps_the_event_as_it_was_last(
    warehouse: Warehouse, landing: Path
) -> None:
    first, second = events("acme", [1, 2]), events("acme", [1], 1)
    warehouse.store([slice_load(landing, "acme", first)])
    extend(warehouse, closed(first.head(0), 0, 0), changes([(first, "inserted")], 0))
    warehouse.store([slice_load(landing, "acme", second, 1)])
    gone = first.tail(1)
    extend(warehouse, closed(first, 0, 1), changes([(second, "updated"), (gone, "deleted")], 1))
    history = warehouse.read(EVENT_HISTORY).sort(*KEY, "valid_from")
    assert history.select("change", "event_title", "valid_from", "valid_to").rows() == [
        ("inserted", "round 0", instant(0), instant(1)),
        ("updated", "round 1", instant(1), None),
        ("inserted", "round 0", instant(0), instant(1)),
        ("deleted", "round 0", instant(1), instant(1)),
    ]
    assert not warehouse.contract_breaches(EVENT_HISTORY)


def test_concurrent_extensions_of_the_history_are_serialized(
    warehouse: Warehouse, landing: Path
) -> None:
    rows = events("acme", range(20))
    warehouse.store([slice_load(landing, "acme", rows)])
    barrier = Barrier(2, timeout=SECONDS)

    def inserted(
        open_versions: pl.DataFrame, events: pl.DataFrame, newest: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        new = events.join(open_versions, on=KEY, how="anti")
        return closed(new.head(0), 0, 0), changes([(new, "inserted")], 0)

    def extended() -> int:
        barrier.wait()
        return warehouse.extend_history(EVENT_HISTORY, inserted)[1]

    with ThreadPoolExecutor(2) as pool:
        added = [future.result() for future in [pool.submit(extended) for _ in range(2)]]
    assert sorted(added) == [0, 20]
    assert not warehouse.contract_breaches(EVENT_HISTORY)
