"""The command group: `booking-assets`. Each command is a module of its own name."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

import click

INTERRUPTED = 130
"""The exit code of a command that a signal ended: 128 and the number of Ctrl-C's."""
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

COMMANDS = {
    "refresh": "Collect, derive and publish once.",
    "ui": "Open the Dagster UI, with its daemon, on the instance that refresh uses.",
    "check": "Verify the settings, and ask every credential what it answers for.",
    "rebuild": "Make a new warehouse and snapshot from the landings; keep the histories.",
    "report": "Write the HTML report of the published snapshot, and say where it is.",
    "pull": "Bring the newest published snapshot from the object store to this machine.",
    "export": "Write the published tables to a new FOLDER, a file for each, whole or not at all.",
    "api": "Ask the API for rows of one organization, by one of its operations.",
    "alert": "Send a test message to those whom booking.toml names under [alerts].",
    "forget": "Remove an organization's rows, history, landings, report page and versions.",
    "sandbox": "Serve a stand-in Booking API on this machine until stopped.",
}
"""Each command's summary: to list them, no command has to be imported."""


class _LazyGroup(click.Group):
    """Imports a command when it is called: Dagster alone takes a second."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            for number in (signal.SIGINT, *_SIGNALS):
                signal.signal(number, signal.SIG_IGN)
            said = str(error) or (
                "Interrupted: what was stored and published before stays. Run it again."
            )
            with suppress(OSError):  # the terminal may be closed
                # Over the ^C that the terminal shows.
                click.echo(f"\r{said}" if sys.stderr.isatty() else said, err=True)
                sys.stdout.flush()
            # Threads that wait for a response would hold up the end of the process.
            os._exit(INTERRUPTED)
        except Exception as error:
            from booking_assets.cli.errors import explanation  # noqa: PLC0415 - imports Dagster's

            explained = explanation(error)
            if explained is None:
                raise
            message, code = explained
            click.echo(message, err=True)
            return ctx.exit(code)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(imported(f"booking_assets.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


def imported(name: str) -> Any:
    """Import a module without searching for garbage.

    What modules define stays: to search it is a fifth of the time of the imports.
    """
    with _signals_wait():
        gc.disable()
        module = import_module(name)
        gc.freeze()
        gc.enable()
    return module


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Handle a signal at the end of the block.

    Python ignores an exception within the release of a module's lock, or never releases it: the
    command would go on, and threads that import the module, too, would wait forever.
    """
    came: list[int] = []
    is_possible = threading.current_thread() is threading.main_thread()
    handlers = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)  # SIGHUP becomes SIGTERM
        if is_possible and callable(handler := signal.getsignal(number))
    }
    for number in handlers:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def receive_signals() -> None:
    """End on SIGTERM (systemd) and SIGHUP (a closed terminal) as on Ctrl-C; nohup stays nohup."""
    # SQLAlchemy logs a traceback of the signal that came while it closes a connection.
    logging.getLogger("sqlalchemy").addHandler(logging.NullHandler())
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        # By its handler of the moment: within a run, that is Dagster's.
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="booking-assets")
def main() -> None:
    """Count, collect, verify and derive Shift iQ Booking events, organization by organization.

    Without a booking.toml, every command works on a sandbox that it starts and stops.
    """
