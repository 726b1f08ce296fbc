"""Runs a program and measures its process tree: seconds, CPU, peak memory; Linux alone.

This process adopts the orphans of the programs that it starts, so that their CPU time counts too.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_SET_CHILD_SUBREAPER = 36
_TICKS, _PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_SAMPLE_SECONDS = 0.1
_ORPHANS_END_WITHIN = 30.0
_NOT_PASSED_ON = ("BOOKING_", "DAGSTER_", "DBT_", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")
"""Variables that are not passed on: other configuration, and what would recompile each import."""


@dataclass(frozen=True)
class Measurement:
    """One run of one program.

    Attributes:
        seconds: From the start of the process to its end.
        cpu_seconds: User and system, of all processes of the tree.
        peak_mib: Most memory of the tree at one instant, pages of files counted once.
        server_cpu_seconds: What the sandbox used meanwhile.
        other_load: Cores that other programs of the machine used meanwhile.
        output: What the program printed.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    server_cpu_seconds: float
    other_load: float
    output: str


class Failed(Exception):
    """A program ended with an error; the message has the end of its output."""


def run(command: Sequence[str], folder: Path, server: int) -> Measurement:
    """Run a program in a folder; `server` is the process of the sandbox.

    Raises:
        Failed: It ended with another code than 0, or left processes behind.
    """
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    # Earlier writes must not be flushed during this program's time.
    os.sync()
    before, server_before, busy_before = _cpu(), _cpu_of(server), busy_seconds()
    started = time.perf_counter()
    with (folder / "output.log").open("wb") as output, _Peak(server) as peak:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - started
        busy = busy_seconds() - busy_before
    _await_orphans({server})
    text = (folder / "output.log").read_text(encoding="utf-8", errors="replace")
    if code:
        raise Failed(f"{' '.join(command)} ended with {code}:\n{text[-3000:]}")
    (own, children), server_cpu = _cpu(), _cpu_of(server) - server_before
    cpu = children - before[1]
    return Measurement(
        seconds=seconds,
        cpu_seconds=cpu,
        peak_mib=peak.bytes / 2**20,
        server_cpu_seconds=server_cpu,
        other_load=max(0.0, busy - cpu - server_cpu - (own - before[0])) / seconds,
        output=text,
    )


class _Peak:
    """Samples the resident memory of this process's descendants but the server."""

    def __init__(self, server: int) -> None:
        self.bytes = 0
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.bytes = max(self.bytes, _memory(self._server))


def _memory(server: int) -> int:
    """The bytes of this process's descendants but the server.

    Of file pages, libraries above all, those of the process with most: the others share them.
    """
    own, shared = 0, 0
    for process in _descendants(os.getpid(), server):
        resident, of_files = _pages(process)
        own, shared = own + resident - of_files, max(shared, of_files)
    return (own + shared) * _PAGE_BYTES


def _descendants(process: int, *without: int) -> Iterator[int]:
    """The processes that a process started, and theirs; not those named, nor theirs."""
    children: dict[int, list[int]] = {}
    for one in _processes():
        if fields := _stat(one):
            children.setdefault(int(fields[1]), []).append(one)
    parents = [process]
    while parents:
        found = [one for one in children.get(parents.pop(), ()) if one not in without]
        parents += found
        yield from found


def cpu_of_tree(process: int) -> float:
    """CPU seconds of a process and all that it started, also those that have ended."""
    trees = [_stat(one) for one in (process, *_descendants(process))]
    return sum(sum(map(int, fields[11:15])) for fields in trees if fields) / _TICKS


def _pages(process: int) -> tuple[int, int]:
    """Resident pages, and those of them that belong to files."""
    try:
        text = Path(f"/proc/{process}/statm").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    _, resident, of_files, *_ = map(int, text.split())
    return resident, of_files


def _await_orphans(servers: Collection[int]) -> None:
    """Wait until this process has no children but the servers."""
    ends = time.monotonic() + _ORPHANS_END_WITHIN
    while left := {
        process
        for process in _processes()
        if (fields := _stat(process)) and int(fields[1]) == os.getpid() and process not in servers
    }:
        for process in left:
            os.waitpid(process, os.WNOHANG)
        if time.monotonic() > ends:
            raise Failed(f"the program left processes behind: {sorted(left)}")
        time.sleep(_SAMPLE_SECONDS)


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - quicker


def _stat(process: int) -> list[str]:
    """The fields of `/proc/PID/stat` from the state on; empty where the process has ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def _cpu() -> tuple[float, float]:
    """CPU seconds of this process, and of its children that have ended, theirs included."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, children = (usage.ru_utime + usage.ru_stime for usage in usages)
    return own, children


def _cpu_of(process: int) -> float:
    fields = _stat(process)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def busy_seconds() -> float:
    """CPU seconds of the whole machine since its start, without idle and waiting."""
    user, nice, system, _, _, *interrupts = map(
        int, Path("/proc/stat").read_text(encoding="utf-8").split(maxsplit=9)[1:9]
    )
    return (user + nice + system + sum(interrupts)) / _TICKS


def environment() -> dict[str, str]:
    """This process's environment with this package importable, without the project's variables."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)
    }
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    return kept | {"PYTHONPATH": path}
