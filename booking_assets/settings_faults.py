"""Checks values of `booking.toml`, and says each fault in a sentence; see `settings`."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import available_timezones


def repeated_values(document: Mapping[str, Any]) -> list[str]:
    """The faults of values that several organizations share although each must have its own.

    A token belongs to one organization: with a shared credential, all would get the rows of one.
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


def follows_from_others(detail: Mapping[str, Any]) -> bool:
    """Whether a fault only follows from others: pydantic counts only valid organizations."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _canonical(value: object) -> str:
    """The same text for all notations of a UUID, and for all cases of a name."""
    try:
        return UUID(str(value)).hex
    except ValueError:
        return str(value).lower()


def path_fault(warehouse: Path, snapshot: Path, report: Path) -> str | None:
    """The fault of paths that would take each other's place, or that are no files."""
    places = [(os.path.realpath(path.parent), path.name) for path in (warehouse, snapshot, report)]
    if places[0] == places[1]:
        return (
            f"BOOKING_WAREHOUSE and BOOKING_SNAPSHOT: both are {warehouse}; the snapshot would take"
            " the warehouse's place: name two"
        )
    if places[2] in places[:2]:
        return f"report.path: {report} is the warehouse or the snapshot; name a place of its own"
    for name, path in (("BOOKING_WAREHOUSE", warehouse), ("BOOKING_SNAPSHOT", snapshot)):
        if path.exists() and not path.is_file():
            return f"{name}: {path} is no file; name one, which may be missing"
    return None


_REMEDIES: Mapping[str, str] = {
    "missing": "it is required; add it",
    "extra_forbidden": "no such setting; correct the spelling or remove it",
}


def fault_text(detail: Mapping[str, Any]) -> str:
    """One sentence for a fault: the key, what is wrong, what was found, what to do."""
    key = ".".join(str(part) for part in detail["loc"]) or "file"
    remedy = _REMEDIES.get(detail["type"])
    if remedy:
        return f"{key}: {remedy}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    found = detail["input"]
    # A user may have written the secret itself in place of its variable's name, or into the URL.
    silent = isinstance(found, dict | list | tuple) or re.search("_env|_?url", key)
    shown = "" if silent else f" (found {found!r})"
    return f"{key}: {message[0].lower()}{message[1:]}{shown}"


def known_time_zone(name: str) -> str:
    """The name of a time zone; a ValueError with the remedy where it is none."""
    # Two names of tzdata that are no place; polars does not know them.
    if name not in available_timezones() - {"Factory", "localtime"}:
        raise ValueError("no such time zone; give an IANA name such as America/Edmonton")
    return name


def usable_store(url: str) -> str:
    """The URL of an object store or a folder; a ValueError with the remedy where it is neither."""
    scheme, separator, rest = url.partition("://")
    is_folder = not separator or scheme == "file"
    if (
        re.search(r"[?#@\\\s]", url)
        or (separator and scheme not in ("s3", "gs", "az", "file"))
        or not (url if is_folder else rest.strip("/"))
        or (scheme == "file" and not rest.startswith("/"))
    ):
        raise ValueError(
            "no URL of an object store; give s3://bucket/prefix, gs://bucket/prefix,"
            " az://container/prefix, file:///folder or a folder, without credentials, options or"
            " blanks: those come from the environment"
        )
    return url


def usable_address(url: str) -> str:
    """A base URL; a ValueError with the remedy where nothing can be asked there."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        # Each raises for a name that no resolver takes: an empty label, an address of 256.
        host = (parts.hostname or "").encode("idna").decode("idna")
        if re.fullmatch(r"[0-9.]+", host):
            ip_address(host)
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[!-~]+", url) or re.search(r"[?#@]", url):
        raise ValueError(
            "no address that can be asked; give all that precedes /booking, such as "
            "https://host/v2/E01, without a user, a query or a fragment"
        )
    return url
