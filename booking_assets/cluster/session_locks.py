"""Session advisory locks of PostgreSQL: whether the process that executes a run still lives.

The server releases a session's locks when its connection ends, on whichever host the process was
and however it died. `worker` holds one a run, `launcher` looks for it. File locks of one host:
`defs.processes`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dagster as dg
import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

CHECK_SECONDS = 3.0
"""How often the holder looks whether its session lives; after a restart of the server it locks
anew."""
_FIRST_LOCK_SECONDS = 30
# Each end ends the session of a host that vanished without a word within 25 s, and not 2 hours.
_BOUNDS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_OPTIONS = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
_LOCK = sqlalchemy.text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
_LOCK_FOR_A_MOMENT = sqlalchemy.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")


def postgres_url(instance: dg.DagsterInstance) -> str | None:
    """The database of an instance whose storage is that of `dagster-postgres`; else None."""
    url = getattr(instance.run_storage, "postgres_url", None)
    return str(url) if url else None


@contextmanager
def session_lock(url: str, name: str) -> Iterator[None]:
    """Hold the lock of this name, again after the server was restarted.

    A server that cannot be reached stops nobody: whoever executes the run needs it anyway.
    """
    ended, is_locked = threading.Event(), threading.Event()
    holder = threading.Thread(target=_hold, args=(url, name, is_locked, ended), daemon=True)
    holder.start()
    is_locked.wait(_FIRST_LOCK_SECONDS)
    try:
        yield
    finally:
        ended.set()
        holder.join(CHECK_SECONDS)


def is_free(url: str, name: str) -> bool:
    """Whether no session holds the lock.

    For as long as `CHECK_SECONDS` after a restart of the server, that of a living process is free.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the server cannot be reached.
    """
    with _connected(url, "looks for dead runs") as session, session.begin():
        return bool(session.execute(_LOCK_FOR_A_MOMENT, {"name": name}).scalar())


def _hold(url: str, name: str, is_locked: threading.Event, ended: threading.Event) -> None:
    while not ended.is_set():
        with suppress(SQLAlchemyError), _connected(url, f"executes {name}") as session:
            while not session.execute(_LOCK, {"name": name}).scalar():
                if ended.wait(CHECK_SECONDS):
                    return
            session.commit()
            is_locked.set()
            while not ended.wait(CHECK_SECONDS):
                session.execute(sqlalchemy.text("SELECT 1"))
                session.commit()
        ended.wait(CHECK_SECONDS)


@contextmanager
def _connected(url: str, purpose: str) -> Iterator[sqlalchemy.Connection]:
    """A session of its own, whose purpose `pg_stat_activity` shows."""
    arguments = {**_BOUNDS, "options": _OPTIONS, "application_name": purpose}
    engine = sqlalchemy.create_engine(
        url, poolclass=sqlalchemy.pool.NullPool, connect_args=arguments
    )
    with engine.connect() as session:
        yield session
