"""The project's commands as processes: in a folder and a home of their own, without a network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import IO

SCRIPTS = Path(sys.executable).parent
OFFLINE = Path(__file__).parent / "offline"
SECONDS = 120
"""Far more than any command takes; a hanging one is a failed test and no endless one."""


@dataclass(frozen=True)
class Shell:
    """Where commands run: `folder` is the working directory; `home` should stay empty."""

    folder: Path
    home: Path

    @property
    def network_log(self) -> Path:
        """Attempts to reach anything but this machine; never written where there was none."""
        return self.home.with_name(f"{self.home.name}.network.log")

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the environment in which the tests run, but where programs are."""
        return {
            "PATH": f"{SCRIPTS}:/usr/bin:/bin",
            "HOME": str(self.home),
            "PYTHONPATH": str(OFFLINE),
            "OFFLINE_LOG": str(self.network_log),
        }

    def run(
        self,
        command: str,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        umask: int = -1,
    ) -> CompletedProcess[str]:
        """Runs one of the installed scripts to its end; with the tests' own umask by default."""
        return subprocess.run(
            [SCRIPTS / command, *arguments],
            cwd=self.folder,
            env=self.environment | dict(variables or {}),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            umask=umask,
            check=False,
        )

    @contextmanager
    def started(
        self, command: str, *arguments: str, output: IO[str] | int = subprocess.PIPE
    ) -> Iterator[subprocess.Popen[str]]:
        """One of the installed scripts; whatever still runs of it at the end is killed."""
        with subprocess.Popen(
            [SCRIPTS / command, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            # Its children are in its group, and nobody else is.
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def shell(parent: Path) -> Shell:
    """An empty folder, and an empty home, within `parent`."""
    made = Shell(parent / "work", parent / "home")
    made.folder.mkdir(parents=True)
    made.home.mkdir()
    return made


def unfolded(text: str) -> str:
    """What a command said, whatever the width at which its lines were broken."""
    return re.sub(r"\s+", " ", text)
