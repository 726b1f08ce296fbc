"""Asks each credential which organization it answers for; nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime

from booking_assets.api.errors import BookingError
from booking_assets.api.retry import RetryPolicy
from booking_assets.collect.contracts import EVENT_ROWS, RowContract
from booking_assets.collect.decoding import Decoder
from booking_assets.collect.errors import CollectionFailed
from booking_assets.pipeline.connections import Connect, remedy_of
from booking_assets.pipeline.loads import wanted_resources
from booking_assets.settings import Organization, Settings

TIMEOUT_SECONDS = 5.0
"""Bound on one request of a check."""
QUICK = RetryPolicy(attempts=2, timeout_seconds=2 * TIMEOUT_SECONDS)
"""A person waits for the report: an API that is down is reported within seconds."""
CONCURRENCY = 32
POLL_SECONDS = 0.2


Answer = tuple[int | None, bool, str | None]
"""The count of a resource, whether a row proves its owner, and the fault."""


@dataclass(frozen=True)
class CredentialReport:
    """What an organization's credential may read.

    Args:
        counts: the rows of each wanted resource, by its name; None where they cannot be read.
        is_verified: whether a row named the organization: without rows there is no proof.
        faults: why a resource cannot be read, by its name.
    """

    organization: str
    identifier: str
    counts: Mapping[str, int | None]
    is_verified: bool
    faults: Mapping[str, str]

    @property
    def fault(self) -> str | None:
        """Why events cannot be read: then nothing of the organization can be collected."""
        return self.faults.get(EVENT_ROWS.resource.name)


def credential_reports(settings: Settings, connect: Connect) -> Iterator[CredentialReport]:
    """Request each organization's counts and one row of each resource, which names its owner.

    Everything is asked at once; the reports come in the order of the settings.

    Args:
        settings: the organizations, and which resources are wanted of them.
        connect: gives clients, with `QUICK` retries.
    """
    pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="check")
    try:
        asked = {
            organization: {
                rows.resource.name: pool.submit(_read, organization, rows, connect)
                for rows in wanted_resources(settings, organization)
            }
            for organization in settings.organizations
        }
        for organization, futures in asked.items():
            # polars has waits go on after a signal: Python sees it only where a wait ends.
            while wait(futures.values(), POLL_SECONDS).not_done:
                pass
            yield _report(organization, {name: one.result() for name, one in futures.items()})
    finally:
        # Interrupted, nobody waits for the requests in flight.
        pool.shutdown(wait=False, cancel_futures=True)


def _report(organization: Organization, answers: Mapping[str, Answer]) -> CredentialReport:
    _, is_verified, _ = answers[EVENT_ROWS.resource.name]
    return CredentialReport(
        organization.slug,
        str(organization.identifier),
        {name: None if fault else count for name, (count, _, fault) in answers.items()},
        is_verified,
        {name: fault for name, (_, _, fault) in answers.items() if fault},
    )


def _read(organization: Organization, rows: RowContract, connect: Connect) -> Answer:
    decoder = Decoder(rows, organization.slug, organization.identifier, datetime.now(UTC))
    count = None
    try:
        client = connect(organization, rows.resource)
        count = client.count()
        return count, client.collect(1, 1, decoder).content.rows.height > 0, None
    except BookingError as error:
        fault = f"{organization.slug}: {error.reason}. {remedy_of(error, organization)}"
        return count, False, fault
    except CollectionFailed as error:
        return count, False, str(error)
