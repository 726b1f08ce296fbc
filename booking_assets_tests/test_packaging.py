"""Tests of the package: its files, its command, its declared dependencies, its Python versions."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pytest

import booking_assets

PACKAGE = Path(booking_assets.__file__).parent
PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    document = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, Any] = document["project"]
    return found


def name_of(requirement: str) -> str:
    """`dagster==1.13.27` -> `dagster`."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return found.group().lower().replace("_", "-")


def imported() -> set[str]:
    """The top-level modules that the package imports, except the standard library's and its own."""
    modules = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    return modules - sys.stdlib_module_names - {PACKAGE.name}


def test_every_module_that_is_imported_comes_from_a_declared_dependency(
    project: dict[str, Any],
) -> None:
    extras = [
        *project["optional-dependencies"]["alerts"],
        *project["optional-dependencies"]["cluster"],
        *project["optional-dependencies"]["excel"],
    ]
    declared = {name_of(requirement) for requirement in [*project["dependencies"], *extras]}
    providers = metadata.packages_distributions()
    providing = {
        module: {name_of(distribution) for distribution in providers[module]}
        for module in imported()
    }
    undeclared = {module: names for module, names in providing.items() if not names & declared}
    assert undeclared == {}


def test_every_declared_dependency_is_imported_or_has_its_reason(project: dict[str, Any]) -> None:
    # DuckDB asks for pytz when it hands out instants; Dagster's UI is a command.
    unseen = {"pytz", "dagster-webserver"}
    providers = metadata.packages_distributions()
    used = {name_of(name) for module in imported() for name in providers[module]}
    declared = {name_of(requirement) for requirement in project["dependencies"]}
    assert declared - used == unseen


def test_the_package_has_its_instance_settings_and_its_type_marker() -> None:
    installed = resources.files("booking_assets")
    assert "run_monitoring" in installed.joinpath("dagster.yaml").read_text(encoding="utf-8")
    assert installed.joinpath("py.typed").is_file()


def test_git_ignores_no_file_of_the_package() -> None:
    """The wheel contains what git does not ignore: a broad pattern would drop a file silently."""
    patterns = (PROJECT / ".gitignore").read_text(encoding="utf-8").split()
    names = {pattern.rstrip("/") for pattern in patterns} - {"__pycache__"}
    lost = [
        path
        for path in PACKAGE.rglob("*")
        for part in path.relative_to(PACKAGE).parts
        if any(Path(part).match(name) for name in names)
    ]
    assert lost == []


def test_the_command_is_installed(project: dict[str, Any]) -> None:
    (script,) = metadata.entry_points(group="console_scripts", name="booking-assets")
    assert script.value == project["scripts"]["booking-assets"]
    assert Path(sys.executable).with_name("booking-assets").is_file()
    assert metadata.version("booking-assets") == project["version"]


def test_dagster_and_its_webserver_are_the_same_version(project: dict[str, Any]) -> None:
    pinned = dict(
        requirement.split("==") for requirement in project["dependencies"] if "==" in requirement
    )
    assert pinned["dagster"] == pinned["dagster-webserver"] == metadata.version("dagster")


def test_the_python_versions_that_are_declared_are_those_that_are_tested(
    project: dict[str, Any],
) -> None:
    language = "Programming Language :: Python :: "
    declared = [
        name.removeprefix(language)
        for name in project["classifiers"]
        if re.fullmatch(rf"{language}3\.\d+", name)
    ]
    workflow = (PROJECT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    tested = set(re.findall(r'python: "(3\.\d+)"', workflow))
    assert set(declared) == tested
    assert project["requires-python"] == f">={declared[0]}"
    for version in declared:
        assert version in (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_lock_names_no_index_but_the_public_one() -> None:
    locked = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))
    sources = [package["source"] for package in locked["package"]]
    assert {source.get("registry") for source in sources} == {None, "https://pypi.org/simple"}
    assert [source for source in sources if "registry" not in source] == [{"editable": "."}]
