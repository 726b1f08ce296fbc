"""Which faults are switched on, as written on a command line.

What lives here: `Faults`, and reading it from `name=value@slug`.
What must not: which switches there are (`registry`), putting them to work (`middleware`).
Read more: `docs/sandbox.md`, "Faults".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from booking_assets.sandbox.faults import drift, organizations
from booking_assets.sandbox.faults.contract import Asked, FaultError
from booking_assets.sandbox.faults.registry import EMPTY_FOREIGN, ERA, SWITCHES, Switch
from booking_assets.sandbox.tenants import Tenant


@dataclass(frozen=True)
class Fault:
    """A switch with its value: `organization` is the slug that it is limited to, if any."""

    switch: Switch[Any]
    value: Any
    organization: str | None = None

    def concerns(self, asked: Asked) -> bool:
        """Whether a request is in the fault's reach."""
        if asked.resource is None and not self.switch.everywhere:
            return False
        return self.organization in {None, asked.tenant.slug if asked.tenant else None}


@dataclass(frozen=True)
class Faults:
    """The faults of a sandbox, the outermost first; the same seed gives the same course."""

    chosen: tuple[Fault, ...] = ()
    seed: int = 0

    def __bool__(self) -> bool:
        return bool(self.chosen)

    def prefix(self, prefix: str) -> str:
        """What precedes `/booking`: another release has another one."""
        later = any(fault.switch is ERA and fault.value == "C" for fault in self.chosen)
        return prefix + drift.LATER_PREFIX if later else prefix

    def tenants(self, tenants: Iterable[Tenant]) -> tuple[Tenant, ...]:
        """The tenants with the tokens that a user of the sandbox shall configure."""
        empty = [fault for fault in self.chosen if fault.switch is EMPTY_FOREIGN]
        return tuple(
            organizations.holding_stranger_token(tenant)
            if any(fault.organization in {None, tenant.slug} for fault in empty)
            else tenant
            for tenant in tenants
        )


NO_FAULTS = Faults()


def parse_faults(texts: Iterable[str], seed: int = 0) -> Faults:
    """Read switches as they are written on a command line.

    Args:
        texts: Each `name`, `name=value`, or one of them followed by `@slug`, which limits the fault
            to that organization.
        seed: Which requests are struck, where chance decides.

    Raises:
        FaultError: A name is unknown or given twice for the same organization, a value breaks its
            rule. All of them are told at once.
    """
    faults, errors = [], []
    for text in texts:
        try:
            faults.append(_fault(text))
        except FaultError as error:
            errors.append(str(error))
    keys = [(fault.switch.name, fault.organization) for fault in faults]
    errors += [
        f"{name}: given twice{f' for {slug}' if slug else ''}; give it once"
        for name, slug in dict.fromkeys(key for key in keys if keys.count(key) > 1)
    ]
    if errors:
        raise FaultError("\n".join(errors))
    order = list(SWITCHES)
    faults.sort(key=lambda fault: order.index(fault.switch.name))
    return Faults(tuple(faults), seed)


def _fault(text: str) -> Fault:
    setting, at, slug = text.partition("@")
    name, equals, value = setting.partition("=")
    switch = SWITCHES.get(name)
    if switch is None:
        raise FaultError(f"{text}: no fault is called {name!r}; known: {', '.join(SWITCHES)}")
    if at and not slug:
        raise FaultError(f"{text}: the organization's slug is missing after @")
    if at and not switch.divisible:
        raise FaultError(f"{text}: {name} holds for the whole server; leave @{slug} out")
    if bool(equals) != bool(switch.value.placeholder):
        raise FaultError(f"{text}: write {_usage(switch)}; {switch.value.rule}")
    try:
        return Fault(switch, switch.value.read(value), slug or None)
    except ValueError:
        raise FaultError(f"{text}: write {_usage(switch)}; {switch.value.rule}") from None


def _usage(switch: Switch[Any]) -> str:
    return f"{switch.name}={switch.value.placeholder}" if switch.value.placeholder else switch.name
