"""Stores: a folder, and an S3 server that is started once; places that use them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from booking_assets.objects import Objects, open_objects
from booking_assets.settings import Settings, Storage
from booking_assets_tests.pipeline.conftest import Place, new_place, place  # noqa: F401 - a fixture
from booking_assets_tests.storage.seaweed import BUCKET, Seaweed


@pytest.fixture(scope="session")
def _seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    server = Seaweed(tmp_path_factory.mktemp("seaweed"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def seaweed(_seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Seaweed:
    """The S3 server, with its variables in the environment."""
    for name, value in _seaweed.environment.items():
        monkeypatch.setenv(name, value)
    return _seaweed


@pytest.fixture
def s3_url(seaweed: Seaweed) -> str:
    """A prefix of its own in the S3 server."""
    return f"s3://{BUCKET}/{uuid4().hex}"


BOTH = pytest.mark.parametrize(
    "url", ["folder", pytest.param("s3", marks=pytest.mark.slow)], indirect=True
)
"""Tries a test with a folder, and with an S3 server."""


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store: a folder, unless the test is marked with `BOTH`."""
    if getattr(request, "param", "folder") == "s3":
        return str(request.getfixturevalue("s3_url"))
    return f"file://{tmp_path / 'store'}"


@pytest.fixture
def objects(url: str) -> Objects:
    return open_objects(url)


@dataclass
class Shared(Place):
    """A machine of an installation whose landings are in a store."""

    url: str = ""

    @property
    def settings(self) -> Settings:
        return super().settings.model_copy(update={"storage": Storage(url=self.url)})

    @property
    def objects(self) -> Objects:
        return open_objects(self.url)

    def machine(self, name: str) -> Shared:
        """Another machine: it shares the store, and nothing else."""
        return Shared(self.root / name, self.tenants, self.organizations, self.names, self.url)

    def keys(self, part: str = "") -> list[str]:
        """The keys of what is stored whose text has this part."""
        return sorted(
            one["path"] for one in self.objects.list_folder("landings") if part in one["path"]
        )


@pytest.fixture
def shared(place: Place, url: str) -> Shared:  # noqa: F811 - the fixture
    return shared_in(place, url)


def shared_in(parent: Place, url: str) -> Shared:
    """A machine in a folder of the place, with the store at the URL."""
    return Shared(parent.root / "machine", parent.tenants, parent.organizations, parent.names, url)


@pytest.fixture(scope="session")
def refreshed_shared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a machine that was refreshed once, and of its store."""
    root = tmp_path_factory.mktemp("refreshed_shared")
    report = shared_in(new_place(root), f"file://{root / 'store'}").refresh()
    assert report.failed_organizations == ()
    return root


@pytest.fixture
def refreshed(shared: Shared, request: pytest.FixtureRequest) -> None:
    """Makes `shared` one that was refreshed; in a folder, a copy costs a hundredth of it."""
    if shared.url.startswith("file:"):
        root = request.getfixturevalue("refreshed_shared_root")
        shutil.copytree(root, shared.root.parent, symlinks=True, dirs_exist_ok=True)
    else:
        shared.refresh()
