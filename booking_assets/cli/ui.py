"""`booking-assets ui`: the Dagster UI and its daemon, on the instance that refresh uses."""

from __future__ import annotations

import logging
import runpy
import signal
import socket
import sys
import warnings
from importlib import resources

import click
import dagster as dg

from booking_assets.cli.configured import configured_settings, open_console
from booking_assets.defs.instance import prepare_dagster_home
from booking_assets.defs.processes import end_dead_runs

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
SUPERSEDED = "Function `dev_command` is superseded"
"""Dagster recommends `dg dev`, which is not installed with the project: that is our choice."""
OTHER_INSTANCE = "Found a dagster instance configuration value"
"""Dagster warns of the `dagster.yaml` of a checkout, which is for `dagster dev` in it."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65_535))
def ui(host: str, port: int) -> None:
    """Open the Dagster UI, with its daemon, on the instance that refresh uses."""
    console = open_console()
    _require_free(host, port)
    settings = configured_settings(console)
    home = prepare_dagster_home(settings)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        end_dead_runs(instance)
    if host not in LOOPBACK:
        console.print(
            f"The UI has no login: whoever reaches {host} can start runs.", style="yellow"
        )
    console.print(f"Dagster UI: http://{host}:{port} (state in {home}; stop with Ctrl-C)")
    # The file names the code location: a schedule's state is kept by that name.
    workspace = str(resources.files("booking_assets").joinpath("workspace.yaml"))
    warnings.filterwarnings("ignore", SUPERSEDED, FutureWarning)
    logging.getLogger("dagster").addFilter(
        lambda record: not record.getMessage().startswith(OTHER_INSTANCE)
    )
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So a script starts it in the background, and Dagster then ignores SIGTERM as well.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[1:] = ["dev", "-w", workspace, "-h", host, "-p", str(port)]
    # As `python -m dagster`, but in this process, which has imported Dagster.
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)


def _require_free(host: str, port: int) -> None:
    """Refuse an address on which the UI cannot listen: Dagster would announce it and never end."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
    except OSError as error:
        raise click.ClickException(
            f"{host}:{port} cannot be used ({error.strerror}); name another with --port or --host"
        ) from error
