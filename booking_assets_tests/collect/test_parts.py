"""Keys: every UUID has its own number, and no other text has any."""

from __future__ import annotations

from uuid import UUID

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from booking_assets.collect.parts import KEY, identifier_of, keys_of


@given(st.lists(st.uuids() | st.sampled_from([UUID(int=0), UUID(int=2**128 - 1)])))
def test_a_uuid_in_either_case_is_restored_from_its_key(uuids: list[UUID]) -> None:
    for texts in ([str(one) for one in uuids], [str(one).upper() for one in uuids]):
        keys = keys_of(pl.Series(texts, dtype=pl.String))
        assert keys.dtype == KEY
        assert [identifier_of(key) for key in keys] == [str(one) for one in uuids]


UUID_TEXT = str(UUID(int=7 << 120))
NEAR_MISSES = ["0" + UUID_TEXT, UUID_TEXT + "\n", " " + UUID_TEXT, f"{{{UUID_TEXT}}}", "+1", "ff"]
NEAR_MISSES += [UUID_TEXT.replace("-", ""), UUID_TEXT.replace("0", "\uff10"), "-" * 36, ""]


@given(st.lists(st.none() | st.text() | st.sampled_from(NEAR_MISSES)))
def test_a_text_that_is_no_uuid_has_no_key(texts: list[str | None]) -> None:
    assert keys_of(pl.Series(texts, dtype=pl.String)).is_empty()
