"""Objects are created once, written whole, repeated over an outage; errors have no credential."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import obstore
import pytest

from booking_assets.objects import OUTAGE_SECONDS, Objects, StorageError, open_objects
from booking_assets_tests.storage.conftest import BOTH
from booking_assets_tests.storage.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed


class Clock:
    """A clock that advances by sleeping."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@BOTH
def test_an_object_is_read_as_it_was_written(objects: Objects, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * 2**15 * 3)
    objects.write("a/large", large)
    objects.write("a/b/small", b"small")
    objects.download("a/large", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == large.read_bytes()
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o600
    assert objects.read("a/b/small") == b"small"
    found = {one["path"]: one["size"] for one in objects.list_folder("a")}
    assert found == {"a/b/small": 5, "a/large": large.stat().st_size}
    assert [one["path"] for one in objects.list_folder("a/b")] == ["a/b/small"]
    objects.delete(["a/large", "a/b/small", "a/never"])
    assert objects.list_folder("a") == []
    with pytest.raises(FileNotFoundError):
        objects.read("a/large")
    with pytest.raises(FileNotFoundError):
        objects.download("a/large", tmp_path / "third")


@BOTH
def test_of_many_that_create_an_object_one_succeeds(objects: Objects) -> None:
    barrier = threading.Barrier(16)

    def create(number: int) -> bool:
        barrier.wait()
        try:
            objects.create("ticket", str(number).encode())
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = [number for number, is_won in enumerate(pool.map(create, range(16))) if is_won]
    assert [objects.read("ticket").decode()] == [str(number) for number in won]


@BOTH
def test_an_object_whose_first_answer_was_lost_is_created_all_the_same(objects: Objects) -> None:
    objects.create("manifest", b"the same")
    objects.create("manifest", b"the same")


def failing(seconds: float, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let obstore's requests fail for so long, by the clock; gives those that were sent."""
    sent: list[str] = []

    def wrapped(name: str) -> Callable[..., Any]:
        original = getattr(obstore, name)

        def call(*arguments: Any, **options: Any) -> Any:
            sent.append(name)
            if clock() < seconds:
                raise obstore.exceptions.GenericError(f"ConnectionRefused {SECRET_KEY}")
            return original(*arguments, **options)

        return call

    for name in ("get", "put", "list", "delete"):
        monkeypatch.setattr(obstore, name, wrapped(name))
    return sent


def test_a_store_that_is_gone_for_30_seconds_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    folder = open_objects(f"file://{tmp_path}")
    remote = Objects("s3://bucket", folder.store, clock, clock.sleep)
    failing(30, clock, monkeypatch)
    remote.create("ticket", b"1")
    assert 30 <= clock.now < 31
    assert remote.read("ticket") == b"1"


def test_a_store_that_stays_away_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    folder = open_objects(f"file://{tmp_path}")
    remote = Objects("s3://bucket", folder.store, clock, clock.sleep)
    failing(10 * OUTAGE_SECONDS, clock, monkeypatch)
    with pytest.raises(StorageError, match=r"s3://bucket cannot be used: it answers \(Conn"):
        remote.list_folder("landings")
    assert clock.now == pytest.approx(OUTAGE_SECONDS)


def wrong_secret(seaweed: Seaweed, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_SECRET_ACCESS_KEY", f"{SECRET_KEY}wrong")


def unknown_key(seaweed: Seaweed, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_ACCESS_KEY_ID", f"{ACCESS_KEY}UNKNOWN")


def no_http(seaweed: Seaweed, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("AWS_ALLOW_HTTP")


def nobody_there(seaweed: Seaweed, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    patch.setattr("booking_assets.objects.OUTAGE_SECONDS", 0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (wrong_secret, "refuses this user (SignatureDoesNotMatch)"),
        (unknown_key, "refuses this user (InvalidAccessKeyId)"),
        (no_http, "_ALLOW_HTTP=true"),
        (nobody_there, "ConnectionRefused"),
    ],
)
def test_an_error_names_the_store_and_the_reason_and_no_credential(
    s3_url: str,
    seaweed: Seaweed,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Seaweed, pytest.MonkeyPatch], None],
    reason: str,
) -> None:
    change(seaweed, monkeypatch)
    objects = open_objects(s3_url)
    with pytest.raises(StorageError) as caught:
        objects.create("ticket", b"1")
    said = f"{caught.value!s} {caught.value!r} {objects!r} {caught.value.__cause__}"
    assert s3_url in said
    assert reason in said
    assert SECRET_KEY not in said
    assert ACCESS_KEY not in said


@pytest.mark.slow
def test_a_bucket_that_does_not_exist_is_said(seaweed: Seaweed) -> None:
    with pytest.raises(StorageError, match="the bucket does not exist"):
        open_objects("s3://nowhere/prefix").read("ticket")


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back_is_waited_for(
    s3_url: str, seaweed: Seaweed
) -> None:
    objects = open_objects(s3_url)
    objects.create("before", b"1")
    seaweed.kill()
    restart = threading.Thread(target=seaweed.start)
    restart.start()
    objects.create("during", b"2")
    restart.join()
    assert (objects.read("before"), objects.read("during")) == (b"1", b"2")


def test_without_obstore_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(StorageError, match=r"pip install 'booking-assets\[cluster\]'"):
        open_objects(f"file://{tmp_path}")
