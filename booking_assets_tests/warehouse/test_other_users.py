"""Other users of the machine: who may read what is published, and that nobody writes it.

Run by root, the tests give files to a group, and act as a user who is only a member of it. Run by
somebody else, they act as that user: the owner, who may not write the published files either.
"""

from __future__ import annotations

import dataclasses
import grp
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import duckdb
import pytest

from booking_assets.tables.catalog import TABLES
from booking_assets.tables.raw import EVENTS
from booking_assets.warehouse.errors import GroupUnusable
from booking_assets.warehouse.export import export_snapshot
from booking_assets.warehouse.warehouse import Warehouse
from booking_assets_tests.warehouse.test_snapshot import refreshed, versions

limited_export = partial(export_snapshot, memory_limit="192MB", threads=2)
IS_ROOT = os.getuid() == 0
USER = 60_001 if IS_ROOT else os.getuid()
"""Without a name or a group of its own: it has the rights of the group alone."""
NAMED = {one.gr_name: one.gr_gid for one in grp.getgrall()}
OWN = {name for name, number in NAMED.items() if IS_ROOT or number in os.getgroups()}
GROUP, NUMBER = max(
    ((name, NAMED[name]) for name in sorted(OWN)), key=lambda one: one[1] != os.getgid()
)
"""A group that this user may give files to, another one than files have anyway if there is one."""

# The user is changed after the imports: it need not be allowed to read Python's files.
ACT = """
import os, sys
import duckdb
from pathlib import Path
from booking_assets.warehouse.publication import publish_version
path, user, group = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if user != os.getuid():
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
os.chdir("/")
"""
OPEN = f"""{ACT}
try:
    con = duckdb.connect(str(path))
    print("opened", flush=True)
    con.execute("CREATE TABLE raw.mine AS SELECT 1")
    print("written", flush=True)
except duckdb.Error as error:
    print(type(error).__name__, flush=True)
sys.stdin.readline()
with duckdb.connect(str(path), read_only=True) as reader:
    print(reader.execute("SELECT count(*) FROM raw.events").fetchall(), flush=True)
"""
PUBLISH = f"""{ACT}
try:
    publish_version(path, lambda folder: not (folder / "x").touch(), keep=3, group=sys.argv[4])
    print("published")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own belong to the user alone."""
    folder = Path(tempfile.mkdtemp(prefix="booking-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def published(warehouse: Warehouse, landing: Path, shared: Path) -> Warehouse:
    """A warehouse whose snapshot is in the shared folder, for the group."""
    snapshot = shared / "booking.snapshot.duckdb"
    given = dataclasses.replace(warehouse, snapshot=snapshot, readers_group=GROUP)
    refreshed(given, landing)
    given.publish()
    return given


def modes(root: Path) -> dict[str, tuple[int, str]]:
    """Group and mode of all that is at a path."""
    found = {}
    for path in (root, *(() if root.is_symlink() else sorted(root.rglob("*")))):
        status = path.lstat()
        kind = "link" if path.is_symlink() else oct(stat.S_IMODE(status.st_mode))
        found[path.name] = (status.st_gid, kind)
    return found


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_a_default_open_by_another_user_locks_nobody_out_and_changes_nothing(
    published: Warehouse,
) -> None:
    version = published.snapshot.resolve()
    before = version.read_bytes()
    with run(OPEN, published.snapshot, USER, NUMBER) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == "IOException\n"
        with duckdb.connect(str(version), read_only=True) as other:
            assert other.execute("SELECT count(*) FROM raw.events").fetchall() == [(4,)]
        newer = published.publish()
        output, errors = user.communicate("go on\n")
    assert (output, errors) == ("[(4,)]\n", "")
    assert published.snapshot.resolve() == newer.version.resolve() != version
    assert version.read_bytes() == before
    assert [path.name for path in version.parent.iterdir()] == ["booking.duckdb"]


def test_what_is_published_belongs_to_the_group_which_may_read_it_alone(
    published: Warehouse, shared: Path
) -> None:
    snapshot = published.snapshot
    published.publish()
    former, newest = versions(published)
    folder, file = (NUMBER, "0o750"), (NUMBER, "0o440")
    assert modes(snapshot) == {snapshot.name: (NUMBER, "link")}
    assert modes(Path(f"{snapshot}.d")) == {
        f"{snapshot.name}.d": folder,
        former: folder,
        newest: folder,
        "booking.duckdb": file,
    }
    limited_export(snapshot, shared / "export", "parquet", [EVENTS], [], group=GROUP)
    assert modes(shared / "export") == {
        "export": folder,
        "raw.events.parquet": (NUMBER, "0o640"),
    }


def test_an_unknown_group_is_named_with_the_remedy_and_the_last_snapshot_stays(
    published: Warehouse, shared: Path
) -> None:
    before = versions(published)
    unknown = dataclasses.replace(published, readers_group="no-such-group")
    fault = (
        r"stays, since the group 'no-such-group' of \[publish\] in booking.toml does not exist on"
        r" this machine\. To publish, create it, or correct the name$"
    )
    with pytest.raises(GroupUnusable, match=fault):
        unknown.publish()
    assert versions(published) == before
    with pytest.raises(GroupUnusable, match=fault):
        limited_export(
            published.snapshot, shared / "export", "csv", TABLES, [], group="no-such-group"
        )
    assert [path.name for path in shared.iterdir() if "export" in path.name] == []


def test_a_group_that_this_user_may_not_give_files_to_is_named_with_the_remedy(
    shared: Path,
) -> None:
    if IS_ROOT:
        os.chown(shared, USER, NUMBER)
    foreign = min(NAMED.keys() - ({GROUP} if IS_ROOT else OWN))
    with run(PUBLISH, shared / "report", USER, NUMBER, foreign) as user:
        output, errors = user.communicate()
    assert errors == ""
    assert output == (
        "GroupUnusable Nothing was written, and what was published before stays, since the group"
        f" {foreign!r} of [publish] in booking.toml cannot be given {shared / 'report.d'}: this"
        " user is not a member of it, or not the owner. To publish, add the user to the group and"
        " start a new session, or name another group\n"
    )
    assert not (shared / "report").exists()
    assert [*(shared / "report.d").iterdir()] == []
