"""`booking-assets report`, and what `booking-assets forget` does to the report."""

from __future__ import annotations

import shutil
import webbrowser
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from click.testing import CliRunner, Result

from booking_assets.cli.main import main
from booking_assets_tests.commands import unfolded
from booking_assets_tests.report.conftest import parsed

CONFIGURATION = """
[api]
base_url = "http://127.0.0.1:9"
"""
ORGANIZATION = """
[[organizations]]
slug = "{slug}"
identifier = "{identifier}"
token_env = "{variable}"
"""


@pytest.fixture
def folder(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a warehouse and a snapshot of two organizations; it is the working folder."""
    (tmp_path / "data").mkdir()
    shutil.copyfile(published.with_name("booking.duckdb"), tmp_path / "data/booking.duckdb")
    shutil.copyfile(published, tmp_path / "data/booking.snapshot.duckdb")
    (tmp_path / "data/booking.snapshot.duckdb.d/000001-x").mkdir(parents=True)
    version = tmp_path / "data/booking.snapshot.duckdb.d/000001-x/booking.duckdb"
    (tmp_path / "data/booking.snapshot.duckdb").rename(version)
    (tmp_path / "data/booking.snapshot.duckdb").symlink_to(version.relative_to(tmp_path / "data"))
    with duckdb.connect(str(published), read_only=True) as con:
        rows: list[tuple[str, UUID]] = con.execute(
            "SELECT organization, organization_identifier FROM raw.event_counts ORDER BY ALL"
        ).fetchall()
    organizations = (
        ORGANIZATION.format(slug=slug, identifier=identifier, variable=f"TOKEN_{number}")
        for number, (slug, identifier) in enumerate(rows)
    )
    (tmp_path / "booking.toml").write_text(CONFIGURATION + "".join(organizations), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_the_command_writes_the_report_and_says_where_it_is(folder: Path) -> None:
    first, again = ran("report"), ran("report")
    index = folder / "data/report/index.html"
    assert unfolded(first.output).strip() == f"{index} (2 of 2 pages drawn)"
    assert unfolded(again.output).strip() == f"{index} (0 of 2 pages drawn)"
    assert parsed(index).all("h1")[0].text == "2 organizations"


def test_the_command_names_the_page_of_an_organization_and_opens_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def browse(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    said = ran("report", "--open", "-o", slugs(folder)[0])
    page = folder / "data/report/organizations" / f"{slugs(folder)[0]}.html"
    assert said.output.startswith(str(page))
    assert opened == [page.as_uri()]
    unknown = ran("report", "-o", "nobody")
    assert unknown.exit_code == 2
    assert "nobody: not in" in unfolded(unknown.output)


def slugs(folder: Path) -> list[str]:
    lines = (folder / "booking.toml").read_text(encoding="utf-8").splitlines()
    return [line.split('"')[1] for line in lines if line.startswith("slug")]


def test_an_organization_without_figures_has_no_page_and_a_sentence(folder: Path) -> None:
    slug = slugs(folder)[0]
    with duckdb.connect(str(folder / "data/booking.snapshot.duckdb")) as con:
        con.execute(
            "UPDATE marts.organization_freshness SET is_published = false"
            f" WHERE organization = '{slug}'"
        )
    said = ran("report", "-o", slug)
    assert said.exit_code == 1
    assert f"{slug}: it has no page" in unfolded(said.output)


def test_without_a_snapshot_the_command_says_what_to_do(folder: Path) -> None:
    (folder / "data/booking.snapshot.duckdb").unlink()
    said = ran("report")
    assert said.exit_code == 1
    assert "run `booking-assets refresh` first" in unfolded(said.output)


def test_a_forgotten_organization_is_in_no_version_of_the_report(folder: Path) -> None:
    gone, stays = slugs(folder)
    assert ran("report").exit_code == 0
    assert ran("forget", gone, "--yes").exit_code == 0
    versions = [p for p in (folder / "data/report.d").iterdir() if p.is_dir()]
    assert len(versions) == 1
    pages = [page.name for page in (folder / "data/report/organizations").iterdir()]
    # It is still in the settings: the index says that nothing is known of it.
    assert pages == [f"{stays}.html"]
    assert "never complete" in parsed(folder / "data/report/index.html").text
