"""Starts the Dagster UI by a command, prints the seconds until it answers, and ends it.

`python -m benchmarks.answer COMMAND...`; a port is added to the command. It answers once GraphQL
lists the repository of a code location: its assets and jobs can be asked for.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from urllib.request import Request, urlopen

_EVERY = 0.02
_WITHIN = 300.0
_QUERY = "{repositoriesOrError {... on RepositoryConnection {nodes {name}}}}"


def main() -> None:
    """Start, wait, end; the exit code is 1 where it ended by itself or did not answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.perf_counter()
    with subprocess.Popen((*sys.argv[1:], "--port", str(port)), stdout=sys.stderr) as process:
        try:
            while not _answers(port):
                if process.poll() is not None or time.perf_counter() > started + _WITHIN:
                    sys.exit(f"the UI did not answer; its exit code: {process.returncode}")
                time.sleep(_EVERY)
            seconds = time.perf_counter() - started
        finally:
            process.terminate()
    print(seconds)


def _answers(port: int) -> bool:
    query = Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": _QUERY}).encode(),
        {"Content-Type": "application/json"},
    )
    with suppress(OSError, ValueError), urlopen(query, timeout=10) as response:
        found = json.load(response).get("data") or {}
        return bool(found.get("repositoriesOrError", {}).get("nodes"))
    return False


if __name__ == "__main__":
    main()
