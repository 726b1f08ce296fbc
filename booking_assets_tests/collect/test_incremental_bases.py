"""Incremental collections from a damaged landing, one without hard links, one in any folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from booking_assets.collect.landing import MANIFEST, Landing
from booking_assets_tests.collect.incremental import NOW, Site


def truncated(landing: Landing) -> None:
    path = landing.rows[0]
    path.write_bytes(path.read_bytes()[:-100])


def flipped(landing: Landing) -> None:
    content = bytearray(landing.rows[0].read_bytes())
    content[len(content) // 3] ^= 1
    landing.rows[0].write_bytes(content)


def half_deleted(landing: Landing) -> None:
    landing.rows[0].unlink()


def of_other_columns(landing: Landing) -> None:
    path = landing.rows[0]
    pl.read_parquet(path).drop("extra").write_parquet(path)


def without_manifest(landing: Landing) -> None:
    (landing.folder / MANIFEST).unlink()


def of_half_a_manifest(landing: Landing) -> None:
    path = landing.folder / MANIFEST
    path.write_bytes(path.read_bytes()[:-100])


DAMAGES = [
    *(truncated, flipped, half_deleted, of_other_columns, without_manifest, of_half_a_manifest)
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_base_is_replaced_by_a_full_collection(
    quiet: Site, damage: Callable[[Landing], None]
) -> None:
    landing, _ = quiet.collect("full")
    damage(landing)
    quiet.put(250, NOW, "changed")
    quiet.assert_as_full(mode="full")
    quiet.put(251, NOW, "changed")
    quiet.assert_as_full()


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK])
def test_without_hard_links_the_base_is_copied(
    quiet: Site, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def link(source: Path, target: Path) -> None:
        raise OSError(code, os.strerror(code), str(source))

    monkeypatch.setattr(os, "link", link)
    quiet.collect("full")
    quiet.put(250, NOW, "changed")
    quiet.assert_as_full()


@pytest.mark.parametrize("name", ["a[b]c", "[", "*?", "{a,b}", "%20", "back\\slash", "hive=1"])
def test_any_name_of_a_folder_will_do(quiet: Site, name: str) -> None:
    quiet.folder /= name
    quiet.collect("full")
    quiet.put(250, NOW, "changed")
    del quiet.booking.rows[3]
    quiet.assert_as_full()
