"""Runs the installed commands as processes, in a temporary folder and home, without a network."""

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
SECONDS = 600
"""The timeout of a command: far more than any takes, on a busy machine too."""


@dataclass(frozen=True)
class Shell:
    """Where commands run: `folder` is the working directory; `home` must stay empty."""

    folder: Path
    home: Path

    @property
    def network_log(self) -> Path:
        """The log of attempts to reach another machine; no file where there was none."""
        return self.home.with_name(f"{self.home.name}.network.log")

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a command: none of those with which the tests run."""
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
        """Run an installed script to its end, with the umask of the tests by default."""
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
        """Start an installed script; at the end, kill it and its children."""
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
    """A shell with an empty folder and an empty home within `parent`."""
    made = Shell(parent / "work", parent / "home")
    made.folder.mkdir(parents=True)
    made.home.mkdir()
    return made


def unfolded(text: str) -> str:
    """The output of a command without line breaks."""
    return re.sub(r"\s+", " ", text)
