"""The report is swapped whole, drawn where figures changed, and holds who is published."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from booking_assets.report import writing
from booking_assets.report.writing import ReportFailed
from booking_assets.warehouse.errors import TableNotFound, WarehouseUnreadable
from booking_assets.warehouse.publication import point
from booking_assets_tests.report.conftest import World, parsed, table


def versions(world: World) -> list[str]:
    folder = world.report.with_name("report.d")
    return sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_report_is_a_symlink_to_a_version_that_its_group_can_read_and_nobody_write(
    world: World,
) -> None:
    written = world.write()
    assert written.path.is_symlink()
    assert not written.path.readlink().is_absolute()
    assert [*written.pages] == [*written.drawn] == world.slugs
    modes = {path.stat().st_mode & 0o777 for path in written.path.resolve().rglob("*.*")}
    assert modes == {0o440}
    folders = (
        written.path.resolve().parent,
        written.path.resolve(),
        written.path / "organizations",
    )
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o750] * 3


def test_a_report_without_a_new_figure_stays(world: World) -> None:
    first = world.write().path.resolve()
    again = world.write()
    assert again.drawn == ()
    assert [*again.pages] == world.slugs
    assert again.path.resolve() == first
    assert versions(world) == [first.name]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE marts.capacity_by_event SET event_title = event_title || '!'",
        "UPDATE marts.distribution_by_event SET distribution_status = 'Lost'",
        "UPDATE marts.organization_freshness SET is_current = false, reason = 'No token.'",
        "UPDATE marts.organizations SET label = 'Acme'",
    ],
)
def test_only_a_page_whose_figures_changed_is_drawn_again(world: World, change: str) -> None:
    changed, same = world.slugs
    first = world.write()
    page = first.pages[same].resolve()
    before = (page.stat().st_ino, page.read_text(encoding="utf-8"))
    world.change(f"{change} WHERE organization = '{changed}'")
    second = world.write()
    assert second.drawn == (changed,)
    assert second.path.resolve().name == versions(world)[-1]
    page = second.pages[same].resolve()
    assert (page.stat().st_ino, page.read_text(encoding="utf-8")) == before
    assert len(versions(world)) == 2


def test_a_new_order_of_the_rows_is_no_new_figure(world: World) -> None:
    world.write()
    world.change(
        "CREATE TABLE marts.sorted AS FROM marts.capacity_by_event ORDER BY event_identifier DESC",
        "DELETE FROM marts.capacity_by_event",
        "INSERT INTO marts.capacity_by_event BY NAME FROM marts.sorted",
    )
    assert world.write().drawn == ()


def test_organizations_that_are_read_together_have_their_own_figures(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PART_ROWS", 100)
    assert {*world.write().drawn} == {*world.slugs}
    monkeypatch.undo()
    assert world.write().drawn == ()


def test_an_older_age_alone_changes_the_index_and_no_page(world: World) -> None:
    world.write()
    world.change("UPDATE marts.organization_freshness SET age_minutes = age_minutes + 60 * 24 * 9")
    written = world.write()
    assert written.drawn == ()
    assert len(versions(world)) == 2


def test_a_page_that_is_drawn_again_as_of_the_same_instant_says_the_same_changes(
    world: World,
) -> None:
    slug = world.slugs[0]
    world.write()
    later = "UPDATE marts.organization_freshness SET events_as_of = events_as_of + INTERVAL 2 HOUR"
    world.change(later)
    world.write()
    world.change("UPDATE marts.organization_freshness SET is_current = false")
    page = parsed(world.write().pages[slug]).text
    assert "The last report was as of 1 Mar 2026, 12:00 UTC." in page


def test_after_a_report_of_an_earlier_release_changes_are_compared_by_their_instant(
    world: World,
) -> None:
    slug = world.slugs[0]
    manifest = world.write().path / "report.json"
    entries = json.loads(manifest.read_text(encoding="utf-8"))
    for entry in entries.values():
        del entry["sequence"], entry["last_sequence"]
    manifest.chmod(0o600)
    manifest.write_text(json.dumps(entries), encoding="utf-8")
    world.change(
        """INSERT INTO marts.event_changes (organization, event_identifier, changed_at, change)
        SELECT organization, any_value(event_identifier), min(as_of) + to_hours(hours), 'inserted'
        FROM marts.capacity_by_event, (VALUES (-1), (1)) AS changes(hours)
        GROUP BY organization, hours""",
        "UPDATE marts.organization_freshness SET events_as_of = events_as_of + INTERVAL 2 HOUR",
    )
    rows = table(parsed(world.write().pages[slug]), "Changes since the last report")
    assert [row[0] for row in rows] == ["1 Mar 2026, 13:00 UTC"]


def test_two_versions_are_kept(world: World) -> None:
    names = []
    for number in range(4):
        world.change(f"UPDATE marts.organizations SET label = 'Acme {number}'")
        names.append(world.write().path.resolve().name)
    assert versions(world) == names[-2:]


@pytest.mark.parametrize("changes", [True, False])
def test_an_organization_that_leaves_has_no_page_and_no_former_one_where_one_version_is_kept(
    world: World, changes: bool
) -> None:
    gone, stays = world.slugs
    world.write()
    if changes:
        world.change("UPDATE marts.organizations SET label = 'Acme'")
        world.write()
    world.change(
        f"DELETE FROM marts.organization_freshness WHERE organization = '{gone}'",
        f"DELETE FROM marts.organizations WHERE organization = '{gone}'",
    )
    written = world.write(keep=1)
    assert [*written.pages] == [stays]
    assert len(versions(world)) == 1
    held = [path for path in world.report.with_name("report.d").rglob("*.*") if path.is_file()]
    assert held
    assert not [p for p in held if gone in p.name or gone in p.read_text(encoding="utf-8")]


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from booking_assets.report import writing

    writes, write = 0, writing._write

    def dying(path, text):
        global writes
        writes += 1
        if writes == int(sys.argv[3]):
            path.write_text(text[:100])
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, text)

    writing._write = dying
    paths = (Path(sys.argv[1]), Path(sys.argv[2]))
    writing.write_report(*paths, threads=2, keep=2, group=None)
"""


@pytest.mark.parametrize("file", [1, 2, 3, 4])
def test_a_killed_run_leaves_the_old_report_whole(world: World, file: int) -> None:
    """The files are two pages, the index and the manifest."""
    world.write()
    before = contents(world.report)
    world.change("UPDATE marts.organizations SET label = 'Acme'")
    process = subprocess.run(
        [sys.executable, "-c", dedent(KILLED), world.snapshot, world.report, str(file)],
        capture_output=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert contents(world.report) == before
    assert [name for name in versions(world) if name.endswith(".partial")]
    assert [*world.write().drawn] == world.slugs
    assert not [name for name in versions(world) if name.endswith(".partial")]
    assert parsed(world.report / "index.html").text.count("Acme") >= 2


def test_a_page_that_is_gone_is_drawn_again(world: World) -> None:
    slug = world.slugs[0]
    world.write().pages[slug].unlink()
    world.change("UPDATE marts.organization_freshness SET age_minutes = age_minutes + 600")
    assert world.write().drawn == (slug,)


def test_a_manifest_that_cannot_be_read_costs_a_drawing(world: World) -> None:
    manifest = world.write().path / "report.json"
    manifest.chmod(0o600)
    manifest.write_text("{", encoding="utf-8")
    assert [*world.write().drawn] == world.slugs


def test_a_path_that_was_not_written_here_is_not_replaced(world: World) -> None:
    world.report.mkdir()
    (world.report / "mine.html").touch()
    with pytest.raises(ReportFailed, match="was not written by booking-assets: move it away"):
        world.write()
    assert [path.name for path in world.report.iterdir()] == ["mine.html"]


def test_without_symlinks_a_report_is_a_copy_that_the_next_one_replaces(world: World) -> None:
    written = world.write()

    def refuse(target: str, link: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    point(world.report, written.path.resolve(), link=refuse)
    assert not world.report.is_symlink()
    assert parsed(world.report / "index.html").all("main")
    world.change("UPDATE marts.organizations SET label = 'Acme'")
    assert [*world.write().drawn] == world.slugs
    assert "Acme" in (world.report / "index.html").read_text(encoding="utf-8")


def test_a_second_writer_is_refused_and_names_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write()
    monkeypatch.setattr(writing, "LOCK_SECONDS", 0.05)
    with (world.report.with_name("report.d") / ".lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ReportFailed, match="writes the report"):
            world.write()
    assert world.write().drawn == ()


def test_a_snapshot_that_is_not_there_or_damaged_says_what_to_do(world: World) -> None:
    world.snapshot.write_bytes(b"no database" * 1000)
    with pytest.raises(WarehouseUnreadable, match="publish it again with"):
        world.write()
    world.snapshot.unlink()
    with pytest.raises(TableNotFound, match="run `booking-assets refresh` first"):
        world.write()
    assert not world.report.exists()


def test_a_disk_that_may_not_be_written_says_so(world: World) -> None:
    world.write()
    blocked = world.report.with_name("report.d")
    before = contents(world.report)
    world.change("UPDATE marts.organizations SET label = 'Acme'")
    # Not by permissions, which root ignores.
    (blocked / ".lock").unlink()
    (blocked / ".lock").mkdir()
    with pytest.raises(ReportFailed, match="could not be written"):
        world.write()
    assert contents(world.report) == before


def test_drawing_is_not_imported_by_what_draws_nothing() -> None:
    script = "import sys, booking_assets.cli.refresh, booking_assets.cli.runs;" + (
        "print([m for m in sys.modules if m == 'jinja2' or m.startswith('booking_assets.report.')])"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


def test_50_organizations_take_15_seconds_at_most(world: World) -> None:
    slug = world.slugs[0]
    names = world.ask(
        "SELECT schema_name || '.' || table_name FROM duckdb_columns()"
        " WHERE column_name = 'organization' AND schema_name IN ('marts', 'raw')"
    )
    world.change(
        *(
            f"""INSERT INTO {name} BY NAME
            SELECT t.* REPLACE ('copy-' || number AS organization)
            FROM {name} AS t, range(50) AS copies(number) WHERE organization = '{slug}'"""
            for (name,) in names
        )
    )
    started = time.process_time()
    assert len(world.write().drawn) == 52
    assert time.process_time() - started < 15
    rows = table(parsed(world.report / "index.html"), "All organizations")
    assert len(rows) == 52
