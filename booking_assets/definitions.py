"""The code location: the only module that Dagster loads.

What lives here: putting assets, checks, jobs, schedules, sensors and resources together.
What must not: work. Loading reads the settings, and needs no network, no database and no secret.
Read more: https://docs.dagster.io/guides/build/projects-and-components
"""

from booking_assets.system import unsupported_system

if reason := unsupported_system():
    raise ImportError(reason)

import dagster as dg

from booking_assets.collect.collection import NoProgress, Progress
from booking_assets.defs.checks import raw_checks
from booking_assets.defs.configuration import effective_settings
from booking_assets.defs.jobs import collect_job, derive_job, refresh_job
from booking_assets.defs.marts import marts
from booking_assets.defs.partitions import organization_partitions
from booking_assets.defs.raw import collected_assets, log_assets
from booking_assets.defs.resources import resource_definitions
from booking_assets.defs.schedules import schedules
from booking_assets.defs.sensors import sensors
from booking_assets.defs.snapshot import snapshot
from booking_assets.settings import Settings


def build_definitions(
    *, settings: Settings | None = None, progress: Progress | None = None
) -> dg.Definitions:
    """A fresh code location.

    Args:
        settings: what to work with; the configured ones by default.
        progress: who watches collections; nobody by default.

    Raises:
        SettingsError: with every fault of the configuration.
    """
    settings = settings or effective_settings()
    slugs = [organization.slug for organization in settings.organizations]
    partitions = organization_partitions(slugs)
    collect, derive = collect_job(), derive_job()
    return dg.Definitions(
        assets=[collected_assets(partitions), *log_assets(), *marts(settings), snapshot],
        asset_checks=[raw_checks(settings)],
        jobs=[collect, derive, refresh_job()],
        schedules=schedules(slugs, settings.schedules),
        sensors=sensors(collect, derive, enabled=settings.schedules.enabled),
        resources=resource_definitions(settings, progress or NoProgress()),
        # A run is one process: what takes long is requests, and they are concurrent within it.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster dev` and the daemon load."""
    return build_definitions()
