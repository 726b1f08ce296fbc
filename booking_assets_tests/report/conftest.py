"""A snapshot of two organizations at rest, which a test may change, and the report of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from booking_assets.api.authentication import Token
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_api, open_warehouse
from booking_assets.pipeline.progress import NoProgress
from booking_assets.pipeline.refresh import refresh
from booking_assets.report.writing import Report, write_report
from booking_assets.sandbox.server import SandboxServer
from booking_assets.sandbox.world import generated_world
from booking_assets.settings import Api, Organization, Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENTS_EACH = 120
VOID = {"meta", "link", "br", "img", "line", "rect", "path", "input", "hr"}


class Element:
    """An element of a page."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: Element | None) -> None:
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.content: list[Element | str] = []

    @property
    def text(self) -> str:
        parts = [one if isinstance(one, str) else one.text for one in self.content]
        return " ".join(" ".join(parts).split())

    def walk(self) -> Iterator[Element]:
        yield self
        for one in self.content:
            if isinstance(one, Element):
                yield from one.walk()

    def all(self, *tags: str) -> list[Element]:
        return [one for one in self.walk() if one.tag in tags]

    def ancestors(self) -> list[str]:
        return [] if self.parent is None else [self.parent.tag, *self.parent.ancestors()]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.open = Element("document", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.open)
        self.open.content.append(element)
        if tag not in VOID:
            self.open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.content.append(
            Element(tag, {name: value or "" for name, value in attrs}, self.open)
        )

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open.tag == tag, f"</{tag}> closes <{self.open.tag}>"
        assert self.open.parent is not None
        self.open = self.open.parent

    def handle_data(self, data: str) -> None:
        self.open.content.append(data)


def parsed(path: Path) -> Element:
    """A page as a tree; every element must be closed."""
    parser = _Parser()
    parser.feed(path.read_text(encoding="utf-8"))
    parser.close()
    assert parser.open is parser.root
    return parser.root


def table(page: Element, caption: str) -> list[list[str]]:
    """The texts of a table's rows; none where it has no rows."""
    for one in page.all("table"):
        if one.all("caption")[0].text == caption:
            return [[cell.text for cell in row.all("th", "td")] for row in one.all("tr")[1:]]
    assert caption in [one.text for one in page.all("h3")], caption
    return []


def section(page: Element, name: str) -> Element:
    (found,) = [one for one in page.all("section") if one.attributes.get("id") == name]
    return found


def tile(page: Element, label: str) -> tuple[str, str]:
    """The figure and the detail of a key figure."""
    (found,) = [
        one
        for one in page.all("li")
        if any(
            span.attributes.get("class") == "label" and span.text.startswith(label)
            for span in one.all("span")
        )
    ]
    by_class = {span.attributes.get("class"): span.text for span in found.all("span")}
    return by_class["figure"], by_class["detail"]


@dataclass
class World:
    """A snapshot that a test may change, and where its report is written."""

    snapshot: Path
    report: Path
    slugs: list[str]

    def write(self, **arguments: Any) -> Report:
        return write_report(
            self.snapshot,
            self.report,
            threads=2,
            **{"keep": 2, "group": None} | arguments,
        )

    def change(self, *statements: str) -> None:
        with duckdb.connect(str(self.snapshot)) as con:
            for statement in statements:
                con.execute(statement)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.snapshot), read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            return con.execute(query).fetchall()

    def page(self, slug: str | None = None) -> Element:
        """The page of an organization (the first by default) of a report that is written now."""
        return parsed(self.write().pages[slug or self.slugs[0]])

    def index(self) -> Element:
        return parsed(self.write().index)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot of two organizations, as of noon of a day in March."""
    folder = tmp_path_factory.mktemp("published")
    sandbox = generated_world(2, EVENTS_EACH, seed=10, clock=lambda: NOON)
    tokens = {tenant.identifier: Token(tenant.token) for tenant in sandbox.tenants}
    with (
        SandboxServer(sandbox) as server,
        open_api(server.base_url, 30, lambda one: tokens[one.identifier]) as connect,
    ):
        settings = Settings(
            root=folder,
            source="the test",
            api=Api(base_url=server.base_url),
            organizations=tuple(
                Organization(slug=one.slug, identifier=one.identifier, token_env="UNUSED")
                for one in sandbox.tenants
            ),
            warehouse_path=folder / "booking.duckdb",
            snapshot_path=folder / "booking.snapshot.duckdb",
        )
        refresh(
            Collector(
                connect=connect,
                warehouse=open_warehouse(settings),
                settings=settings,
                progress=NoProgress(),
                clock=lambda: NOON,
            )
        )
    return settings.snapshot_path


@pytest.fixture
def world(published: Path, tmp_path: Path) -> World:
    snapshot = tmp_path / "booking.snapshot.duckdb"
    shutil.copyfile(published, snapshot)
    made = World(snapshot, tmp_path / "report", [])
    rows = made.ask("SELECT organization FROM marts.organization_freshness ORDER BY ALL")
    made.slugs = [slug for (slug,) in rows]
    return made
