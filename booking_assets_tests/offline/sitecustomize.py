"""No network for a process: Python loads this at its start where PYTHONPATH names the folder.

Loopback and Unix sockets go on. Any other attempt fails as on a machine without a network, and is
written to the file that OFFLINE_LOG names, so that one that is swallowed is seen as well.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

_LOOPBACK = {None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"}
_HOST_OF = {"socket.getaddrinfo": 0, "socket.connect": 1, "socket.sendto": 1}


def _refuse_network(event: str, args: tuple[object, ...]) -> None:
    if event not in _HOST_OF:
        return
    address = args[_HOST_OF[event]]
    if event != "socket.getaddrinfo":
        # The address of a Unix socket is a path, those of the others are tuples.
        address = address[0] if isinstance(address, tuple) else None
    host = address.decode() if isinstance(address, bytes) else address
    if host not in _LOOPBACK:
        with Path(os.environ["OFFLINE_LOG"]).open("a", encoding="utf-8") as log:
            log.write(f"{event} {host}\n")
        raise OSError(errno.ENETUNREACH, f"{event} {host}: this process has no network")


sys.addaudithook(_refuse_network)
