"""Identifiers as numbers: 16 bytes each, where a text of 36 characters takes 52.

What lives here: the way from a UUID's text to its number and back. The keys of all rows of an
organization stay in memory while it is collected, those that arrived and those that are listed: at
1,000,000 rows they decide the peak.
What must not: files (`parts`), which of two rows is kept (`staging`).
Read more: https://www.rfc-editor.org/rfc/rfc9562
"""

from __future__ import annotations

from uuid import UUID

import polars as pl

from booking_assets.tables.contract import UUID_PATTERN

KEY = pl.UInt128()


def key_of(text: pl.Expr) -> pl.Expr:
    """The number of a UUID in either case; null where the text is none."""
    digits = text.str.replace_all("-", "", literal=True)
    is_uuid = text.str.contains(UUID_PATTERN)
    return pl.when(is_uuid).then(digits).str.to_integer(base=16, dtype=KEY, strict=False)


def keys_of(texts: pl.Series) -> pl.Series:
    """The numbers of those texts that are UUIDs, in the same order."""
    return texts.to_frame("text").select(key=key_of(pl.col("text"))).to_series().drop_nulls()


def identifier_of(key: int) -> str:
    """The UUID with this number, in lower case, as the API takes it."""
    return str(UUID(int=key))
