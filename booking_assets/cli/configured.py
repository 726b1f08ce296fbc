"""What commands begin with: the console, the settings, the organizations that were named."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import click
from dotenv import load_dotenv
from rich.console import Console

from booking_assets.defs.sandbox import effective_settings
from booking_assets.settings import Settings, SettingsError

PIPE_COLUMNS = 200
"""The width of a log: as wide as the widest table, so that nothing is cut."""


class _Descriptor(io.FileIO):
    """A stream whose reader may go away: `| head` closes a pipe, and a window its terminal."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            return memoryview(data).nbytes


def open_console(stream: TextIO | None = None) -> Console:
    """A console on stdout, or another stream, as wide as the terminal, or as a log.

    It reads no markup: paths, slugs and messages may hold brackets. Colors are styles. It writes to
    a duplicate of the descriptor, because Dagster redirects stdout within a step, and replaces what
    the encoding of the terminal lacks. Where its reader is gone, the command goes on unseen.
    """
    stream = stream or sys.stdout
    with suppress(io.UnsupportedOperation):  # no file, as in tests of commands
        stream.flush()
        copy = _Descriptor(os.dup(stream.fileno()), "w")
        stream = io.TextIOWrapper(
            io.BufferedWriter(copy), stream.encoding, errors="replace", line_buffering=True
        )
    width = None if stream.isatty() else PIPE_COLUMNS
    return Console(file=stream, markup=False, highlight=False, width=width)


def configured_settings(console: Console) -> Settings:
    """The effective settings; secrets may be in an `.env` beside them.

    Raises:
        SettingsError: with every fault of the configuration, or an `.env` that is no UTF-8 text.
    """
    load_secrets(Path.cwd() / ".env")
    settings = effective_settings()
    if settings.root != Path.cwd():
        load_secrets(settings.root / ".env")
    if settings.api is None:
        console.print("No booking.toml: using the sandbox, started and stopped for this.")
    return settings


def load_secrets(path: Path) -> None:
    """Variables of an `.env`, with or without a byte order mark, where they are not set yet."""
    if path.is_dir():
        raise SettingsError(str(path), ("it is a folder; move it away, or make it a file",))
    try:
        load_dotenv(path, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), ("it is not UTF-8 text; save it as UTF-8",)) from error
    except OSError as error:
        fault = f"it cannot be read: {error.strerror}; let this user read it"
        raise SettingsError(str(path), (fault,)) from error


def selected_slugs(settings: Settings, organizations: Sequence[str]) -> list[str]:
    """The named organizations in the order of the settings; all of them where none is named."""
    known = settings.slugs
    unknown = sorted(set(organizations) - set(known))
    if unknown:
        raise click.BadParameter(
            f"{', '.join(unknown)}: not in {settings.source}; known: {', '.join(known[:20])}"
        )
    return [slug for slug in known if not organizations or slug in organizations]
