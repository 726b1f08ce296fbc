"""Every fault switch by its name, and reading those that are on: `NAME[=VALUE][@SLUG]`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from booking_assets.sandbox.faults import availability, data
from booking_assets.sandbox.faults.contract import AnySwitch, FaultError, FaultRequest

SWITCHES: Mapping[str, AnySwitch] = {
    switch.name: switch for switch in (*availability.SWITCHES, *data.SWITCHES)
}
"""In the order in which the faults are applied, the outermost first."""


@dataclass(frozen=True)
class Fault:
    """A switch with its value, and the slug of the organization that it is limited to, if any."""

    switch: AnySwitch
    value: Any
    organization: str | None = None

    def concerns(self, request: FaultRequest) -> bool:
        """Whether the fault applies to a request."""
        if request.resource is None and not self.switch.everywhere:
            return False
        return self.organization in {None, request.tenant.slug if request.tenant else None}


@dataclass(frozen=True)
class Faults:
    """The faults of a sandbox, the outermost first; `seconds` is the monotonic clock of limits."""

    chosen: tuple[Fault, ...] = ()
    seed: int = 0
    seconds: Callable[[], float] = time.monotonic


NO_FAULTS = Faults()


def fault_table() -> tuple[tuple[str, str, str], ...]:
    """Every switch as (name, value, meaning and rule), for people; a flag has no value."""
    rows = [(name, switch.value, switch.meaning) for name, switch in SWITCHES.items()]
    return tuple(
        (name, value.placeholder, f"{meaning} {value.rule}." if value.placeholder else meaning)
        for name, value, meaning in rows
    )


def parse_faults(
    texts: Iterable[str], seed: int = 0, switches: Mapping[str, AnySwitch] = SWITCHES
) -> Faults:
    """Read `NAME[=VALUE][@SLUG]` texts; the seed decides which requests fail, where chance does.

    Raises:
        FaultError: A name is unknown or given twice for the same organization, or a value breaks
            its rule. The message names all of them.
    """
    faults, errors = [], []
    for text in texts:
        try:
            faults.append(_fault(text, switches))
        except FaultError as error:
            errors.append(str(error))
    keys = [(fault.switch.name, fault.organization) for fault in faults]
    errors += [
        f"{name}: given twice{f' for {slug}' if slug else ''}; give it once"
        for name, slug in dict.fromkeys(key for key in keys if keys.count(key) > 1)
    ]
    if errors:
        raise FaultError("\n".join(errors))
    order = list(switches)
    faults.sort(key=lambda fault: order.index(fault.switch.name))
    return Faults(tuple(faults), seed)


def _fault(text: str, switches: Mapping[str, AnySwitch]) -> Fault:
    setting, at, slug = text.partition("@")
    name, equals, given = setting.partition("=")
    switch = switches.get(name)
    if switch is None:
        raise FaultError(f"{text}: no fault is called {name!r}; known: {', '.join(switches)}")
    if at and not slug:
        raise FaultError(f"{text}: the organization's slug is missing after @")
    value = switch.value
    try:
        read = value.read(given)
        usable = bool(equals) == bool(value.placeholder) and value.holds(read)
    except ValueError:
        usable = False
    if not usable:
        usage = f"{name}={value.placeholder}" if value.placeholder else name
        raise FaultError(f"{text}: write {usage}; {value.rule}")
    return Fault(switch, read, slug or None)
