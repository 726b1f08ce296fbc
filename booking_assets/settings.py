"""`booking.toml` and the environment, read into one frozen `Settings`.

What lives here: every setting with its default, bounds and meaning, and the report of all faults
at once. Read when asked, never at import.
What must not: secrets (only the names of the variables that hold them), Dagster, any I/O but
reading that one file.
Read more: `booking.example.toml` and `docs/configuration.md`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

CONFIG_NAME = "booking.toml"
CONFIG_VARIABLE = "BOOKING_CONFIG"
_FILES = {
    "BOOKING_WAREHOUSE": "data/booking.duckdb",
    "BOOKING_SNAPSHOT": "data/booking.snapshot.duckdb",
}
_NO_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)

Slug = Annotated[str, Field(pattern=r"\A[a-z0-9][a-z0-9-]{0,62}\z")]
Cron = Annotated[str, Field(pattern=r"\A[0-9A-Za-z*,/-]+( [0-9A-Za-z*,/-]+){4}\z")]
VariableName = Annotated[str, Field(pattern=r"\A[A-Za-z_][A-Za-z0-9_]*\z")]


class SettingsError(Exception):
    """The configuration cannot be used; `faults` holds every fault found, each with its remedy."""

    def __init__(self, source: str, faults: tuple[str, ...]) -> None:
        self.source = source
        self.faults = faults
        lines = "\n".join(f"  - {fault}" for fault in faults)
        super().__init__(f"{source} cannot be used:\n{lines}")


class _Section(BaseModel):
    """A section of the file: frozen, and a key that is not known is a fault, not a no-op.

    Strict, because `page_size = true` must not be taken for 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Organization(_Section):
    """One tenant: how it is called here, which one it is in the API, where its credential lies."""

    slug: Slug
    identifier: Annotated[UUID, Field(strict=False)]
    token_env: VariableName | None = None
    secret_env: VariableName | None = None
    registrations: bool = True
    """Collect registrations too; without them, the organization's seats are unknown."""

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if (self.token_env is None) == (self.secret_env is None):
            raise ValueError(
                "give exactly one of token_env (the variable that holds a bearer token) and "
                "secret_env (the variable that holds a client secret)"
            )
        return self

    @property
    def credential_variable(self) -> str:
        """The environment variable that holds this organization's token or secret."""
        return self.token_env or self.secret_env or ""


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[!-~]+", url) or re.search(r"[?#@]", url):
        raise ValueError(
            "no address that can be asked; give all that precedes /booking, such as "
            "https://host/v2/E01, without a user, a query or a fragment"
        )
    return url


class Limits(_Section):
    """How hard the API may be asked."""

    page_size: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Rows a request."""
    max_concurrency: Annotated[int, Field(ge=1, le=32)] = 4
    """Requests in flight, an organization."""
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60
    """How long one request may be silent."""


class Api(Limits):
    """Where the API is, and its limits."""

    base_url: Annotated[str, AfterValidator(_address)]
    """All that precedes `/booking`, such as `https://host/v2/E01`."""


class Collect(_Section):
    """What a collection may do."""

    max_organizations: Annotated[int, Field(ge=1, le=64)] = 4
    """Organizations that are collected at the same time."""
    max_shrink: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of an organization's stored rows that may vanish without a person's consent."""
    shrink_floor: Annotated[int, Field(ge=0, le=1_000_000)] = 5
    """Rows that may vanish without a person's consent, whatever their share, unless all do."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """How often rows that moved while they were read are collected again."""
    overlap_minutes: Annotated[float, Field(ge=0, le=525_600)] = 10
    """How much older than the newest event held a change may be stamped: clocks differ."""
    landing_keep: Annotated[int, Field(ge=1, le=100)] = 3
    """Landings kept on disk, an organization."""


class WarehouseSettings(_Section):
    """How much of the machine DuckDB may use."""

    memory_limit: Annotated[
        str, Field(pattern=r"\A\d+(\.\d+)?\s*(KB|MB|GB|TB|KiB|MiB|GiB|TiB)\z")
    ] = "192MB"
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    busy_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    """How long a write waits for another process that holds the warehouse."""


class Marts(_Section):
    """What the answers assume."""

    open_hours: Annotated[float, Field(gt=0, le=168)] = 60
    """Hours a week for which a room may be booked."""


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("no such time zone; give an IANA name such as America/Edmonton")
    return name


class Schedules(_Section):
    """When runs start by themselves."""

    enabled: bool = False
    """Start the schedules and the sensor with the daemon; else a person switches them on."""
    timezone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    hourly: Cron = "17 * * * *"
    nightly: Cron = "23 3 * * *"
    """Away from the vendor's maintenance: Wednesdays 19:00 Pacific to 21:00 Mountain."""
    retention: Cron = "41 4 * * *"
    """When `[retention]` is applied."""
    max_age_hours: Annotated[float, Field(ge=1 / 60, le=8_784)] = 26
    """An organization that was not collected for so long is reported as not fresh."""


_Days = Annotated[float, Field(gt=0, le=36_600)]


class Retention(_Section):
    """How long what grows with each run is kept; the stored rows and histories always are."""

    runs_days: _Days = 30
    """Dagster's runs, with their events and logs."""
    runs_count: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Dagster's runs at most, however young."""
    collections_days: _Days = 400
    """Rows of `raw.collections`."""
    unchanged_days: _Days = 30
    """Rows of `raw.collections` of incremental collections that changed nothing."""
    replaced_days: _Days = 30
    """Warehouse files that a rebuild replaced."""


class Settings(_Section):
    """All that this project can be told, resolved: paths are absolute, defaults filled in."""

    root: Path
    """The folder that relative paths start from: the configuration's."""
    source: str
    """Where the settings came from, for messages."""
    api: Api | None
    """None stands for the sandbox, which is started for the run."""
    run_limits: Limits | None = None
    """Limits of one run, where its configuration overrides those of the file."""
    organizations: tuple[Organization, ...] = ()
    collect: Collect = Collect()
    warehouse: WarehouseSettings = WarehouseSettings()
    marts: Marts = Marts()
    schedules: Schedules = Schedules()
    retention: Retention = Retention()
    warehouse_path: Path
    snapshot_path: Path

    @property
    def slugs(self) -> tuple[str, ...]:
        """The organizations' slugs, in the order of the file."""
        return tuple(one.slug for one in self.organizations)

    @property
    def limits(self) -> Limits:
        """The limits of requests: the run's own, else the file's, else the defaults."""
        return self.run_limits or self.api or Limits()

    @property
    def landing_path(self) -> Path:
        """The folder of the Parquet landings, beside the warehouse."""
        return self.warehouse_path.with_name(f"{self.warehouse_path.stem}.landing")


class _File(_Section):
    """`booking.toml` as written."""

    api: Api
    organizations: Annotated[tuple[Organization, ...], Field(min_length=1, strict=False)]
    collect: Collect = Collect()
    warehouse: WarehouseSettings = WarehouseSettings()
    marts: Marts = Marts()
    schedules: Schedules = Schedules()
    retention: Retention = Retention()


def load_settings(
    environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Settings:
    """The settings of this process.

    Args:
        environment: variables to read; the process's own by default.
        folder: where to look for `booking.toml`; the working directory by default.

    Returns:
        The settings. With no configuration at all (no file, and none of the variables), `api` is
        None: the sandbox, whose files are in a folder of their own.

    Raises:
        SettingsError: with every fault of the file, or of the variables that name files.
    """
    variables = os.environ if environment is None else environment
    home = (folder or Path.cwd()).absolute()
    named = variables.get(CONFIG_VARIABLE)
    path = home / (named or CONFIG_NAME)
    # A dangling link is a configuration that is lost, and not the absence of one.
    if not named and not os.path.lexists(path):
        if given := [name for name in _FILES if variables.get(name)]:
            fault = (
                f"{' and '.join(given)} set, but there is no {CONFIG_NAME} here; run the command in"
                f" its folder, or name it with {CONFIG_VARIABLE}"
            )
            raise SettingsError(str(path), (fault,))
        return Settings(
            root=home,
            source="the sandbox",
            api=None,
            warehouse_path=home / "sandbox/booking.duckdb",
            snapshot_path=home / "sandbox/booking.snapshot.duckdb",
        )
    written = _read(path)
    warehouse, snapshot = _files(path.parent, variables)
    return Settings(
        root=path.parent,
        source=str(path),
        warehouse_path=warehouse,
        snapshot_path=snapshot,
        **dict(written),
    )


def _files(root: Path, variables: Mapping[str, str]) -> tuple[Path, Path]:
    """Warehouse and snapshot, absolute: relative ones start from the configuration's folder."""
    warehouse, snapshot = (root / (variables.get(name) or path) for name, path in _FILES.items())
    if os.path.normpath(warehouse) == os.path.normpath(snapshot):
        fault = f"both are {warehouse}; the snapshot would take the warehouse's place: name two"
        raise SettingsError(" and ".join(_FILES), (fault,))
    return warehouse, snapshot


def _read(path: Path) -> _File:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        fault = f"it is not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise SettingsError(str(path), (fault,)) from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(str(path), (f"it is not TOML: {error}",)) from error
    except OSError as error:
        remedy = "correct the path" if isinstance(error, _NO_FILE) else "let this user read it"
        fault = f"it cannot be read: {error.strerror}; {remedy}"
        raise SettingsError(str(path), (fault,)) from error
    faults = _repeated(document)
    try:
        written = _File.model_validate(document)
    except ValidationError as error:
        found = [_fault(dict(detail)) for detail in error.errors() if not _follows(dict(detail))]
        faults = [*found, *faults]
    if faults:
        raise SettingsError(str(path), tuple(faults))
    return written


def _repeated(document: Mapping[str, Any]) -> list[str]:
    """Values that two organizations share although each must have its own.

    A token belongs to one organization: under a shared credential every organization would be
    answered with the rows of one.
    """
    organizations = document.get("organizations")
    entries = organizations if isinstance(organizations, list) else []
    remedies = {
        "slug": "give each organization its own slug",
        "identifier": "list each organization once",
        "token_env": "a token answers for one organization only: give each its own",
        "secret_env": "a secret answers for one organization only: give each its own",
    }
    faults = []
    for key, remedy in remedies.items():
        places: dict[str, list[str]] = defaultdict(list)
        for index, entry in enumerate(entries):
            if isinstance(entry, dict) and key in entry:
                places[_canonical(entry[key])].append(f"organizations.{index}")
        faults += [
            f"{', '.join(same)}: the same {key}; {remedy}"
            for same in places.values()
            if len(same) > 1
        ]
    return faults


def _follows(detail: Mapping[str, Any]) -> bool:
    """Whether a fault only follows from others: pydantic counts valid organizations alone."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _canonical(value: object) -> str:
    """One text for all notations of a UUID, and for all cases of a name."""
    try:
        return UUID(str(value)).hex
    except ValueError:
        return str(value).lower()


_REMEDIES: Mapping[str, str] = {
    "missing": "it is required; add it",
    "extra_forbidden": "no such setting; correct the spelling or remove it",
}


def _fault(detail: Mapping[str, Any]) -> str:
    """One sentence a fault: the key, what is wrong or what was found, what to do."""
    key = ".".join(str(part) for part in detail["loc"]) or "file"
    remedy = _REMEDIES.get(detail["type"])
    if remedy:
        return f"{key}: {remedy}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    found = detail["input"]
    # Someone may have written the secret itself where its variable's name belongs, or into the URL.
    silent = isinstance(found, dict | list | tuple) or key.endswith(("_env", "base_url"))
    shown = "" if silent else f" (found {found!r})"
    return f"{key}: {message[0].lower()}{message[1:]}{shown}"
