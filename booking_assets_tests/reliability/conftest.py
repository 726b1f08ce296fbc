"""Installations for the tests: each in a new folder, gone with its sandbox after the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from booking_assets.sandbox.world import World
from booking_assets_tests.commands import Shell, shell
from booking_assets_tests.reliability.installation import Install, Installation, installed


@pytest.fixture
def where(tmp_path: Path) -> Shell:
    """An empty folder for an installation."""
    return shell(tmp_path)


@pytest.fixture
def install(where: Shell) -> Iterator[Install]:
    """Installs in one folder; a later call is the same installation on the API's next day."""
    with ExitStack() as stack:

        def made(world: World, *faults: str, **settings: Any) -> Installation:
            stack.close()
            return stack.enter_context(installed(where, world, *faults, **settings))

        yield made


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's state, in memory."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made
