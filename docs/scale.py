"""Computes the table of docs/scale.md from the inputs that stand there: `python docs/scale.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

REGISTRATIONS_AN_EVENT = 6.4
NAMES = 45
"""Groups and achievements of an organization, in a request for each of the two."""
PAGE, SEARCH, FILE = 500, 5_000, 10_000
"""Rows of a page, identifiers of a search, rows of a file of a landing."""
LANDINGS_KEPT, TICKETS_KEPT = 3, 3

# Measured; milliseconds are CPU time.
COLLECT_MS, COLLECT_EVENT_MS, COLLECT_REGISTRATION_MS = 74.0, 0.024, 0.026
RUN_START_MS, RUN_START_ORGANIZATION_MS = 2_700.0, 0.037
LOAD_MS, LOAD_EVENT_MS, LOAD_REGISTRATION_MS = 4.9, 0.0069, 0.0014
DERIVE_MS, DERIVE_EVENT_MS, DERIVE_REGISTRATION_MS = 2.4, 0.046, 0.0052
API_BYTES, API_EVENT_BYTES, API_REGISTRATION_BYTES = 33_400, 1_765, 1_123
LANDED_BYTES, LANDED_EVENT_BYTES, LANDED_REGISTRATION_BYTES = 54_000, 87, 43
STORED_EVENT_BYTES, STORED_REGISTRATION_BYTES = 528, 62
LISTED_BYTES = 930
"""Memory of the writer for each object that it lists."""
LOG_EVENTS, LOG_EVENT_BYTES, LOG_MS = 5, 2_000, 13.0
"""An organization's events in Dagster's log, and PostgreSQL's CPU time for them."""

# Assumed.
API_SECONDS, STORE_SECONDS, LIST_SECONDS = 0.150, 0.020, 0.100
AT_ONCE, REQUESTS_AT_ONCE, STORE_AT_ONCE = 4, 4, 4
ORGANIZATIONS_A_RUN = 250
PUT_DOLLARS, GET_DOLLARS, MONTH_DOLLARS = 0.005 / 1_000, 0.0004 / 1_000, 0.023 / 1e9


@dataclass(frozen=True)
class Target:
    """An installation, and a full round of all its organizations."""

    organizations: int
    events: int
    """Of each organization."""
    has_registrations: bool = True

    @property
    def rows(self) -> list[int]:
        """Rows of each resource of an organization."""
        seats = [round(self.events * REGISTRATIONS_AN_EVENT)] if self.has_registrations else []
        return [self.events, *seats, NAMES, NAMES]

    @property
    def registrations(self) -> int:
        """Of each organization."""
        return self.rows[1] if self.has_registrations else 0

    def total(self, an_organization: float, an_event: float, a_registration: float) -> float:
        """Of all organizations, from the figure of each part."""
        own = an_event * self.events + a_registration * self.registrations
        return self.organizations * (an_organization + own)

    def api_requests(self, at_once: int = 1) -> int:
        """Of an organization: a count before and after the pages, and searches of several pages."""
        requests = 0
        for rows in self.rows:
            pages = ceil(rows / PAGE)
            requests += 2 + ceil(pages / at_once) + (ceil(rows / SEARCH) if pages > 1 else 0)
        return requests

    @property
    def files(self) -> int:
        """Files of an organization's landings, the manifests included."""
        return sum(ceil(rows / FILE) + 1 for rows in self.rows)

    @property
    def objects(self) -> int:
        """In the store after many rounds."""
        return self.organizations * (LANDINGS_KEPT * self.files + TICKETS_KEPT)

    @property
    def collect_cpu_hours(self) -> float:
        """Of all workers in a round."""
        runs = ceil(self.organizations / ORGANIZATIONS_A_RUN)
        starts = runs * (RUN_START_MS + RUN_START_ORGANIZATION_MS * self.organizations)
        cpu = self.total(COLLECT_MS, COLLECT_EVENT_MS, COLLECT_REGISTRATION_MS)
        return (starts + cpu) / 3.6e6

    @property
    def collect_hours(self) -> float:
        """Of one worker: the longer of waiting for the API, and of computing on its one core."""
        waiting = self.organizations * self.api_requests(REQUESTS_AT_ONCE) * API_SECONDS / AT_ONCE
        return max(waiting / 3600, self.collect_cpu_hours)

    @property
    def load_cpu_hours(self) -> float:
        """Of the writer, for every landing of a round."""
        landings = LOAD_MS * len(self.rows)
        return self.total(landings, LOAD_EVENT_MS, LOAD_REGISTRATION_MS) / 3.6e6

    @property
    def load_hours(self) -> float:
        """The same, and waiting: for the files, several at once, and for the list of everything."""
        waiting = self.organizations * self.files * STORE_SECONDS / STORE_AT_ONCE
        return self.load_cpu_hours + (waiting + self.objects / 1_000 * LIST_SECONDS) / 3600

    @property
    def derive_hours(self) -> float:
        """CPU hours of the writer."""
        return self.total(DERIVE_MS, DERIVE_EVENT_MS, DERIVE_REGISTRATION_MS) / 3.6e6

    @property
    def stored_bytes(self) -> float:
        """Of the warehouse after the first round, and of a snapshot."""
        return self.total(0, STORED_EVENT_BYTES, STORED_REGISTRATION_BYTES)

    @property
    def landed_bytes(self) -> float:
        """Of a round."""
        return self.total(LANDED_BYTES, LANDED_EVENT_BYTES, LANDED_REGISTRATION_BYTES)

    @property
    def puts(self) -> float:
        """PUT and LIST requests of a round, which cost the same."""
        return self.organizations * (3 + self.files) + self.objects / 1_000

    @property
    def dollars(self) -> float:
        """Of the requests of a round."""
        return self.puts * PUT_DOLLARS + self.organizations * self.files * GET_DOLLARS


TARGETS = (
    Target(2_000, 200),
    Target(100_000, 200),
    Target(100_000, 10_000, has_registrations=False),
    Target(100_000, 10_000),
)
ROWS: dict[str, Callable[[Target], str]] = {
    "organizations": lambda one: f"{one.organizations:,}",
    "events, millions": lambda one: f"{one.organizations * one.events / 1e6:,.1f}",
    "registrations, millions": lambda one: f"{one.organizations * one.registrations / 1e6:,.1f}",
    "requests to the API, millions": lambda one: (
        f"{one.organizations * one.api_requests() / 1e6:,.2f}"
    ),
    "JSON from the API, GB": lambda one: (
        f"{one.total(API_BYTES, API_EVENT_BYTES, API_REGISTRATION_BYTES) / 1e9:,.1f}"
    ),
    "collecting, CPU hours": lambda one: f"{one.collect_cpu_hours:,.1f}",
    "collecting, hours of one worker": lambda one: f"{one.collect_hours:,.1f}",
    "workers for a round an hour": lambda one: f"{ceil(one.collect_hours):,}",
    "machines of 4 cores for them": lambda one: f"{ceil(one.collect_cpu_hours / 4):,}",
    "API's Mbit/s then": lambda one: (
        f"{one.total(API_BYTES, API_EVENT_BYTES, API_REGISTRATION_BYTES) * 8 / 3600 / 1e6:,.0f}"
    ),
    "landed in a round, GB": lambda one: f"{one.landed_bytes / 1e9:,.1f}",
    "objects in the store, millions": lambda one: f"{one.objects / 1e6:,.1f}",
    "PUT and LIST in a round, thousands": lambda one: f"{one.puts / 1e3:,.0f}",
    "GET in a round, thousands": lambda one: f"{one.organizations * one.files / 1e3:,.0f}",
    "dollars of requests in a round": lambda one: f"{one.dollars:,.2f}",
    "dollars a month, a round a day": lambda one: f"{30 * one.dollars:,.0f}",
    "dollars a month, a round an hour": lambda one: f"{720 * one.dollars:,.0f}",
    "landings kept, dollars a month": lambda one: (
        f"{one.landed_bytes * LANDINGS_KEPT * MONTH_DOLLARS:,.2f}"
    ),
    "loading, CPU hours of the writer": lambda one: f"{one.load_cpu_hours:,.2f}",
    "loading, hours": lambda one: f"{one.load_hours:,.2f}",
    "memory to list the store, GB": lambda one: f"{one.objects * LISTED_BYTES / 1e9:,.2f}",
    "deriving, CPU hours of the writer": lambda one: f"{one.derive_hours:,.2f}",
    "warehouse, and each snapshot, GB": lambda one: f"{one.stored_bytes / 1e9:,.1f}",
    "Dagster's events in a round, thousands": lambda one: (
        f"{one.organizations * LOG_EVENTS / 1e3:,.0f}"
    ),
    "the same in PostgreSQL, GB": lambda one: (
        f"{one.organizations * LOG_EVENTS * LOG_EVENT_BYTES / 1e9:,.2f}"
    ),
    "the same, CPU hours": lambda one: f"{one.organizations * LOG_MS / 3.6e6:,.2f}",
}


def table() -> str:
    """The table in Markdown."""
    header, *rows = ([name, *map(figure, TARGETS)] for name, figure in ROWS.items())
    lines = [header, ["---", *["---:"] * len(TARGETS)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(table())
