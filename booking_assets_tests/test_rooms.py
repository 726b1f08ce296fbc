"""Tests of the rooms: which imports each may have. The table for readers: docs/architecture.md."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import booking_assets

PACKAGE = Path(booking_assets.__file__).parent
MODULES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
"""The syntax tree of each module."""


@dataclass(frozen=True)
class Rule:
    """What a room may import, inside the project and outside of the standard library."""

    inside: frozenset[str]
    outside: frozenset[str]


def rule(inside: str, outside: str) -> Rule:
    return Rule(frozenset(inside.split()), frozenset(outside.split()))


BELOW = "files objects tables settings settings_faults transforms api collect warehouse"
ALL = f"{BELOW} pipeline report sandbox"
RULES = {
    "tables": rule("tables", "polars"),
    "files": rule("", ""),
    "objects": rule("files", "obstore"),
    "settings": rule("settings_faults", "pydantic"),
    "settings_faults": rule("", ""),
    "transforms": rule("transforms tables", "polars"),
    "api": rule("api", "httpx stamina"),
    "collect": rule("collect api tables files objects", "polars msgspec numpy"),
    "warehouse": rule("warehouse tables files", "duckdb polars xlsxwriter"),
    "report": rule("report tables warehouse files", "polars jinja2 markupsafe"),
    "sandbox": rule("sandbox", "starlette uvicorn msgspec numpy polars"),
    "pipeline": rule(f"pipeline {BELOW}", "polars"),
    "defs": rule(f"defs {ALL}", "dagster apprise polars pydantic sqlalchemy"),
    "cluster": rule("cluster defs", "dagster dagster_celery dagster_postgres sqlalchemy"),
    "system": rule("", ""),
    "definitions": rule("defs settings system", "dagster"),
    "cli": rule("cli settings pipeline defs definitions sandbox", "click rich dagster dotenv"),
    "__main__": rule("cli system", ""),
}


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imports(tree: ast.Module) -> list[tuple[int, str]]:
    """Every imported module with its line."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, node.module or ""))
    return found


def forbidden_imports(path: Path) -> list[str]:
    """What a module imports against the rule of its room."""
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    allowed = RULES.get(room, rule("", ""))
    broken = []
    for line, module in imports(MODULES[path]):
        top, _, rest = module.partition(".")
        if room == "__init__":
            broken.append(f"{name_of(path)}:{line}: imports {module}")
        elif top == "booking_assets":
            target = rest.partition(".")[0]
            if target not in allowed.inside:
                broken.append(f"{name_of(path)}:{line}: {room} may not import the room {target}")
        elif top not in sys.stdlib_module_names and top not in allowed.outside:
            broken.append(f"{name_of(path)}:{line}: {room} may not import {top}")
    return broken


def test_a_module_imports_only_what_its_room_may() -> None:
    broken = [line for path in MODULES for line in forbidden_imports(path)]
    assert not broken, "\n".join(broken)


def test_every_room_has_a_rule_and_every_rule_a_room() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert rooms - {"__init__"} == RULES.keys()


def test_a_package_file_holds_a_docstring_and_no_more() -> None:
    with_more = [
        name_of(path)
        for path, tree in MODULES.items()
        if path.name == "__init__.py" and len(tree.body) != 1
    ]
    assert with_more == []


def test_a_module_says_what_it_does() -> None:
    assert [name_of(path) for path, tree in MODULES.items() if not ast.get_docstring(tree)] == []


def test_a_module_has_400_lines_at_most() -> None:
    lines = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_modules_with_dagster_decorators_keep_their_annotations() -> None:
    # Dagster reads annotations at run time; the future import turns them into text.
    assert [
        name_of(path)
        for path, tree in MODULES.items()
        if has_postponed_annotations(tree) and has_dagster_decorators(tree)
    ] == []


def has_postponed_annotations(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body
    )


def has_dagster_decorators(tree: ast.Module) -> bool:
    return any(
        isinstance(decorator, ast.Call | ast.Attribute) and ast.unparse(decorator).startswith("dg.")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
    )
