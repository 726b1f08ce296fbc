"""The resources: shells whose limits the launchpad shows and overrides; null means the setting.

No credential and no path is in their configuration: those come from the settings and the
environment when a run begins. What they open is in `pipeline.connections`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import dagster as dg
from pydantic import BaseModel, Field, PrivateAttr

from booking_assets.defs.sandbox import open_collector
from booking_assets.pipeline.collector import Collector
from booking_assets.pipeline.connections import open_warehouse
from booking_assets.pipeline.organizations import Withheld, withheld_organizations
from booking_assets.pipeline.progress import SILENT, Progress
from booking_assets.settings import Collect, Limits, Settings, WarehouseSettings
from booking_assets.warehouse.warehouse import Warehouse

Section = TypeVar("Section", bound=BaseModel)


class BookingApiResource(dg.ConfigurableResource[None]):
    """The Booking API, asked with the limits of the settings, or with those of this run."""

    settings: dg.ResourceDependency[Settings]
    page_size: int | None = Field(default=None, description="Rows a request.")
    max_concurrency: int | None = Field(
        default=None, description="Concurrent requests for each organization."
    )
    timeout_seconds: float | None = Field(default=None, description="Bound on one request.")
    max_organizations: int | None = Field(
        default=None, description="Organizations collected concurrently."
    )

    @contextmanager
    def collector(self, warehouse: Warehouse, progress: Progress) -> Iterator[Collector]:
        """Opens the API; where nothing is configured, starts the sandbox and stops it in the end.

        Raises:
            pydantic.ValidationError: an override is outside the bounds of its setting.
        """
        settings = self.settings.model_copy(
            update={
                "run_limits": _overridden(Limits, self.settings.limits, self),
                "collect": _overridden(Collect, self.settings.collect, self),
            }
        )
        with open_collector(settings, warehouse, progress) as collector:
            yield collector


@dataclass(frozen=True)
class CollectingApi:
    """Stands for `BookingApiResource` in a run whose collections have begun before it."""

    begun: Collector

    @contextmanager
    def collector(self, _: Warehouse, __: Progress) -> Iterator[Collector]:
        """The collector with the collections under way."""
        yield self.begun


class WarehouseResource(dg.ConfigurableResource[None]):
    """The DuckDB file, opened for one read or write at a time."""

    settings: dg.ResourceDependency[Settings]
    memory_limit: str | None = Field(default=None, description="DuckDB's buffers, as in 192MB.")
    threads: int | None = Field(default=None, description="DuckDB's threads.")
    busy_timeout_seconds: float | None = Field(
        default=None, description="How long to wait for another process that holds the file."
    )

    _withheld: Withheld | None = PrivateAttr(default=None)

    def withheld(self) -> Withheld:
        """The organizations that this run does not derive: decided once, at its first mart.

        Publishing decides it anew, and derives again where that differs.

        Raises:
            WarehouseError: the warehouse cannot be read.
        """
        if self._withheld is None:
            self._withheld = withheld_organizations(self.open(), self.settings)
        return self._withheld

    def open(self) -> Warehouse:
        """The warehouse of the settings, with this run's limits.

        Raises:
            pydantic.ValidationError: an override is outside the bounds of its setting.
        """
        limits = _overridden(WarehouseSettings, self.settings.warehouse, self)
        return open_warehouse(self.settings.model_copy(update={"warehouse": limits}))


def _overridden(kind: type[Section], section: BaseModel, resource: BaseModel) -> Section:
    """A section of the settings with the resource's values of the same names, where not null."""
    values = {name: getattr(section, name) for name in kind.model_fields}
    overrides = {name: getattr(resource, name, None) for name in kind.model_fields}
    return kind.model_validate(values | {n: v for n, v in overrides.items() if v is not None})


def resource_definitions(settings: Settings) -> Mapping[str, Any]:
    """The resources by the names under which assets ask for them."""
    settings_resource: Any = dg.ResourceDefinition.hardcoded_resource(settings, "The settings.")
    return {
        "settings": settings_resource,
        "booking_api": BookingApiResource(settings=settings_resource),
        "warehouse": WarehouseResource(settings=settings_resource),
        "progress": dg.ResourceDefinition.hardcoded_resource(
            SILENT, "Shows live progress; the command line passes its own display."
        ),
    }
