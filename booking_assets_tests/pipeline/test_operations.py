"""`Operations`: what a person sees of the API, decoded by contract."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from booking_assets.api.errors import CredentialMismatch
from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.errors import ForeignRows
from booking_assets.pipeline.operations import (
    RESOURCES,
    Answer,
    OperationRefused,
    Operations,
    as_text,
    criteria,
)
from booking_assets_tests.pipeline.conftest import EVENTS_EACH, Place


@contextmanager
def opened(
    place: Place, *faults: str, resource: str = "events", filters: tuple[str, ...] = ()
) -> Iterator[Operations]:
    with place.collector(*faults) as collector:
        yield Operations.open(collector.connect, place.organizations[0], resource, filters)


def ask(asked: Operations, operation: str, identifier: str = "", **paged: Any) -> Answer:
    arguments = {"page": 1, "page_size": 5, "sort": None} | paged
    return asked.ask(operation, identifier, **arguments)


def test_count_search_and_collect_agree(place: Place) -> None:
    with opened(place) as asked:
        counted = ask(asked, "count").rows.item()
        listed = [ask(asked, "search", page=page).rows for page in range(1, 5)]
        rows = [ask(asked, "collect", page=page).rows for page in range(1, 5)]
    assert counted == EVENTS_EACH == pl.concat(rows).height
    column = "event_identifier"
    assert pl.concat(listed)[column].to_list() == pl.concat(rows)[column].to_list()


def test_a_page_says_its_number_and_the_total(place: Place) -> None:
    with opened(place) as asked:
        assert ask(asked, "collect", page=2).notes == (f"page 2: 5 of {EVENTS_EACH} rows",)
        assert ask(asked, "search", page=9).notes == (f"page 9: 0 of {EVENTS_EACH} rows",)


def test_one_event_is_retrieved_by_its_identifier(place: Place) -> None:
    with opened(place) as asked:
        expected = ask(asked, "collect", page_size=1).rows
        identifier = expected["event_identifier"].item()
        assert ask(asked, "retrieve", identifier).rows.equals(expected)
        assert ask(asked, "exists", identifier).rows.item() is True
        assert ask(asked, "exists", identifier.replace(identifier[0], "0")).rows.item() is False


def test_of_registrations_only_the_listed_members_are_read(place: Place) -> None:
    with opened(place, resource="registrations") as asked:
        rows = ask(asked, "collect").rows
    assert rows.height == 5
    assert {"registration_identifier", "approval_status"} < {*rows.columns}
    assert not [name for name in rows.columns if "password" in name or "grade" in name]


def test_registrations_are_never_downloaded(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    with opened(place, resource="registrations") as asked, pytest.raises(OperationRefused):
        asked.download(path, "json")
    assert not path.exists()


def test_a_download_holds_every_row(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    with opened(place) as asked:
        answer = asked.download(path, "json")
    assert len(json.loads(path.read_bytes())) == EVENTS_EACH
    assert answer.rows.to_dicts() == [{"file": str(path), "bytes": path.stat().st_size}]


def test_rows_of_another_organization_are_refused(place: Place) -> None:
    with opened(place, "foreign_row") as asked, pytest.raises(ForeignRows):
        ask(asked, "collect", page_size=100)


def test_nothing_is_downloaded_with_the_token_of_another_organization(
    place: Place, tmp_path: Path
) -> None:
    first, second = place.tenants
    place.tenants = (dataclasses.replace(first, token=second.token), second)
    with opened(place) as asked, pytest.raises(CredentialMismatch):
        asked.download(tmp_path / "all.json", "json")
    assert list(tmp_path.glob("*all.json*")) == []


def test_a_rejected_credential_is_named_by_its_variable(place: Place) -> None:
    place.tenants = tuple(dataclasses.replace(one, token="wrong") for one in place.tenants)
    with opened(place) as asked, pytest.raises(OperationRefused, match="read from UNUSED"):
        ask(asked, "count")


def test_a_filter_is_said_to_be_ignored(place: Place) -> None:
    with opened(place, filters=("event_type=Nonsense", "CapacityMaximum=3")) as asked:
        counted = ask(asked, "count")
        (_, note) = ask(asked, "collect").notes
    assert counted.rows.item() == EVENTS_EACH
    assert counted.notes == (note,)
    assert "ignore the filter EventType, CapacityMaximum: this is of all events" in note


def test_filters_have_the_type_of_their_member() -> None:
    texts = [
        *("EventType=Class=1", "capacity_maximum=12", "WAITLISTENABLED=true", "CreditHours=1.5"),
        "VenueOfficeIdentifier=10CDC3CEd8d8578689bd37bd967d049e",
    ]
    assert criteria(EVENT_ROWS, texts) == {
        "EventType": "Class=1",
        "CapacityMaximum": 12,
        "WaitlistEnabled": True,
        "CreditHours": 1.5,
        "VenueOfficeIdentifier": "10cdc3ce-d8d8-5786-89bd-37bd967d049e",
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Colour=red", "no member of events: Achievement"),
        ("CapacityMaximum=many", "CapacityMaximum is a number, which 'many' is not"),
        ("WaitlistEnabled=perhaps", "is a flag"),
        ("VenueOfficeIdentifier=7", "is a identifier"),
        ("EventIdentifier=7", "use retrieve"),
        ("organization_identifier=7", "use -o"),
    ],
)
def test_a_filter_that_cannot_be_sent_is_refused(text: str, reason: str) -> None:
    with pytest.raises(OperationRefused, match=reason):
        criteria(EVENT_ROWS, [text])


def test_every_resource_that_is_collected_can_be_asked_for(place: Place) -> None:
    for resource in RESOURCES:
        with opened(place, resource=resource) as asked:
            assert ask(asked, "count").rows.item() > 0


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"]


def test_no_text_is_a_formula_in_csv() -> None:
    rows = pl.DataFrame({"title": [*FORMULAS, "a=1", "", None], "number": [-1] * 10})
    read = list(csv.reader(StringIO(as_text(rows, "csv"), newline="")))
    assert [row[0] for row in read] == ["title", *(f"'{text}" for text in FORMULAS), "a=1", "", ""]
    assert {row[1] for row in read[1:]} == {"-1"}


def test_json_holds_each_row_as_an_object() -> None:
    rows = pl.DataFrame({"title": ["=é", None], "number": [1, 2]})
    written = as_text(rows, "json")
    assert json.loads(written) == rows.to_dicts()
    assert "é" in written
