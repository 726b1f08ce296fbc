"""The page of reliability: every answer that it gives to a trap is held by a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/reliability.md"
HEADING = "## What real servers do\n"
TRAPS = 26
ROW = re.compile(r"^\| (?P<number>\d+) \| (?P<trap>.+?) \| (?P<behaviour>.+?) \| (?P<held>.+?) \|$")
TEST = re.compile(r"`(test_\w+)`")


def rows() -> list[re.Match[str]]:
    """The rows of the page's table."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(HEADING)
    section = rest.partition("\n## ")[0]
    return [found for line in section.splitlines() if (found := ROW.match(line))]


def written_tests() -> set[str]:
    """The names of all tests of the project."""
    return {
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_trap_has_a_row() -> None:
    assert [int(row["number"]) for row in rows()] == list(range(1, TRAPS + 1))


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row["number"]))
def test_an_answer_is_held_by_a_test(row: re.Match[str]) -> None:
    assert TEST.search(row["held"])


def test_every_test_that_the_page_names_exists() -> None:
    named = set(TEST.findall(PAGE.read_text(encoding="utf-8")))
    assert named - written_tests() == set()
