"""Which systems the package runs on; asked by `__main__` and `definitions` before other imports.

It runs where `fcntl` is: file locks are in `files`.
"""

from __future__ import annotations

import sys


def unsupported_system() -> str | None:
    """Returns the error message where the package cannot run: on native Windows."""
    if sys.platform == "win32":
        return (
            "booking-assets does not run on native Windows, which has no POSIX file locks: "
            "install WSL (`wsl --install`), then install and run booking-assets inside it"
        )
    return None
