"""What a refresh or a rebuild reports: figures of the snapshot, and what the log says of its runs.

The figures are those of the published snapshot, with their age; `cli.display` prints them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.results import CollectionResult, RunReport, report_run
from booking_assets.settings import Settings
from booking_assets.warehouse.errors import WarehouseError
from booking_assets.warehouse.published import published_summary, published_version

NAMED = 5
"""Organizations that a sentence names; the others are counted."""
INTERRUPTED_SECONDS = 0.5
"""How long an interrupted command waits for the warehouse: it must end at once."""


@dataclass(frozen=True)
class OrganizationSummary:
    """An organization's published figures, and how its collection ended; null where unknown.

    Args:
        status: `complete` (collected and published); `failed`, `shrunk` or `overtaken` as in
            `raw.collections`; `withheld` (a check failed, so it is not published) or `unpublished`
            (stored, but not in the snapshot).
        seats_taken: in events that have a maximum.
        packages_late: exam packages in the state `Overdue`.
        as_of: start of the newest complete collection of events.
        seats_as_of: the same of registrations.
        rows: in the snapshot, by table.
    """

    organization: str
    status: str
    events: int | None = None
    registrations: int | None = None
    rejected: int | None = None
    seats_taken: int | None = None
    seats_offered: int | None = None
    packages_late: int | None = None
    packages_failed: int | None = None
    as_of: datetime | None = None
    seats_as_of: datetime | None = None
    rows: Mapping[str, int] = field(default_factory=dict)


_FIGURES = (
    *("events", "registrations", "rejected", "seats_taken", "seats_offered"),
    *("packages_late", "packages_failed"),
)


@dataclass(frozen=True)
class Summary:
    """The result of a command.

    Args:
        organizations: those that the command was asked for.
        total: their sums, null where no organization has the figure.
        failures: why something is not stored or not published, and what to do; empty where all is.
        notes: what else a person should know, such as seats that may not be read.
        warehouse: the path of the warehouse.
        snapshot: the path that analysts open; None where nothing is published.
        version: the name of the published version.
        report: the page that managers open; None where none is written.
    """

    organizations: tuple[OrganizationSummary, ...]
    total: OrganizationSummary
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    warehouse: str
    snapshot: str | None
    version: str | None
    report: str | None

    @property
    def is_complete(self) -> bool:
        """Whether every organization is stored, and everything is published."""
        return not self.failures

    @property
    def remarkable(self) -> tuple[OrganizationSummary, ...]:
        """Those at which a person should look: not complete, with rejected rows or unknown seats.

        Where the seats of all are unknown, a note says so once.
        """
        are_seats_known = self.total.seats_taken is not None
        return tuple(
            one
            for one in self.organizations
            if one.status != "complete"
            or one.rejected
            or (one.seats_taken is None and are_seats_known)
        )

    def as_dict(self) -> dict[str, Any]:
        """The summary for machines, as docs/configuration.md has it; instants are `datetime`."""
        return {"is_complete": self.is_complete, **asdict(self)}


def summarize(
    settings: Settings,
    slugs: Sequence[str],
    *,
    report: RunReport = RunReport(),  # noqa: B008 - frozen: sharing the default is harmless
    failures: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> Summary:
    """Read the summary of a command from the published snapshot and the results of its runs.

    Args:
        settings: where the snapshot is.
        slugs: the organizations that the command was asked for.
        report: the results of its collections; empty where it collected nothing.
        failures: besides those of the report.
        notes: besides those of the report.
    """
    version = published_version(settings.snapshot_path)
    index = settings.report_path / "index.html"
    figures, rows = published_summary(
        settings.snapshot_path,
        memory_limit=settings.warehouse.memory_limit,
        threads=settings.warehouse.threads,
    )
    published = {row["organization"]: row for row in figures.to_dicts()}
    results = defaultdict[str, list[CollectionResult]](list)
    for result in report.results:
        results[result.organization].append(result)
    organizations = tuple(
        _organization(
            published.get(slug, {"organization": slug}),
            results[slug],
            {table: counts.get(slug, 0) for table, counts in rows.items()},
            is_unrecorded=slug in report.unrecorded,
        )
        for slug in slugs
    )
    return Summary(
        organizations=organizations,
        total=_total(organizations),
        failures=(*report.explanations, *failures),
        notes=(*report.notes, *notes),
        warehouse=str(settings.warehouse_path),
        snapshot=str(settings.snapshot_path) if version else None,
        version=version,
        report=str(index) if index.exists() else None,
    )


def interruption(
    settings: Settings, slugs: Sequence[str], run_ids: Collection[str], former_version: str | None
) -> str:
    """A sentence for an interrupted refresh: what its runs have stored and published, what not."""
    stored: set[str] | None = None
    try:
        warehouse = replace(open_warehouse(settings), busy_timeout_seconds=INTERRUPTED_SECONDS)
        report = report_run(warehouse, run_ids, slugs)
        stored = {one.organization for one in report.complete}
    except WarehouseError:
        pass
    others = [slug for slug in slugs if slug not in (stored or ())]
    if stored is None:
        said = "what was stored stays"
    elif stored:
        said = f"{_named(sorted(stored))} stored{f', {_named(others)} not' if others else ''}"
    else:
        said = "nothing stored"
    return f"Interrupted: {said}; {published_since(settings, former_version)}. Run it again."


def snapshot_version(settings: Settings) -> str | None:
    """The version of the snapshot that is published now; None before the first."""
    return published_version(settings.snapshot_path)


def published_since(settings: Settings, former_version: str | None) -> str:
    """Whether another version than the former one is published, in words."""
    version = snapshot_version(settings)
    if version != former_version:
        return "the snapshot was published"
    return f"nothing was published{', the last snapshot stays' if version else ''}"


def _named(slugs: Sequence[str]) -> str:
    more = f" and {len(slugs) - NAMED} more" if len(slugs) > NAMED else ""
    return ", ".join(slugs[:NAMED]) + more


def _organization(
    figures: Mapping[str, Any],
    results: Sequence[CollectionResult],
    rows: Mapping[str, int],
    *,
    is_unrecorded: bool,
) -> OrganizationSummary:
    slug = str(figures["organization"])
    known = {name: value for name, value in figures.items() if name in _KNOWN}
    status = _status(figures, results, is_unrecorded=is_unrecorded)
    return OrganizationSummary(slug, status, **known, rows=rows)


_KNOWN = frozenset({*_FIGURES, "as_of", "seats_as_of"})


def _status(
    figures: Mapping[str, Any], own: Sequence[CollectionResult], *, is_unrecorded: bool
) -> str:
    statuses = [one.status for one in own]
    failed = [one.status for one in own if one.has_failed]
    stored_at = [one.log_row["started_at"] for one in own if one.is_complete]
    if failed or is_unrecorded:
        return failed[0] if failed else "failed"
    if not figures.get("is_published", True):
        return "withheld"
    if "last_status" not in figures or any(at > figures["as_of"] for at in stored_at):
        return "unpublished"
    if own:
        return "overtaken" if "overtaken" in statuses else "complete"
    return figures["last_status"] or "unpublished"


def _total(organizations: Sequence[OrganizationSummary]) -> OrganizationSummary:
    figures = {}
    for name in _FIGURES:
        known = [value for one in organizations if (value := getattr(one, name)) is not None]
        figures[name] = sum(known) if known else None
    complete = sum(one.status == "complete" for one in organizations)
    rows: Counter[str] = Counter()
    for one in organizations:
        rows.update(one.rows)
    status = f"{complete} of {len(organizations)}"
    return OrganizationSummary("total", status, **figures, rows=dict(rows))
