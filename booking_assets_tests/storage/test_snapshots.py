"""The snapshot is published in the store, and pulled: whole, the newest, over nobody's file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from booking_assets.cli.main import main
from booking_assets.cli.pull import pull
from booking_assets.defs.report import written_report
from booking_assets.objects import StorageError, open_objects
from booking_assets.pipeline.derivation import publish
from booking_assets.pipeline.object_snapshots import LATEST, open_url, pull_snapshot
from booking_assets.report.writing import ReportFailed
from booking_assets.warehouse.errors import SnapshotFailed
from booking_assets_tests.pipeline.conftest import EVENTS_EACH, still_world
from booking_assets_tests.storage.conftest import BOTH, Shared


def events(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as con:
        ((count,),) = con.execute("SELECT count(*) FROM booking.raw.events").fetchall()
        return int(count)


def versions(shared: Shared) -> list[str]:
    stored = shared.objects.list_folder("snapshot")
    return sorted({one["path"].split("/")[1] for one in stored if one["path"] != LATEST})


@BOTH
def test_an_analyst_pulls_what_is_published_and_each_version_once(
    shared: Shared, tmp_path: Path
) -> None:
    path = tmp_path / "analyst" / "booking.duckdb"
    with pytest.raises(StorageError, match="no snapshot is published there yet"):
        pull_snapshot(shared.objects, path)
    shared.refresh()
    version = pull_snapshot(shared.objects, path)
    assert path.is_symlink()
    assert path.read_bytes() == shared.settings.snapshot_path.read_bytes()
    assert path.resolve().stat().st_mode & 0o777 == 0o440
    assert pull_snapshot(shared.objects, path) is None
    reader = duckdb.connect(str(path), read_only=True)
    shared.refresh(world=still_world(EVENTS_EACH + 1))
    assert pull_snapshot(shared.objects, path) != version
    assert events(path) == 2 * (EVENTS_EACH + 1)
    # A reader keeps the version that it opened.
    assert reader.execute("SELECT count(*) FROM raw.events").fetchall() == [(2 * EVENTS_EACH,)]
    reader.close()
    assert pull_snapshot(shared.objects, shared.settings.snapshot_path) is None


@BOTH
@pytest.mark.usefixtures("refreshed")
def test_versions_in_the_store_are_kept_as_on_the_disk(shared: Shared) -> None:
    for _ in range(4):
        publish(shared.warehouse, shared.settings)
    kept = sorted(
        path.name for path in shared.root.glob("booking.snapshot.duckdb.d/*") if path.is_dir()
    )
    assert versions(shared) == kept
    assert len(kept) == shared.warehouse.snapshots_kept
    assert json.loads(shared.objects.read(LATEST))["version"] == kept[-1]


@pytest.mark.usefixtures("refreshed")
def test_what_differs_from_its_checksum_is_not_published(shared: Shared, tmp_path: Path) -> None:
    path = tmp_path / "booking.duckdb"
    pull_snapshot(shared.objects, path)
    shared.refresh(world=still_world(EVENTS_EACH + 1))
    version = versions(shared)[-1]
    key = f"snapshot/{version}/booking.duckdb"
    content = shared.objects.read(key)
    shared.objects.write(key, content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StorageError, match="differs from its checksum"):
        pull_snapshot(shared.objects, path)
    shared.objects.delete([key])
    with pytest.raises(StorageError, match="was replaced meanwhile"):
        pull_snapshot(shared.objects, path)
    assert events(path) == 2 * EVENTS_EACH
    assert len(list(path.with_name(f"{path.name}.d").glob("0*"))) == 1


@pytest.mark.usefixtures("refreshed")
def test_a_file_of_somebody_else_is_not_replaced(shared: Shared, tmp_path: Path) -> None:
    path = tmp_path / "booking.duckdb"
    path.write_text("mine")
    with pytest.raises(SnapshotFailed, match="was not published by booking-assets"):
        pull_snapshot(shared.objects, path)
    assert path.read_text() == "mine"


@pytest.mark.usefixtures("refreshed")
def test_two_that_pull_at_once_pull_one_version(shared: Shared, tmp_path: Path) -> None:
    path = tmp_path / "booking.duckdb"
    with ThreadPoolExecutor(2) as pool:
        pulled = list(pool.map(lambda _: pull_snapshot(shared.objects, path), range(2)))
    assert sorted(map(bool, pulled)) == [False, True]


@pytest.mark.usefixtures("refreshed")
def test_the_command_needs_no_configuration_where_both_places_are_named(
    shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pulled = CliRunner().invoke(main, ["pull", "--from", shared.url, "a/booking.duckdb"])
    assert pulled.exit_code == 0, pulled.output
    assert events(tmp_path / "a/booking.duckdb") == 2 * EVENTS_EACH


def test_the_report_of_what_is_pulled_has_the_same_pages(
    refreshed: None, shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = written_report(shared.settings)
    folder = tmp_path / "viewer"
    folder.mkdir()
    organizations = "".join(
        f'[[organizations]]\nslug = "{one.slug}"\nidentifier = "{one.identifier}"\n'
        f'token_env = "T{number}"\n'
        for number, one in enumerate(shared.organizations)
    )
    (folder / "booking.toml").write_text(
        f'[api]\nbase_url = "https://example.com"\n[storage]\nurl = "{shared.url}"\n{organizations}'
    )
    monkeypatch.chdir(folder)
    pulled = CliRunner().invoke(main, ["pull", "--report"])
    assert pulled.exit_code == 0, pulled.output
    index = folder / "data/report/index.html"
    assert pulled.output.splitlines()[-1] == str(index)
    assert index.read_bytes() == theirs.index.read_bytes()
    for slug, page in theirs.pages.items():
        assert (index.parent / "organizations" / f"{slug}.html").read_bytes() == page.read_bytes()


def test_neither_snapshot_nor_report_takes_the_others_place(
    refreshed: None, shared: Shared
) -> None:
    report = written_report(shared.settings)
    pages = report.index.read_bytes()
    with pytest.raises(SnapshotFailed, match="was not published by booking-assets"):
        pull_snapshot(shared.objects, report.path)
    assert report.index.read_bytes() == pages
    # As `pull --report report`, which puts both there.
    settings = shared.settings
    settings = settings.model_copy(
        update={"snapshot_path": settings.snapshot_path.parent / "report"}
    )
    report.path.unlink()
    pull_snapshot(shared.objects, settings.snapshot_path)
    with pytest.raises(ReportFailed, match="was not written by booking-assets"):
        written_report(settings)
    assert events(settings.snapshot_path) == 2 * EVENTS_EACH


def test_watching_goes_on_over_failures_and_pulls_what_is_new(
    shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: Iterator[Callable[[], object]] = iter([lambda: None, shared.refresh, lambda: None])

    def sleep(_: float) -> None:
        try:
            next(rounds)()
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("booking_assets.cli.pull.sleep", sleep)
    # Without the group, which ends the process on an interrupt.
    said = CliRunner().invoke(pull, ["--from", shared.url, "b.duckdb", "--watch"]).output
    assert said.count("no snapshot is published there yet") == 2
    assert said.count("pulled 000001-") == 1
    assert events(tmp_path / "b.duckdb") == 2 * EVENTS_EACH


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "s3://", "s3://key:secret@bucket/x", "s3://bucket?secret=x", ""]
)
def test_a_url_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(StorageError, match="no URL of an object store") as refused:
        open_url(url)
    assert "secret" not in str(refused.value)


def test_a_folder_is_a_store_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_url("shared/store").url == f"file://{tmp_path}/shared/store"
    assert open_objects(f"file://{tmp_path}/shared/store").list_folder("landings") == []
    assert (tmp_path / "shared/store").stat().st_mode & 0o777 == 0o700
