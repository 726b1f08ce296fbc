"""The code location: the only module that Dagster loads.

Loading reads the settings, and needs no network, no database and no secret. Assets, checks, jobs,
schedules, sensors and resources are in `defs`.
"""

from pathlib import Path

from booking_assets.system import unsupported_system

if reason := unsupported_system():
    raise ImportError(reason)

import dagster as dg

from booking_assets.defs.alerts import alert_sensors
from booking_assets.defs.checks import raw_checks
from booking_assets.defs.jobs import collect_job, derive_job
from booking_assets.defs.launchers import in_process_executor
from booking_assets.defs.marts import mart_assets
from booking_assets.defs.partitions import organization_partitions
from booking_assets.defs.raw import load_asset, log_assets, raw_assets
from booking_assets.defs.report import report_asset
from booking_assets.defs.resources import resource_definitions
from booking_assets.defs.retention import retention_job
from booking_assets.defs.rounds import round_sensor
from booking_assets.defs.sandbox import effective_settings
from booking_assets.defs.schedules import cron_faults, schedules
from booking_assets.defs.sensors import sensors
from booking_assets.defs.snapshot import snapshot_asset
from booking_assets.settings import Settings, SettingsError

PROJECT = Path(__file__).parents[1]


def build_definitions(settings: Settings | None = None) -> dg.Definitions:
    """Build the Dagster definitions.

    Args:
        settings: what to work with; the configured ones by default.

    Raises:
        SettingsError: with every fault of the configuration.
    """
    given = settings
    settings = given or effective_settings()

    def current() -> Settings:
        """The settings of the moment: `booking.toml` may have changed since."""
        return given or effective_settings()

    if faults := cron_faults(settings.schedules):
        raise SettingsError(settings.source, faults)
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [
        raw_assets(organization_partitions(settings.slugs)),
        *([load_asset()] if settings.storage else log_assets()),
        mart_assets(settings),
        snapshot_asset(settings),
        *([report_asset()] if settings.report.enabled else []),
    ]
    owners = settings.dagster.owners
    has_storage = settings.storage is not None
    writer_tags = settings.dagster.writer_tags
    derive = derive_job(loads=has_storage, tags=writer_tags)
    jobs = [collect_job(lands=has_storage), derive]

    return dg.Definitions(
        assets=dg.map_asset_specs(lambda spec: spec.replace_attributes(owners=owners), assets),
        asset_checks=[raw_checks(settings)],
        jobs=[*jobs, retention_job(writer_tags)],
        schedules=schedules(settings.schedules, current),
        sensors=[
            *sensors(derive, enabled=settings.schedules.enabled),
            round_sensor(current, jobs, enabled=settings.schedules.enabled),
            *alert_sensors(settings),
        ],
        resources=resource_definitions(settings),
        # A run is one process: what takes long is requests, and they are concurrent within it.
        executor=in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster dev`, `dg` and the daemon load: in a checkout, what was scaffolded as well."""
    built = build_definitions()
    if not (PROJECT / "pyproject.toml").is_file():
        return built
    return dg.Definitions.merge(built, dg.load_from_defs_folder(path_within_project=PROJECT))
