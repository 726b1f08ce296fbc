"""Tests of the documentation: what it names exists, and what is generated from code is current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import booking_assets
from booking_assets.cli.main import COMMANDS
from booking_assets.sandbox.faults.registry import fault_table
from booking_assets.tables.documentation import page

PACKAGE = Path(booking_assets.__file__).parent
ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
DOCUMENT = re.compile(r'(docs/[\w/-]+\.md)`?(?:,\s+"([^"]+)")?')
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_page_of_tables_is_made_from_the_contracts() -> None:
    assert (ROOT / "docs/tables.md").read_text(encoding="utf-8") == page(), (
        "run `python -m booking_assets.tables.documentation > docs/tables.md`"
    )


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_document_that_a_module_names_exists_with_its_heading(path: Path) -> None:
    for document, heading in DOCUMENT.findall(path.read_text(encoding="utf-8")):
        assert (ROOT / document).is_file(), f"{path} names {document}"
        if heading:
            text = (ROOT / document).read_text(encoding="utf-8")
            assert re.search(rf"^#+ {re.escape(heading)}", text, re.MULTILINE), (
                f"{path} names {document}, {heading!r}"
            )


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_leads_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path} links to {target}"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_readme_names_every_command(name: str) -> None:
    assert f"`booking-assets {name}" in README


def test_the_readmes_test_command_is_what_ci_runs() -> None:
    (command,) = re.findall(r"^python3 -m venv .*pytest$", README, re.MULTILINE)
    assert command in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = [path.name[:4] for path in sorted((ROOT / "docs/decisions").glob("*.md"))]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


@pytest.mark.parametrize("row", fault_table(), ids=lambda row: row[0])
def test_every_fault_of_the_sandbox_is_documented(row: tuple[str, str, str]) -> None:
    name, value, meaning = row
    line = f"| `{name}` | {value} | {meaning} |"
    assert line in (ROOT / "docs/sandbox.md").read_text(encoding="utf-8").splitlines()
