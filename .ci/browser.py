"""Opens the report and the Dagster UI of the sandbox in Chromium, to check or to picture them.

`python .ci/browser.py check FOLDER` leaves a screenshot of each page in FOLDER, and exits with 1
where a page has a fault. `python .ci/browser.py pictures FOLDER` makes the README's pictures. Both
need the extra `dev`, the dependency group `browser`, and Debian's package `chromium`.
"""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pyte
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright
from rich.console import Console
from rich.text import Text

from booking_assets_tests.cli.terminal import terminal
from booking_assets_tests.commands import Shell, shell

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
WIDTHS = (1600, 800, 390)
SLUG = "harbour-trades"
UI_PAGES = {"runs": "/runs", "lineage": "/asset-groups", "mart": "/assets/marts/states"}
LINEAGE = "/assets/marts/capacity_utilization?view=lineage&lineageScope=upstream"

SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
WITHOUT_TABLE = """[...document.querySelectorAll('svg')].filter(svg =>
    !svg.closest('table') && !svg.closest('section')?.querySelector('table')).length"""
GROWN = """() => {
    const tables = [...document.querySelectorAll('.scroll')], width = table => table.scrollWidth
    const before = tables.map(width)
    const names = document.querySelectorAll('tbody .text, .wide tbody th')
    names.forEach(name => name.prepend('x'.repeat(90)))
    return tables.filter((table, i) => width(table) > before[i]).map(table => table.ariaLabel)
}"""
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"


@contextmanager
def ui(where: Shell) -> Iterator[str]:
    """Start the Dagster UI, and give its address when it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    with where.started("booking-assets", "ui", "--port", port, output=subprocess.DEVNULL):
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx.get(f"{url}/server_info", timeout=10).raise_for_status()
                break
            except httpx.HTTPError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        yield url


@contextmanager
def opened(browser: Browser, url: str, width: int, faults: list[str]) -> Iterator[Page]:
    """Open a page; errors in its console and requests to elsewhere are added to `faults`."""
    own = "file:" if url.startswith("file:") else url[: url.index("/", len("http://"))]

    def add(fault: str) -> None:
        faults.append(f"{url} at {width} pixels: {fault}")

    def asked(request: Request) -> None:
        if not request.url.startswith("data:") and not request.url.removeprefix("blob:").startswith(
            own
        ):
            add(f"requests {request.url}")

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            add(f"console: {message.text}")

    page = browser.new_page(viewport={"width": width, "height": 1000})
    page.on("request", asked)
    page.on("console", said)
    page.on("pageerror", lambda error: add(f"script: {error}"))
    page.goto(url)
    page.wait_for_load_state("networkidle")
    if not url.startswith("file:"):
        page.wait_for_timeout(2500)  # the UI draws after its data has arrived
    if page.evaluate(SIDEWAYS):
        add("the body scrolls sideways")
    yield page
    page.close()


def check(browser: Browser, where: Shell, folder: Path) -> list[str]:
    """The faults of the report and of the UI."""
    faults: list[str] = []
    report = where.folder / "sandbox/report"
    for path in (report / "index.html", report / f"organizations/{SLUG}.html"):
        for width in WIDTHS:
            with opened(browser, path.as_uri(), width, faults) as page:
                page.screenshot(path=folder / f"{path.stem}-{width}.png", full_page=True)
                if charts := page.evaluate(WITHOUT_TABLE):
                    faults.append(f"{path.name}: {charts} charts without a table")
                page.evaluate(OPEN_ALL)
                faults += [
                    f"{path.name} at {width} pixels: {found['help']}: {found['nodes'][0]['html']}"
                    for found in Axe().run(page).response["violations"]
                    if found["impact"] in ("serious", "critical")
                ]
                page.pdf(path=folder / f"{path.stem}.pdf", format="A4")
                if grown := page.evaluate(GROWN):
                    faults.append(f"{path.name} at {width}: long names widen {', '.join(grown)}")
    with ui(where) as url:
        for name, route in UI_PAGES.items():
            for width in WIDTHS:
                with opened(browser, url + route, width, faults) as page:
                    page.screenshot(path=folder / f"ui-{name}-{width}.png")
    return faults


def pictures(browser: Browser, where: Shell, folder: Path) -> list[str]:
    """Picture the report, the lineage and the terminal; the faults are those of opening them."""
    faults: list[str] = []
    page_of = where.folder / f"sandbox/report/organizations/{SLUG}.html"
    with opened(browser, page_of.as_uri(), 1200, faults) as page:
        page.set_viewport_size({"width": 1200, "height": 1060})
        page.screenshot(path=folder / "report.png")
    with ui(where) as url, opened(browser, url + LINEAGE, 1600, faults) as page:
        page.get_by_role("button", name="All", exact=True).click()
        page.wait_for_timeout(3000)
        page.mouse.dblclick(1200, 800)  # on the ground: fits the graph into the view
        page.wait_for_timeout(2000)
        page.screenshot(path=folder / "lineage.png")
    console = Console(record=True, width=80, file=io.StringIO())
    with terminal(where, "booking-assets", "refresh", lines=40) as shown:
        shown.until(lambda text: re.search(r"derive .* [5-9]/", text))
        during = drawn(shown.screen)
        shown.end()
    summary = drawn(shown.screen).split()
    paths = next(i for i, line in enumerate(summary) if line.plain.startswith("warehouse:"))
    console.print("$ booking-assets refresh", during, *summary[1:paths], sep="\n")
    # Without the fonts that Rich names on another server.
    picture = re.sub(
        r"@font-face \{.*?\}\s*", "", console.export_svg(title="booking-assets"), flags=re.DOTALL
    )
    (folder / "terminal.svg").write_text(picture, encoding="utf-8")
    return faults


def drawn(screen: pyte.Screen) -> Text:
    """The characters of a screen with their colors."""
    text = Text()
    for y in range(screen.cursor.y):
        for x in range(screen.columns):
            char = screen.buffer[y][x]
            color = "" if char.fg == "default" else char.fg.replace("brown", "yellow")
            text.append(char.data, f"{color}{' bold' if char.bold else ''}")
        text.rstrip()
        text.append("\n")
    return text


def main() -> None:
    """Refresh the sandbox twice, so that the report says what changed, and do what is asked."""
    do = {"check": check, "pictures": pictures}[sys.argv[1]]
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as parent, sync_playwright() as playwright:
        where = shell(Path(parent))
        for _ in range(2):
            where.run("booking-assets", "refresh").check_returncode()
        # Chromium's own sandbox does not start as root in a container.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        faults = do(browser, where, folder)
        browser.close()
    print("\n".join(faults) or f"no fault; see {folder}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
