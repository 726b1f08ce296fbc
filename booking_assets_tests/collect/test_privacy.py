"""Of a registration only the listed members are decoded, with any fault of the row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking_assets.collect.contracts import REGISTRATION_ROWS
from booking_assets.collect.decoding import DecodedPage, Decoder
from booking_assets.collect.errors import ForeignRows
from booking_assets.tables.raw import REGISTRATIONS
from booking_assets_tests.collect.events import ACME, OTHER, STARTED, identifier, page_of
from booking_assets_tests.collect.test_decoding_laws import NAMES, SEPARATORS, VALUES, written

CANARY = "canary-password"


def registration(number: int = 1, **members: Any) -> dict[str, Any]:
    return {
        "RegistrationIdentifier": identifier(number),
        "EventIdentifier": identifier(100 + number),
        "OrganizationIdentifier": str(ACME),
        "ApprovalStatus": "Registered",
        "RegistrationPassword": CANARY,
        "RegistrationComment": f'{CANARY}": {{',
        "Score": 0.5,
        **members,
    }


def decoded(*rows: dict[str, Any] | str | bytes) -> DecodedPage:
    return Decoder(REGISTRATION_ROWS, "acme", ACME, STARTED)(page_of(rows))


def seen(page: DecodedPage) -> str:
    return str(page.rows.to_dicts()) + str(page.rejected.to_dicts()) + str(page.unknown)


def test_listed_members_are_typed_and_the_others_dropped() -> None:
    requested = "2026-03-01T09:30:00.1234567-07:00"
    page = decoded(
        registration(1, RegistrationRequestedOn=requested),
        registration(2, Novelty=CANARY, **{CANARY: 1}),
    )
    assert dict(page.rows.schema) == REGISTRATIONS.dtypes
    assert page.rows["registration_requested_on"].to_list() == [
        datetime(2026, 3, 1, 16, 30, 0, 123456, UTC),
        None,
    ]
    assert page.rows["event_identifier"].to_list() == [identifier(101), identifier(102)]
    assert CANARY not in seen(page)


def spliced(value: str) -> str:
    return f'{json.dumps(registration(2))[:-1]}, "Grade": {value}}}'


UNLISTED = {
    "NaN": spliced("NaN"),
    "half a surrogate pair": spliced('"\\ud800"'),
    "broken UTF-8": spliced('"?"').encode().replace(b'"?"', b'"\xff"'),
    "a number beyond any": spliced("1e999"),
    "given twice": spliced('1, "Grade": 2'),
    "a blank before its colon": spliced('1, "Novelty" : 2'),
    "nested": spliced(f'{{"EventIdentifier": "{CANARY}", "OrganizationIdentifier": "{OTHER}"}}'),
}


@pytest.mark.parametrize("row", UNLISTED.values(), ids=UNLISTED)
def test_faults_of_unlisted_members_have_no_effect(row: str | bytes) -> None:
    page = decoded(registration(1), row)
    assert page.rows["registration_identifier"].to_list() == [identifier(1), identifier(2)]
    assert CANARY not in seen(page)


NO_ROW = f'"{CANARY}"'
REJECTED = {
    "a bad identifier": registration(2, EventIdentifier="banana"),
    "a bad status": registration(2, ApprovalStatus=5),
    "no identifier": registration(2, RegistrationIdentifier=None),
    "a listed member given twice": json.dumps(registration(2))[:-1] + ', "ApprovalStatus": "x"}',
    "a listed member given twice, once escaped": json.dumps(registration(2))[:-1]
    + ', "Approval\\u0053tatus": "x"}',
    "a listed member with NaN": json.dumps(registration(2, LastChangeTime=float("nan"))),
    "no row": NO_ROW,
    "too deep": f'{{"{CANARY}": {"[" * 900}{"]" * 900}}}',
}


@pytest.mark.parametrize("row", REJECTED.values(), ids=REJECTED)
def test_a_rejected_registration_shows_the_listed_members_alone(row: dict[str, Any] | str) -> None:
    page = decoded(registration(1), row)
    assert (page.rows.height, page.rejected.height) == (1, 1)
    payload = json.loads(page.rejected["payload"].item() or "{}")
    assert payload.keys() <= REGISTRATION_ROWS.types.keys()
    assert CANARY not in seen(page)


FOREIGN = {
    "a good row": registration(2, OrganizationIdentifier=str(OTHER)),
    "with NaN elsewhere": json.dumps(
        registration(2, OrganizationIdentifier=str(OTHER), Score=float("nan"))
    ),
    "twice, the own last": json.dumps(registration(2, OrganizationIdentifier=str(OTHER)))[:-1]
    + f', "OrganizationIdentifier": "{ACME}"}}',
    "twice, the own last and escaped": json.dumps(
        registration(2, OrganizationIdentifier=str(OTHER))
    )[:-1]
    + f', "Organization\\u0049dentifier": "{ACME}"}}',
    "by its newer name": registration(2, OrganizationIdentifier=None, OrganizationId=str(OTHER)),
}


@pytest.mark.parametrize("row", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_registration_is_recognized(row: dict[str, Any] | str) -> None:
    with pytest.raises(ForeignRows):
        decoded(registration(1), row)


MEMBERS = st.lists(
    st.tuples(st.sampled_from(list(REGISTRATION_ROWS.types)) | NAMES, VALUES), max_size=6
)
ROWS = st.builds(
    lambda more, separators, ascii_only: written(
        [*registration().items(), *more], separators, ascii_only
    ),
    MEMBERS,
    SEPARATORS,
    st.booleans(),
)


@settings(deadline=None)
@given(ROWS)
def test_no_row_is_lost_and_no_unlisted_member_passes(row: str) -> None:
    try:
        page = decoded(row)
    except ForeignRows:
        return
    assert page.received == 1
    assert CANARY not in seen(page)
    for payload in page.rejected["payload"].drop_nulls():
        assert json.loads(payload).keys() <= REGISTRATION_ROWS.types.keys()


@settings(deadline=None)
@given(ROWS)
def test_a_row_is_read_alike_with_its_page_and_alone(row: str) -> None:
    try:
        page = decoded(row)
    except ForeignRows:
        with pytest.raises(ForeignRows):
            decoded(row, NO_ROW)
        return
    # A page with a row that does not fit is read row by row.
    alone = decoded(row, NO_ROW)
    assert alone.rows.equals(page.rows)
    assert alone.rejected[: page.rejected.height].equals(page.rejected)
    assert alone.received == page.received + 1
