"""Tests of the documentation: what it names exists, and what is generated from code is current."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import booking_assets
from booking_assets.cli.main import COMMANDS
from booking_assets.sandbox.faults.registry import fault_table
from booking_assets.tables.documentation import page

PACKAGE = Path(booking_assets.__file__).parent
ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md")])
DOCUMENT = re.compile(r'(docs/[\w/-]+\.md)`?(?:,\s+"([^"]+)")?')
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_page_of_tables_is_made_from_the_contracts() -> None:
    assert (ROOT / "docs/tables.md").read_text(encoding="utf-8") == page(), (
        "run `python -m booking_assets.tables.documentation > docs/tables.md`"
    )


def test_the_model_of_scale_is_computed_from_its_inputs() -> None:
    table = subprocess.run(
        [sys.executable, ROOT / "docs/scale.py"], check=True, text=True, stdout=subprocess.PIPE
    ).stdout
    assert table in (ROOT / "docs/scale.md").read_text(encoding="utf-8"), (
        "put what `python docs/scale.py` prints into docs/scale.md"
    )


def test_a_document_that_a_module_names_exists_with_its_heading() -> None:
    missing = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for document, heading in DOCUMENT.findall(path.read_text(encoding="utf-8")):
            if not (ROOT / document).is_file():
                missing.append(f"{path} names {document}")
            elif heading:
                text = (ROOT / document).read_text(encoding="utf-8")
                if not re.search(rf"^#+ {re.escape(heading)}", text, re.MULTILINE):
                    missing.append(f"{path} names {document}, {heading!r}")
    assert missing == []


def test_a_link_leads_somewhere() -> None:
    dead = [
        f"{path} links to {target}"
        for path in PAGES
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert dead == []


def test_every_document_is_in_the_navigation_of_the_site() -> None:
    navigation = (ROOT / "docs/zensical.toml").read_text(encoding="utf-8")
    pages = {
        path.relative_to(ROOT / "docs").as_posix()
        for path in PAGES
        if ROOT / "docs" in path.parents
    }
    assert set(re.findall(r'"([\w/-]+\.md)"', navigation)) == pages


def test_the_readme_names_every_command() -> None:
    assert [name for name in COMMANDS if f"`booking-assets {name}" not in README] == []


def test_the_readmes_test_command_is_what_ci_runs() -> None:
    (command,) = re.findall(r"^python3 -m venv .*pytest$", README, re.MULTILINE)
    assert command in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_the_readme_names_the_command_of_the_quick_tests() -> None:
    assert re.search(r'^\.venv/bin/python -m pytest -m "not slow"', README, re.MULTILINE)


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = [path.name[:4] for path in sorted((ROOT / "docs/decisions").glob("*.md"))]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_every_fault_of_the_sandbox_is_documented() -> None:
    lines = (ROOT / "docs/sandbox.md").read_text(encoding="utf-8").splitlines()
    rows = [f"| `{name}` | {value} | {meaning} |" for name, value, meaning in fault_table()]
    assert rows
    assert [row for row in rows if row not in lines] == []
