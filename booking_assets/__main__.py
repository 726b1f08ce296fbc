"""Starts the command line: `booking-assets`, or `python -m booking_assets`.

What lives here: what must happen before anything is imported. What must not: commands (`cli`).
Read more: https://docs.python.org/3/library/gc.html#gc.freeze
"""

from __future__ import annotations

import gc


def main() -> None:
    """Runs a command.

    What is imported stays to the end. The garbage collector rests meanwhile, and never looks for
    garbage in it afterwards: both together are a tenth of a refresh.
    """
    gc.disable()
    from booking_assets.cli.main import main as command  # noqa: PLC0415 - the collector rests first

    gc.freeze()
    gc.enable()
    command()


if __name__ == "__main__":
    main()
