"""Tests of the rooms: which imports each may have. The table for readers: docs/architecture.md."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import booking_assets

PACKAGE = Path(booking_assets.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


@dataclass(frozen=True)
class Rule:
    """What a room may import, inside the project and outside of the standard library."""

    inside: frozenset[str]
    outside: frozenset[str]


def rule(inside: str, outside: str) -> Rule:
    return Rule(frozenset(inside.split()), frozenset(outside.split()))


ALL = "files tables settings transforms api collect warehouse pipeline sandbox"
RULES = {
    "tables": rule("tables", "polars"),
    "files": rule("", ""),
    "settings": rule("", "pydantic"),
    "transforms": rule("transforms tables", "polars"),
    "api": rule("api", "httpx stamina"),
    "collect": rule("collect api tables files", "polars msgspec numpy"),
    "warehouse": rule("warehouse tables files", "duckdb polars"),
    "sandbox": rule("sandbox", "starlette uvicorn msgspec polars"),
    "pipeline": rule("pipeline files tables settings transforms api collect warehouse", "polars"),
    "defs": rule(f"defs {ALL}", "dagster polars pydantic sqlalchemy"),
    "system": rule("", ""),
    "definitions": rule("defs settings system", "dagster"),
    "cli": rule("cli settings pipeline defs definitions sandbox", "click rich dagster dotenv"),
    "__main__": rule("cli system", ""),
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[int, str]]:
    """Every imported module with its line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, node.module or ""))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert not imports(path)
        return
    allowed = RULES[room]
    broken = []
    for line, module in imports(path):
        top, _, rest = module.partition(".")
        if top == "booking_assets":
            target = rest.partition(".")[0]
            if target not in allowed.inside:
                broken.append(f"{path}:{line}: {room} may not import the room {target}")
        elif top not in sys.stdlib_module_names and top not in allowed.outside:
            broken.append(f"{path}:{line}: {room} may not import {top}")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.name == "__init__.py"], ids=lambda path: path.parent.name
)
def test_a_package_file_holds_a_docstring_and_no_more(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert ast.get_docstring(ast.Module(body, [])) is not None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_what_it_does(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), (
        f"{path} has no docstring"
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_has_400_lines_at_most(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_with_dagster_decorators_keep_their_annotations(path: Path) -> None:
    # Dagster reads annotations at run time; the future import turns them into text.
    tree = ast.parse(path.read_text(encoding="utf-8"))
    postponed = any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body
    )
    decorated = any(
        isinstance(decorator, ast.Call | ast.Attribute) and ast.unparse(decorator).startswith("dg.")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
    )
    assert not (postponed and decorated), path
