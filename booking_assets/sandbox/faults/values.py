"""How the value of a fault switch is written, and what it must be.

What lives here: `Value`, and one for each notation that the switches share.
What must not: the switches (`registry`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from booking_assets.sandbox.faults.weather import Limit, Outage

T = TypeVar("T")


@dataclass(frozen=True)
class Value(Generic[T]):
    """How a switch's value is written.

    Attributes:
        placeholder: What stands for it in the help; empty for a switch that takes none.
        rule: What it must be, for errors.
        read: Reads it; raises ValueError where it breaks the rule.
    """

    placeholder: str
    rule: str
    read: Callable[[str], T]


def one_of(placeholder: str, choices: tuple[T, ...]) -> Value[T]:
    """One of a closed set."""
    known = {str(choice): choice for choice in choices}

    def read(text: str) -> T:
        if text not in known:
            raise ValueError(text)
        return known[text]

    return Value(placeholder, f"{placeholder} is one of {', '.join(known)}", read)


def _share(text: str) -> float:
    return _checked(float(text), lambda share: 0 <= share <= 1)


def _seconds(text: str) -> float:
    return _checked(float(text), lambda seconds: 0 < seconds < float("inf"))


def _natural(text: str) -> int:
    return _checked(int(text), lambda number: number >= 0)


def _positive(text: str) -> int:
    return _checked(int(text), lambda number: number > 0)


def _difference(text: str) -> int:
    return _checked(int(text), bool)


def _limit(text: str) -> Limit:
    requests, _, seconds = text.partition("/")
    return Limit(_natural(requests), _seconds(seconds or "1"))


def _outage(text: str) -> Outage:
    seconds, _, first = text.partition("/")
    return Outage(_seconds(seconds), _positive(first or "1"))


def _text(text: str) -> str:
    return _checked(text, bool)


def _checked(value: T, holds: Callable[[T], bool]) -> T:
    if not holds(value):
        raise ValueError(value)
    return value


FLAG: Value[str] = Value("", "it takes no value", str)
SHARE = Value("SHARE", "SHARE is a number from 0 to 1", _share)
SECONDS = Value("SECONDS", "SECONDS is a number above 0", _seconds)
WAIT = Value("SECONDS", "SECONDS is a whole number above 0", _positive)
SPEED = Value("BYTES", "BYTES a second is a number above 0", _seconds)
LIMIT = Value(
    "REQUESTS[/SECONDS]", "REQUESTS is a whole number, SECONDS (1) a number above 0", _limit
)
OUTAGE = Value(
    "SECONDS[/FIRST]", "SECONDS is a number above 0, FIRST (1) a whole number above 0", _outage
)
PAGES = Value("PAGES", "PAGES is a whole number from 0", _natural)
EVERY = Value("PAGES", "PAGES is a whole number above 0", _positive)
ROWS = Value("ROWS", "ROWS is a whole number from 0", _natural)
SIZE = Value("ROWS", "ROWS is a whole number above 0", _positive)
DIFFERENCE = Value("DIFFERENCE", "DIFFERENCE is a whole number, not 0", _difference)
REQUESTS = Value("REQUESTS", "REQUESTS is a whole number above 0", _positive)
SLUG = Value("SLUG", "SLUG is an organization of the sandbox", _text)
