"""What became of each organization in a run, read from `raw.collections`: the only record of it.

The exit code, the summary, Dagster's metadata and its failure text are made from these results.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from booking_assets.pipeline.loads import NAMES
from booking_assets.tables.raw import EVENTS
from booking_assets.warehouse.warehouse import Warehouse

FAILURES = frozenset({"failed", "shrunk"})
"""The statuses that fail a run. Access denied to other resources than events is a gap."""

NOTED = 6
"""Collections that a note names; a failure names all."""
UNRECORDED = "the run logged nothing of it; see the run in the Dagster UI"


@dataclass(frozen=True)
class CollectionResult:
    """One organization's collection of one resource: `log_row` is its row of `raw.collections`."""

    log_row: Mapping[str, Any]

    @property
    def organization(self) -> str:
        """The slug."""
        return str(self.log_row["organization"])

    @property
    def resource(self) -> str:
        """The resource's name, as in `raw.collections`."""
        return str(self.log_row["resource"])

    @property
    def status(self) -> str:
        """A value of `booking_assets.tables.raw.Status`."""
        return str(self.log_row["status"])

    @property
    def is_complete(self) -> bool:
        """Whether its rows are stored."""
        return self.status == "complete"

    @property
    def has_failed(self) -> bool:
        """Whether it fails the run: names never do."""
        return self.status in FAILURES and self.resource not in NAMES

    @property
    def explanation(self) -> str:
        """The reason and the remedy, without the organization."""
        return explanation(self.log_row) or self.status

    @property
    def message(self) -> str:
        """The explanation with the organization."""
        return f"{self.organization}: {self.explanation}"


def explanation(log_row: Mapping[str, Any]) -> str:
    """The reason and the remedy of a row of `raw.collections`, as sentences."""
    return ". ".join(part.rstrip(".") for part in (log_row["reason"], log_row["remedy"]) if part)


@dataclass(frozen=True)
class RunReport:
    """The results of a run, and the organizations of which it logged nothing.

    Args:
        results: of each organization and resource, in the order of both.
        unrecorded: of each organization whose events have no row in `raw.collections` for this
            run, by slug, why.
    """

    results: tuple[CollectionResult, ...] = ()
    unrecorded: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> tuple[CollectionResult, ...]:
        """The collections whose rows are stored."""
        return tuple(one for one in self.results if one.is_complete)

    @property
    def failed(self) -> tuple[CollectionResult, ...]:
        """The collections that fail the run."""
        return tuple(one for one in self.results if one.has_failed)

    @property
    def organizations(self) -> frozenset[str]:
        """The slugs of all organizations of the run."""
        return frozenset({*self.unrecorded, *(one.organization for one in self.results)})

    @property
    def failed_organizations(self) -> tuple[str, ...]:
        """The slugs of organizations of which something failed or was not recorded, sorted."""
        return tuple(sorted({*self.unrecorded, *(one.organization for one in self.failed)}))

    @property
    def explanations(self) -> tuple[str, ...]:
        """One sentence for each fault, with the organizations and resources that failed with it."""
        return _sentences(self.failed, self.unrecorded)

    @property
    def notes(self) -> tuple[str, ...]:
        """The same for collections that stored nothing and are no failure; names the first few."""
        others = [one for one in self.results if not one.is_complete and not one.has_failed]
        return _sentences(others, {}, NOTED)


def _sentences(
    results: Iterable[CollectionResult], unrecorded: Mapping[str, str], most: int | None = None
) -> tuple[str, ...]:
    """One sentence for each fault; `most` limits the collections that it names."""
    names = defaultdict(list)
    for result in results:
        fault = result.explanation.removeprefix(f"{result.resource}: ")
        names[fault].append(f"{result.organization}, {result.resource}")
    for slug, fault in unrecorded.items():
        names[fault].append(slug)
    return tuple(f"{'; '.join(_first(failed, most))}: {fault}" for fault, failed in names.items())


def _first(names: list[str], most: int | None) -> list[str]:
    more = len(names) - (most or len(names))
    return [*names[:most], f"{more} more"] if more > 0 else names


def report_run(
    warehouse: Warehouse,
    run_ids: Collection[str],
    slugs: Iterable[str],
    faults: Mapping[str, str] | None = None,
) -> RunReport:
    """Read the results of one or several runs from `raw.collections`.

    Args:
        warehouse: where the log is.
        run_ids: the runs.
        slugs: the organizations that they were asked to collect.
        faults: by slug, why some could not be logged.

    Raises:
        WarehouseError: the log cannot be read.
    """
    return report_of(warehouse.collections_of_runs(run_ids).to_dicts(), slugs, faults)


def report_of(
    log_rows: Iterable[Mapping[str, Any]],
    slugs: Iterable[str],
    faults: Mapping[str, str] | None = None,
) -> RunReport:
    """The report of these rows of `raw.collections`; the other arguments as in `report_run`."""
    results = tuple(map(CollectionResult, log_rows))
    logged = {one.organization for one in results if one.resource == EVENTS.short_name}
    known = faults or {}
    unrecorded = {slug: known.get(slug, UNRECORDED) for slug in slugs if slug not in logged}
    return RunReport(results, unrecorded)
