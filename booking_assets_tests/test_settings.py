"""Tests of the settings: what `booking.toml` means, and that every fault is reported by its key."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking_assets.settings import Api, Limits, Settings, SettingsError, load_settings

ACME = "123e4567-e89b-12d3-a456-426614174000"
OTHER = "99999999-9999-4999-8999-999999999999"
VALID: dict[str, Any] = {
    "api": {"base_url": "https://api.example.org/v2/E01"},
    "organizations": [{"slug": "acme", "identifier": ACME, "token_env": "BOOKING_TOKEN_ACME"}],
}


def toml(value: Any) -> str:
    """A value as TOML; tables are written inline."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        members = (f"{toml(str(key))} = {toml(member)}" for key, member in value.items())
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return value.isoformat() if isinstance(value, date | time) else str(value)


def document(value: Mapping[str, Any]) -> str:
    return "".join(f"{toml(key)} = {toml(member)}\n" for key, member in value.items())


def loaded(folder: Path, text: str | Mapping[str, Any], **variables: str) -> Settings:
    written = text if isinstance(text, str) else document(text)
    (folder / "booking.toml").write_text(written, encoding="utf-8")
    return load_settings(variables, folder)


def faults(folder: Path, text: str | Mapping[str, Any]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        loaded(folder, text)
    assert str(folder / "booking.toml") in str(caught.value)
    return caught.value.faults


def organization(**members: Any) -> dict[str, Any]:
    return {**VALID, "organizations": [VALID["organizations"][0] | members]}


def test_without_a_file_the_settings_are_the_sandbox(tmp_path: Path) -> None:
    found = load_settings({}, tmp_path)
    assert (found.api, found.organizations, found.limits) == (None, (), Limits())
    assert found.warehouse_path == tmp_path / "sandbox" / "booking.duckdb"


def test_a_file_is_read_with_defaults_filled_in(tmp_path: Path) -> None:
    found = loaded(tmp_path, VALID)
    assert found.limits == Api(base_url="https://api.example.org/v2/E01", page_size=500)
    assert found.organizations[0].identifier == UUID(ACME)
    assert found.organizations[0].credential_variable == "BOOKING_TOKEN_ACME"
    assert found.source == str(tmp_path / "booking.toml")


def test_the_example_is_a_valid_file() -> None:
    example = Path(__file__).parent.parent / "booking.example.toml"
    if not example.exists():
        pytest.skip("only a checkout has the example")
    found = load_settings({"BOOKING_CONFIG": str(example)})
    assert found.organizations[0].slug == "acme"


def test_the_variable_names_the_file_and_paths_start_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "my.toml").write_text(document(VALID), encoding="utf-8")
    variables = {"BOOKING_CONFIG": "else/my.toml", "BOOKING_SNAPSHOT": "out/snapshot.duckdb"}
    found = load_settings(variables, tmp_path)
    assert found.root == tmp_path / "else"
    assert found.snapshot_path == tmp_path / "else" / "out" / "snapshot.duckdb"
    assert found.landing_path == tmp_path / "else" / "data" / "booking.landing"


def test_a_blank_variable_is_an_unset_one(tmp_path: Path) -> None:
    blank = dict.fromkeys(("BOOKING_CONFIG", "BOOKING_WAREHOUSE", "BOOKING_SNAPSHOT"), "")
    assert load_settings(blank, tmp_path) == load_settings({}, tmp_path)


@pytest.mark.parametrize("name", ["BOOKING_WAREHOUSE", "BOOKING_SNAPSHOT"])
def test_made_up_rows_never_go_where_a_variable_points(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} set, but there is no booking.toml here"):
        load_settings({name: str(tmp_path / "production.duckdb")}, tmp_path)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere.toml"))


def make_looping_link(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [make_folder, make_dangling_link, make_looping_link])
def test_a_configuration_that_cannot_be_read_is_not_taken_for_none(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "booking.toml")
    with pytest.raises(SettingsError, match="it cannot be read"):
        load_settings({}, tmp_path)


@pytest.mark.parametrize("name", ["a?b", "a\\b", "?", "b\\"])
def test_a_path_that_databases_read_as_another_one_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with pytest.raises(SettingsError, match="is another one to SQLite or DuckDB"):
        load_settings({}, folder)
    with pytest.raises(SettingsError, match="is another one to SQLite or DuckDB"):
        loaded(tmp_path, VALID, BOOKING_WAREHOUSE=f"{name}/w.duckdb")
    assert list(folder.iterdir()) == []


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "booking.toml").write_text(document(VALID), encoding="utf-8-sig")
    assert load_settings({}, tmp_path).organizations[0].slug == "acme"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file or directory; correct the path"):
        load_settings({"BOOKING_CONFIG": "missing.toml"}, tmp_path)


def test_warehouse_and_snapshot_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    for warehouse, snapshot in (("a/../x.duckdb", "x.duckdb"), ("link/x.duckdb", "a/x.duckdb")):
        with pytest.raises(SettingsError, match="name two"):
            loaded(tmp_path, VALID, BOOKING_WAREHOUSE=warehouse, BOOKING_SNAPSHOT=snapshot)


@pytest.mark.parametrize("path", ["data/booking.snapshot.duckdb", "report/../data/booking.duckdb"])
def test_a_report_never_takes_the_place_of_a_database(tmp_path: Path, path: str) -> None:
    (fault,) = faults(tmp_path, with_fault(VALID, "report.path", path))
    assert "name a place of its own" in fault


@pytest.mark.parametrize("name", ["BOOKING_WAREHOUSE", "BOOKING_SNAPSHOT"])
@pytest.mark.parametrize("path", [".", "/", "/dev/null"])
def test_a_database_is_a_file(tmp_path: Path, name: str, path: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name}: .* is no file"):
        loaded(tmp_path, VALID, **{name: path})


@pytest.mark.parametrize(
    ("names", "own", "named"),
    [
        ({}, {}, {"acme"}),
        ({"names": True}, {}, {"acme"}),
        ({"names": False}, {}, set()),
        ({"names": {"collect": False, "csv": "names.csv"}}, {}, set()),
        ({"names": {"csv": "names.csv"}}, {"names": False}, set()),
    ],
)
def test_names_are_wanted_unless_the_file_or_the_organization_declines(
    tmp_path: Path, names: dict[str, Any], own: dict[str, Any], named: set[str]
) -> None:
    settings = loaded(tmp_path, names | organization(**own))
    assert settings.named == named
    given = names.get("names")
    assert settings.names.csv == (given.get("csv") if isinstance(given, dict) else None)


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded(tmp_path, VALID).collect.attempts = 9  # type: ignore[misc]  # the point


BROKEN: dict[str, tuple[str, Any]] = {
    "a page of nothing": ("api.page_size", 0),
    "a page of everything": ("api.page_size", 10_001),
    "a flag as a number": ("api.page_size", True),
    "a text as a number": ("api.page_size", "500"),
    "a fraction as a whole number": ("api.max_concurrency", 1.5),
    "no time": ("api.timeout_seconds", 0),
    "not a number": ("api.timeout_seconds", float("nan")),
    "no address": ("api.base_url", "api.example.org"),
    "another scheme": ("api.base_url", "ftp://api.example.org"),
    "no host": ("api.base_url", "https:///v2/E01"),
    "a query": ("api.base_url", "https://api.example.org/v2?x=1"),
    "a port that is none": ("api.base_url", "https://api.example.org:http/v2"),
    "a broken host": ("api.base_url", "https://[::1/v2"),
    "a host with an empty label": ("api.base_url", "https://api..example.org/v2"),
    "a host that no resolver takes": ("api.base_url", f"https://{'a' * 64}.example.org"),
    "a host that is no name": ("api.base_url", "https://xn--a/v2"),
    "no address of four bytes": ("api.base_url", "http://256.1.1.1/v2"),
    "a control character": ("api.base_url", "https://api.example.org/\u0001"),
    "an unknown key": ("api.pagesize", 5),
    "a section that is none": ("warehouse", 5),
    "an unknown section": ("warehose", {}),
    "a loss beyond all": ("collect.max_shrink", 1.5),
    "no attempt": ("collect.attempts", 0),
    "no landing": ("collect.landing_keep", 0),
    "an overlap for ever": ("collect.overlap_minutes", float("inf")),
    "memory without a unit": ("warehouse.memory_limit", "2"),
    "no memory at all": ("warehouse.memory_limit", "0.0MB"),
    "memory that no 64 bits count": ("warehouse.memory_limit", "99999999999999999TB"),
    "a report nowhere": ("report.path", "a\0b"),
    "names nowhere": ("names.csv", "a\0b"),
    "no thread": ("warehouse.threads", 0),
    "a word as a flag": ("schedules.enabled", "yes"),
    "no time zone": ("schedules.timezone", "Mars/Olympus"),
    "no schedule": ("schedules.nightly", "at night"),
    "one name instead of a list": ("alerts.url_env", "ALERTS"),
    "no time to fail": ("alerts.failing_hours", 0),
    "a room that is never open": ("marts.open_hours", 0),
    "no number of open hours": ("marts.open_hours", float("nan")),
    "an age for ever": ("schedules.max_age_hours", float("inf")),
}


def with_fault(value: Mapping[str, Any], key: str, bad: Any) -> dict[str, Any]:
    section, _, name = key.partition(".")
    if not name:
        return {**value, section: bad}
    return {**value, section: {**value.get(section, {}), name: bad}}


@pytest.mark.parametrize(("key", "bad"), BROKEN.values(), ids=BROKEN)
def test_a_fault_is_told_by_its_key(tmp_path: Path, key: str, bad: Any) -> None:
    (fault,) = faults(tmp_path, with_fault(VALID, key, bad))
    assert fault.startswith(f"{key}: ")


@pytest.mark.parametrize(
    "slug", ["", "Acme", "a b", "../x", "a/b", "-a", "a" * 64, "a\n", "ä", ".", "a'b"]
)
def test_a_slug_is_a_plain_name(tmp_path: Path, slug: str) -> None:
    (fault,) = faults(tmp_path, organization(slug=slug))
    assert fault.startswith("organizations.0.slug: ")


@given(st.sets(st.sampled_from(sorted(BROKEN)), min_size=1))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_fault_is_told_at_once(tmp_path: Path, chosen: set[str]) -> None:
    by_key = {BROKEN[name][0]: BROKEN[name][1] for name in sorted(chosen)}
    value: Mapping[str, Any] = VALID
    for key in sorted(by_key):
        if key.partition(".")[0] not in by_key or "." not in key:
            value = with_fault(value, key, by_key[key])
    expected = {key for key in by_key if "." not in key or key.partition(".")[0] not in by_key}
    assert {fault.partition(": ")[0] for fault in faults(tmp_path, value)} == expected


@pytest.mark.parametrize(
    ("credentials", "fits"),
    [
        ({"token_env": "A"}, True),
        ({"secret_env": "A"}, True),
        ({}, False),
        ({"token_env": "A", "secret_env": "B"}, False),
    ],
    ids=["a token", "a secret", "neither", "both"],
)
def test_an_organization_has_one_credential(
    tmp_path: Path, credentials: dict[str, str], fits: bool
) -> None:
    plain = {"slug": "acme", "identifier": ACME}
    value = {**VALID, "organizations": [plain | credentials]}
    if fits:
        assert loaded(tmp_path, value).organizations[0].credential_variable == "A"
    else:
        assert "exactly one of token_env" in faults(tmp_path, value)[0]


@pytest.mark.parametrize(
    ("key", "first", "second"),
    [
        ("slug", "acme", "acme"),
        ("identifier", ACME, f"{{{ACME.upper()}}}"),
        ("identifier", ACME, ACME.replace("-", "")),
        ("token_env", "TOKEN", "TOKEN"),
    ],
    ids=["slug", "identifier in braces", "identifier without hyphens", "token"],
)
def test_no_two_organizations_share_what_each_must_have_alone(
    tmp_path: Path, key: str, first: str, second: str
) -> None:
    entries = [
        {"slug": "acme", "identifier": ACME, "token_env": "A"} | {key: first},
        {"slug": "other", "identifier": OTHER, "token_env": "B"} | {key: second},
    ]
    (fault,) = faults(tmp_path, {**VALID, "organizations": entries})
    assert fault.startswith(f"organizations.0, organizations.1: the same {key}; ")


def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    canary = "s3cret canary"
    value = organization(token_env=canary, token=canary)
    value["api"] = {"base_url": f"https://user:{canary}@api.example.org"}
    value["alerts"] = {"url_env": [f"json://host/{canary}"]}
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, value)
    assert len(caught.value.faults) == 4
    assert canary not in str(caught.value) + repr(caught.value)


NO_FILES = {
    "not TOML": b"[api",
    "not UTF-8": b'slug = "\xff"',
    "a number without end": b"x = " + b"9" * 5000,
    "nested without end": b"x = " + b"[" * 5000,
    "nothing": b"",
}


@pytest.mark.parametrize("content", NO_FILES.values(), ids=NO_FILES)
def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "booking.toml").write_bytes(content)
    with pytest.raises(SettingsError):
        load_settings({}, tmp_path)


def test_a_file_that_may_not_be_read_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "booking.toml").touch()
    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(SettingsError, match="cannot be read: Permission denied"):
        load_settings({}, tmp_path)


NAMES = st.sampled_from(
    [*VALID, *VALID["api"], *VALID["organizations"][0], "collect", "schedules", "timezone"]
)
VALUES = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([ACME, "acme", "https://api.example.org", "UTC", 5])
    | st.datetimes(min_value=datetime(1, 1, 1))  # noqa: DTZ001 - a local date-time of TOML
    | st.dates()
    | st.times(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(NAMES | st.text(), VALUES, max_size=5))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_arbitrary_document_is_read_or_refused(tmp_path: Path, value: dict[str, Any]) -> None:
    with contextlib.suppress(SettingsError):
        loaded(tmp_path, VALID | value)


@given(st.binary() | st.text().map(str.encode))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_arbitrary_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "booking.toml").write_bytes(content)
    with pytest.raises(SettingsError):
        load_settings({}, tmp_path)
