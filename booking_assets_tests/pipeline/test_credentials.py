"""Credentials: a file in a folder, as systemd, Kubernetes and Docker give them, or a variable."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

import pytest

from booking_assets.api.authentication import ClientSecret, Token
from booking_assets.api.errors import MissingCredential, UnreadableCredential
from booking_assets.pipeline.connections import MAX_CREDENTIAL_BYTES, configured_credential
from booking_assets.settings import Organization, load_settings

CANARY = "canary-of-a-credential"
NAME = "BOOKING_TOKEN_ACME"
ACME = Organization(slug="acme", identifier=UUID(int=1), token_env=NAME)
MANY = 6_000
A_TOKEN = 470
"""Characters of a token, as in docs/scale.md."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "credentials"
    made.mkdir()
    return made


def read(folder: Path | None, variables: Mapping[str, str] | None = None) -> Token | ClientSecret:
    return configured_credential(ACME, folder, variables or {})


@pytest.mark.parametrize("text", [CANARY, f"{CANARY}\n", f"\ufeff{CANARY}\r\n", f" {CANARY} \n\n"])
def test_the_file_of_its_name_is_the_credential_without_the_line_break(
    folder: Path, text: str
) -> None:
    (folder / NAME).write_bytes(text.encode())
    assert read(folder) == Token(CANARY)


def test_a_client_secret_may_be_a_file_too(folder: Path) -> None:
    (folder / "BOOKING_SECRET").write_text(CANARY)
    secret = Organization(slug="acme", identifier=UUID(int=1), secret_env="BOOKING_SECRET")
    assert configured_credential(secret, folder, {}) == ClientSecret(CANARY)


def test_a_file_wins_over_the_variable_which_counts_where_there_is_no_file(folder: Path) -> None:
    variables = {NAME: "of the environment"}
    assert read(folder, variables) == Token("of the environment")
    assert read(None, variables) == Token("of the environment")
    (folder / NAME).write_text(CANARY)
    assert read(folder, variables) == Token(CANARY)


def test_a_file_that_is_replaced_as_kubernetes_does_is_read_anew(folder: Path) -> None:
    for version in ("1", "2"):
        (folder / f"..{version}").mkdir()
        (folder / f"..{version}" / NAME).write_text(version)
    (folder / "..data").symlink_to("..1")
    (folder / NAME).symlink_to(f"..data/{NAME}")
    assert read(folder) == Token("1")
    (folder / "new").symlink_to("..2")
    (folder / "new").replace(folder / "..data")
    assert read(folder) == Token("2")


def test_without_file_and_variable_both_are_named(folder: Path) -> None:
    with pytest.raises(MissingCredential) as missing:
        read(folder)
    text = str(missing.value)
    assert text.startswith("acme: reading the credential failed")
    assert f"{folder} has no file {NAME}" in text
    assert f"the environment variable {NAME} is unset or blank" in text
    assert "BOOKING_CREDENTIALS_DIRECTORY" in missing.value.remedy


def named_pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def loop(path: Path) -> None:
    path.symlink_to(path)


def to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (Path.touch, "is empty"),
    "blank": (lambda path: path.write_text(" \n"), "is empty"),
    "a folder": (Path.mkdir, "cannot be read: Is a directory"),
    "UTF-16": (lambda path: path.write_text(CANARY, "utf-16"), "is not UTF-8 text"),
    "bytes": (lambda path: path.write_bytes(CANARY.encode() + b"\xff"), "is not UTF-8 text"),
    "too large": (
        lambda path: path.write_text(CANARY * MAX_CREDENTIAL_BYTES),
        "is larger than 64 KiB",
    ),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "is no regular file"),
    "a pipe": (named_pipe, "is no regular file"),
    "a socket": (listening, "cannot be read: No such device or address"),
    "a loop of links": (loop, "cannot be read: Too many levels of symbolic links"),
    "a dangling link": (to_nothing, "is a link to a file that is not there"),
}


@pytest.mark.parametrize(("harm", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_file_that_cannot_be_used_is_named_with_the_remedy_and_never_its_content(
    folder: Path, harm: Callable[[Path], object], reason: str
) -> None:
    harm(folder / NAME)
    with pytest.raises(UnreadableCredential) as unreadable:
        # No other credential is taken in its place.
        read(folder, {NAME: CANARY})
    text = str(unreadable.value)
    assert text.startswith("acme: reading the credential failed")
    assert f"{folder / NAME} {reason}" in text
    assert text.endswith(unreadable.value.remedy)
    assert CANARY not in text
    assert unreadable.value.__suppress_context__ or not unreadable.value.__context__


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_of_another_user_is_named(folder: Path) -> None:
    (folder / NAME).write_text(CANARY)
    (folder / NAME).chmod(0)
    with pytest.raises(UnreadableCredential, match="Permission denied"):
        read(folder)


def test_a_folder_that_is_not_there_is_named_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCredential, match="its folder is not there"):
        read(tmp_path / "nowhere", {NAME: CANARY})


def configured(folder: Path, organizations: int) -> None:
    """A `booking.toml` of so many organizations."""
    tables = [
        f'[[organizations]]\nslug = "o{number}"\nidentifier = "{UUID(int=number)}"\n'
        f'token_env = "BOOKING_TOKEN_{number}"\n'
        for number in range(organizations)
    ]
    text = "\n".join(['[api]\nbase_url = "https://example.com"\n', *tables])
    (folder / "booking.toml").write_text(text, encoding="utf-8")


def test_our_variable_names_the_folder_else_that_of_systemd(tmp_path: Path) -> None:
    configured(tmp_path, 1)

    def found(**variables: str) -> Path | None:
        return load_settings(variables, tmp_path).credentials_folder

    assert found() is None
    assert found(CREDENTIALS_DIRECTORY="/run/credentials/it") == Path("/run/credentials/it")
    assert found(BOOKING_CREDENTIALS_DIRECTORY="", CREDENTIALS_DIRECTORY="/run/it") == Path(
        "/run/it"
    )
    both = found(BOOKING_CREDENTIALS_DIRECTORY="ours", CREDENTIALS_DIRECTORY="/run/it")
    assert both == tmp_path / "ours"


READ_ALL = """
from booking_assets.pipeline.connections import configured_credential
from booking_assets.settings import load_settings

settings = load_settings()
found = [configured_credential(one, settings.credentials_folder) for one in settings.organizations]
print(len({one.value for one in found}))
"""


def test_a_process_has_the_credentials_of_more_organizations_than_an_environment_can_hold(
    tmp_path: Path, folder: Path
) -> None:
    configured(tmp_path, MANY)
    tokens = {f"BOOKING_TOKEN_{number}": f"{number:0{A_TOKEN}}" for number in range(MANY)}
    command = [sys.executable, "-c", READ_ALL]
    with pytest.raises(OSError, match=os.strerror(errno.E2BIG)):
        subprocess.run(command, cwd=tmp_path, env=tokens, check=True)
    for name, token in tokens.items():
        (folder / name).write_text(f"{token}\n")
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={"BOOKING_CREDENTIALS_DIRECTORY": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert ended.stdout.split() == [str(MANY)]
