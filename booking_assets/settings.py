"""`booking.toml` and the environment, read into one frozen `Settings`.

Every setting has its default, bounds and meaning here (for users: `docs/configuration.md`); faults
get their sentences in `settings_faults`. Secrets are read by `pipeline.connections`, from the
variables or files that the settings name.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from booking_assets.settings_faults import (
    fault_text,
    follows_from_others,
    known_time_zone,
    path_fault,
    repeated_values,
    usable_address,
    usable_store,
)

CONFIG_NAME = "booking.toml"
CONFIG_VARIABLE = "BOOKING_CONFIG"
_FILES = {
    "BOOKING_WAREHOUSE": "data/booking.duckdb",
    "BOOKING_SNAPSHOT": "data/booking.snapshot.duckdb",
}
_CREDENTIALS = ("BOOKING_CREDENTIALS_DIRECTORY", "CREDENTIALS_DIRECTORY")

SLUG = r"[a-z0-9][a-z0-9-]{0,62}"
Slug = Annotated[str, Field(pattern=rf"\A{SLUG}\z")]
Cron = Annotated[str, Field(pattern=r"\A[0-9A-Za-z*,/-]+( [0-9A-Za-z*,/-]+){4}\z")]
FilePath = Annotated[str, Field(pattern=r"\A[^\x00]+\z")]
Owner = Annotated[
    str, Field(pattern=r"\A(team:[\w.-]+|[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+)\z")
]
TimeZone = Annotated[str, AfterValidator(known_time_zone)]
VariableName = Annotated[str, Field(pattern=r"\A[A-Za-z_][A-Za-z0-9_]*\z")]


class SettingsError(Exception):
    """The configuration is invalid; `faults` has every fault found, each with its remedy."""

    def __init__(self, source: str, faults: tuple[str, ...]) -> None:
        self.faults = faults
        lines = "\n".join(f"  - {fault}" for fault in faults)
        super().__init__(f"{source} cannot be used:\n{lines}")


class _Section(BaseModel):
    """A section of the file: frozen, and an unknown key is a fault.

    Strict, because pydantic would otherwise read `page_size = true` as 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Organization(_Section):
    """An organization: its slug here, its identifier in the API, the name of its credential."""

    slug: Slug
    identifier: Annotated[UUID, Field(strict=False)]
    token_env: VariableName | None = None
    secret_env: VariableName | None = None
    registrations: bool = True
    """Collect registrations too; without them, the organization's seats are null."""
    names: bool = True
    """Collect groups and achievements, which name venues and courses, too."""
    timezone: TimeZone | None = None
    """Where its days, weeks and months begin; by default, the offset that the API wrote decides."""

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
        """The environment variable, or the file, with the organization's token or client secret."""
        return self.token_env or self.secret_env or ""


class Limits(_Section):
    """Limits of requests to the API."""

    page_size: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Rows in a page."""
    max_concurrency: Annotated[int, Field(ge=1, le=32)] = 4
    """Concurrent requests for each organization."""
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60
    """How long one response may take, from the request to the last byte."""


class Api(Limits):
    """The API's base URL, and the limits of requests."""

    base_url: Annotated[str, AfterValidator(usable_address)]
    """Everything before `/booking`, such as `https://host/v2/E01`."""


class Collect(_Section):
    """How organizations are collected."""

    max_organizations: Annotated[int, Field(ge=1, le=64)] = 4
    """Organizations that are collected concurrently."""
    max_shrink: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of an organization's stored rows that may vanish without `--allow-shrink`."""
    shrink_floor: Annotated[int, Field(ge=0, le=1_000_000)] = 5
    """Rows that may always vanish without `--allow-shrink`, unless all rows do."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """How often rows that moved while they were read are collected again."""
    overlap_minutes: Annotated[float, Field(ge=0, le=525_600)] = 10
    """How much older than the newest stored change a new change's time may be: clocks differ."""
    landing_keep: Annotated[int, Field(ge=1, le=100)] = 3
    """Landings kept on disk for each organization and resource."""


class WarehouseSettings(_Section):
    """DuckDB's limits for the warehouse."""

    # DuckDB counts bytes in 64 bits.
    memory_limit: Annotated[
        str,
        Field(pattern=r"\A([1-9]\d{0,5}(\.\d+)?|0\.\d*[1-9]\d*)\s*(KB|MB|GB|TB|KiB|MiB|GiB|TiB)\z"),
    ] = "192MB"
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    busy_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    """How long to wait for another process that has the warehouse open."""


class Marts(_Section):
    """Constants of the marts."""

    open_hours: Annotated[float, Field(gt=0, le=168)] = 60
    """Hours a week for which a room may be booked."""
    longest_booking_days: Annotated[int, Field(ge=1, le=366)] = 31
    """A longer event books no room: it is a term. One of more than 24 hours books each day."""


class Names(_Section):
    """Names of venues, achievements and organizations; `names = false` is `collect = false`."""

    collect: bool = True
    """Collect groups and achievements of every organization that does not decline."""
    csv: FilePath | None = None
    """The file whose names win over the API's."""


def _names(value: object) -> object:
    return {"collect": value} if isinstance(value, bool) else value


class Schedules(_Section):
    """When schedules start runs, and when data is stale."""

    enabled: bool = False
    """Start the schedules and sensors with the daemon; else a person switches them on."""
    timezone: TimeZone = "UTC"
    hourly: Cron = "17 * * * *"
    nightly: Cron = "23 3 * * *"
    """Outside of the vendor's maintenance: Wednesdays 19:00 Pacific to 21:00 Mountain."""
    retention: Cron = "41 4 * * *"
    organizations_a_run: Annotated[int, Field(ge=1)] | None = None
    """Organizations that a run collects; by default, all."""
    max_age_hours: Annotated[float, Field(ge=1 / 60, le=8_784)] = 26
    """The age at which an organization fails `fresh_enough`, and marts and snapshot are stale."""


class Report(_Section):
    """The HTML report that is written with each snapshot."""

    enabled: bool = True
    """Write it after each publication."""
    path: FilePath | None = None
    """The folder that people open; by default `report`, beside the snapshot."""


class Publish(_Section):
    """Who may read the snapshot, the report and exports, besides their owner."""

    group: Annotated[str, Field(min_length=1)] | None = None
    """The group of the files; by default, the process's own."""


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


class Dagster(_Section):
    """What Dagster shows of this project."""

    owners: Annotated[tuple[Owner, ...], Field(strict=False)] = ()
    """Who owns every asset: e-mail addresses, or teams as `team:NAME`."""
    writer_tags: dict[str, str] = {}
    """Tags of the runs that need the warehouse, such as `dagster-k8s/config`."""


class Alerts(_Section):
    """Who is told when something fails, or works again."""

    url_env: Annotated[tuple[VariableName, ...], Field(strict=False)] = ()
    """The environment variables that hold apprise URLs, separated by blanks: URLs hold secrets."""
    failing_hours: Annotated[float, Field(gt=0, le=8_784)] = 24
    """How long an organization fails until it is told once more."""


class Storage(_Section):
    """The object store that the machines of an installation share; `objects` opens it."""

    url: Annotated[str, AfterValidator(usable_store)]
    """`s3://`, `gs://` or `az://` with a bucket and a prefix; `file:///folder`, or a folder."""

    def located(self, root: Path) -> str:
        """The URL; a folder as `file://`, where a relative one starts from `root`."""
        if "://" in self.url:
            return self.url.rstrip("/")
        return f"file://{(root / self.url).absolute()}"


class _Sections(_Section):
    """The sections that have defaults."""

    collect: Collect = Collect()
    warehouse: WarehouseSettings = WarehouseSettings()
    marts: Marts = Marts()
    names: Annotated[Names, BeforeValidator(_names)] = Names()
    publish: Publish = Publish()
    report: Report = Report()
    schedules: Schedules = Schedules()
    retention: Retention = Retention()
    alerts: Alerts = Alerts()
    dagster: Dagster = Dagster()
    storage: Storage | None = None


class Settings(_Sections):
    """All settings, resolved: paths are absolute, defaults are filled in."""

    root: Path
    """The folder of the configuration, from which relative paths start."""
    source: str
    """The source of the settings, for messages."""
    api: Api | None
    """None means the sandbox, which is started for the run."""
    run_limits: Limits | None = None
    """The limits of one run, where its run config overrides those of the file."""
    organizations: tuple[Organization, ...] = ()
    warehouse_path: Path
    snapshot_path: Path
    credentials_folder: Path | None = None
    """The folder of files with credentials, each named as its variable; systemd's by default."""

    @property
    def slugs(self) -> tuple[str, ...]:
        """The organizations' slugs, in the order of the file."""
        return tuple(organization.slug for organization in self.organizations)

    @property
    def named(self) -> frozenset[str]:
        """The slugs of the organizations whose groups and achievements are wanted."""
        wanted = (organization.slug for organization in self.organizations if organization.names)
        return frozenset(wanted if self.names.collect else ())

    @property
    def limits(self) -> Limits:
        """The limits of requests: those of the run, else of the file, else the defaults."""
        return self.run_limits or self.api or Limits()

    @property
    def landing_path(self) -> Path:
        """The folder of the Parquet landings, beside the warehouse."""
        return self.warehouse_path.with_name(f"{self.warehouse_path.stem}.landing")

    @property
    def report_path(self) -> Path:
        """The folder of the report that people open: a symlink to its newest version."""
        if self.report.path:
            return self.root / self.report.path
        return self.snapshot_path.parent / "report"


class _File(_Sections):
    """The content of `booking.toml`."""

    api: Api
    organizations: Annotated[tuple[Organization, ...], Field(min_length=1, strict=False)]


def load_settings(
    environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Settings:
    """Read the settings from `booking.toml` in `folder`, and from variables of the environment.

    With no configuration at all (no file, and none of the variables), `api` is None: the sandbox,
    whose files are in a folder of their own.

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
        require_usable(home)
        return Settings(
            root=home,
            source="the sandbox",
            api=None,
            warehouse_path=home / "sandbox/booking.duckdb",
            snapshot_path=home / "sandbox/booking.snapshot.duckdb",
        )
    written = _read(path)
    warehouse, snapshot = (path.parent / (variables.get(n) or file) for n, file in _FILES.items())
    for used in (path.parent, warehouse, snapshot):
        require_usable(used)
    credentials = [path.parent / text for name in _CREDENTIALS if (text := variables.get(name))]
    settings = Settings(
        root=path.parent,
        source=str(path),
        warehouse_path=warehouse,
        snapshot_path=snapshot,
        credentials_folder=next(iter(credentials), None),
        **dict(written),
    )
    if clash := path_fault(warehouse, snapshot, settings.report_path):
        raise SettingsError(str(path), (clash,))
    return settings


def require_usable(path: Path) -> None:
    """Refuse (`SettingsError`) a path that SQLite or DuckDB would read as another one."""
    if {"?", "\\"} & {*str(path)}:
        fault = "a path with ? or a backslash is another one to SQLite or DuckDB; move it"
        raise SettingsError(str(path), (fault,))


def _read(path: Path) -> _File:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        fault = f"it is not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise SettingsError(str(path), (fault,)) from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(str(path), (f"it is not TOML: {error}",)) from error
    except OSError as error:
        denied = isinstance(error, PermissionError)
        fault = f"{error.strerror}; {'let this user read it' if denied else 'correct the path'}"
        raise SettingsError(str(path), (f"it cannot be read: {fault}",)) from error
    faults = repeated_values(document)
    try:
        written = _File.model_validate(document)
    except ValidationError as error:
        details = map(dict, error.errors())
        found = [fault_text(detail) for detail in details if not follows_from_others(detail)]
        faults = [*found, *faults]
    if faults:
        raise SettingsError(str(path), tuple(faults))
    return written
