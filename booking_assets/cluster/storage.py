"""Dagster's PostgreSQL storage, with connections of the event log that stay open.

`deploy/celery/dagster.yaml` names it; it needs the extra `cluster`. Dagster's own opens four
connections for each event: of a collection's CPU time, more than half was PostgreSQL's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import sqlalchemy
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import pg_url_from_config


class PooledPostgresEventLogStorage(PostgresEventLogStorage):
    """Dagster's event log in PostgreSQL; each process keeps one connection."""

    def __init__(self, postgres_url: str, should_autocreate_tables: bool = True) -> None:
        super().__init__(postgres_url, should_autocreate_tables)
        # More are opened where threads ask at once, and closed again. After a restart of
        # PostgreSQL, a connection is found dead before it is used.
        self._engine = sqlalchemy.create_engine(
            postgres_url, isolation_level="AUTOCOMMIT", pool_size=1, pool_pre_ping=True
        )

    def dispose(self) -> None:
        """Close the connections."""
        super().dispose()
        self._engine.dispose()


class PooledPostgresStorage(DagsterPostgresStorage):
    """Dagster's storage in PostgreSQL, the event log pooled."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data)
        self._event_log_storage = PooledPostgresEventLogStorage(
            postgres_url, should_autocreate_tables
        )

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The storage that `dagster.yaml` configures."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
        )
