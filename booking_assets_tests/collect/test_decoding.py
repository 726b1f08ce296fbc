"""Decoding: valid rows are typed, the others are rejected with their payload."""

from __future__ import annotations

from typing import Any

import pytest

from booking_assets.api.errors import MalformedBody, WrongShape
from booking_assets.collect.contracts import EVENT_ROWS
from booking_assets.collect.decoding import CHUNK_ROWS
from booking_assets.collect.errors import ForeignRows
from booking_assets.collect.rows import MAX_ROW_BYTES, OWNER
from booking_assets.tables.raw import EVENTS, REJECTED_ROWS
from booking_assets_tests.collect.events import (
    ACME,
    OTHER,
    STARTED,
    decoded,
    decoder,
    event,
    identifier,
    page_of,
    spliced,
    text,
)

FITS: dict[str, tuple[str, str, str, Any]] = {
    "text": ("EventTitle", '"Forklift"', "event_title", "Forklift"),
    "empty text": ("EventTitle", '""', "event_title", ""),
    "text in two scripts": ("EventTitle", '"Łódź \\u4e2d"', "event_title", "Łódź 中"),
    "emoji as a surrogate pair": ("EventTitle", '"\\ud83d\\ude00"', "event_title", "😀"),
    "NUL in text": ("EventTitle", '"a\\u0000b"', "event_title", "a\0b"),
    "JSON in text": ("Content", '"{\\"a\\": {\\"b\\" : 1}}"', "content", '{"a": {"b" : 1}}'),
    "text that looks like a member": ("EventTitle", '"\\\\\\": 1"', "event_title", '\\": 1'),
    "text that begins with a colon": ("EventTitle", '": x"', "event_title", ": x"),
    "null": ("EventTitle", "null", "event_title", None),
    "whole number": ("CapacityMaximum", "-7", "capacity_maximum", -7),
    "largest 32-bit number": ("CapacityMaximum", "2147483647", "capacity_maximum", 2**31 - 1),
    "whole number with a fraction of nought": ("CapacityMaximum", "3.0", "capacity_maximum", 3),
    "whole number with an exponent": ("CapacityMaximum", "2e2", "capacity_maximum", 200),
    "fraction": ("CreditHours", "3.25", "credit_hours", 3.25),
    "whole number as a fraction": ("CreditHours", "3", "credit_hours", 3.0),
    "flag": ("WaitlistEnabled", "true", "waitlist_enabled", True),
    "identifier in upper case": (
        "VenueLocationIdentifier",
        '"ABCDEF01-2345-6789-ABCD-EF0123456789"',
        "venue_location_identifier",
        "abcdef01-2345-6789-abcd-ef0123456789",
    ),
}
BAD_VALUES: dict[str, tuple[str, str, str]] = {
    "number in text": ("EventTitle", "5", "expected `str | null`, got `int`"),
    "object in text": ("EventTitle", '{"a": 1}', "expected `str | null`, got `object`"),
    "list in text": ("EventTitle", "[1]", "expected `str | null`, got `array`"),
    "flag in text": ("EventTitle", "true", "expected `str | null`, got `bool`"),
    "text in a number": ("CapacityMaximum", '"20"', "expected `int | null`, got `str`"),
    "flag in a number": ("CapacityMaximum", "true", "expected `int | null`, got `bool`"),
    "fraction in a whole number": ("CapacityMaximum", "3.7", "got `float`"),
    "more than 32 bits": ("CapacityMaximum", "1099511627776", "expected `int` <= 2147483647"),
    "3e9 in 32 bits": ("CapacityMaximum", "3e9", "expected `int` <= 2147483647"),
    "a number of 5,000 digits": ("CapacityMaximum", "9" * 5000, "out of range"),
    "a number beyond any": ("CreditHours", "1e400", "out of range"),
    "text in a fraction": ("CreditHours", '"3.0"', "got `str`"),
    "flag in a fraction": ("CreditHours", "false", "got `bool`"),
    "NaN": ("CreditHours", "NaN", "not valid JSON or Unicode"),
    "Infinity": ("CreditHours", "-Infinity", "not valid JSON or Unicode"),
    "NaN in an unknown member": ("Novelty", "[NaN]", "not valid JSON or Unicode"),
    "text in a flag": ("WaitlistEnabled", '"maybe"', "got `str`"),
    "number in a flag": ("WaitlistEnabled", "1", "got `int`"),
    "half a surrogate pair": ("EventTitle", '"\\ud800"', "not valid JSON or Unicode"),
    "half a pair in an unknown member": ("Novelty", '"\\udc00"', "not valid JSON"),
    "an impossible day": ("EventScheduledStart", '"2026-02-30T09:00:00Z"', "no date-time"),
    "identifier in braces": (
        "VenueOfficeIdentifier",
        '"{00000000-0000-0000-0000-000000000001}"',
        "is no UUID",
    ),
    "identifier without hyphens": ("VenueOfficeIdentifier", f'"{ACME.hex}"', "is no UUID"),
    "identifier with a line break": ("VenueOfficeIdentifier", f'"{ACME}\\n"', "is no UUID"),
    "empty identifier": ("VenueOfficeIdentifier", '""', "is no UUID"),
    "number as the row's identifier": ("EventIdentifier", "7", "expected `str | null`"),
    "no identifier": ("EventIdentifier", "null", "is missing"),
}
WITHOUT_OWNER: dict[str, tuple[str, str, str]] = {
    "no owner": (text(event(2, OrganizationIdentifier=None)), OWNER, "is missing"),
    "an owner that is none": (spliced(2, OWNER, '"banana"'), OWNER, "is no UUID"),
    "an owner in a number": (spliced(2, OWNER, "7"), OWNER, "has the wrong type"),
    "names in camel case": (
        text({name[0].lower() + name[1:]: value for name, value in event(2).items()}),
        f"EventIdentifier,{OWNER}",
        "is missing",
    ),
    "an owner within another member": (
        text(event(2, OrganizationIdentifier=None, Host={OWNER: str(ACME)})),
        OWNER,
        "is missing",
    ),
    "a name that people wrote, twice": (
        f'{text(event(2, OrganizationIdentifier=None))[:-1]}, "Ada": 1, "Ada": 2}}',
        "a member",
        "is given more than once",
    ),
}
NO_PAGES = {
    "nothing": b"",
    "null": b"null",
    "an object": b'{"Count": 1}',
    "an error page": b"<html>Service unavailable</html>",
    "cut off within a row": page_of([event(1), event(2)])[:-40],
    "cut off between rows": page_of([event(1)])[:-1] + b", ",
    "cut off within a text that ends like a page": b'[{"Content": "[1]',
    "two pages": b"[][]",
    "a comma too many": b'[{"a": 1},]',
    "a comma too few": b'[{"a": NaN} {"a": 1}]',
    "a hole between rows": b'[{"a": NaN}, , {"a": 1}]',
    "a line break in a text": b'["a\nb"]',
    "a wrong escape": b'["\\q"]',
    "a byte order mark": b"\xef\xbb\xbf[]",
    "UTF-16": "[]".encode("utf-16"),
    "nested beyond all measure": b"[" * 100_000,
}


@pytest.mark.parametrize(("member", "value", "column", "expected"), FITS.values(), ids=FITS)
def test_a_valid_value_is_typed_alone_and_beside_a_rejected_row(
    member: str, value: str, column: str, expected: Any
) -> None:
    rejected = spliced(2, "EventTitle", "0")
    for neighbors in ([], [rejected]):
        page = decoded(spliced(1, member, value), *neighbors)
        assert page.rows[column].to_list() == [expected]
        assert page.rejected.height == len(neighbors)


@pytest.mark.parametrize(("member", "value", "reason"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_bad_value_rejects_its_row_alone_with_its_payload(
    member: str, value: str, reason: str
) -> None:
    rejected = spliced(2, member, value)
    page = decoded(event(1), rejected, event(3))
    assert page.rows["event_identifier"].to_list() == [identifier(1), identifier(3)]
    assert page.rejected["fields"].to_list() == [member]
    assert reason in page.rejected["reason"].item()
    assert page.rejected["payload"].item() == rejected
    assert page.received == 3


@pytest.mark.parametrize(("row", "fields", "reason"), WITHOUT_OWNER.values(), ids=WITHOUT_OWNER)
def test_a_row_that_does_not_prove_its_owner_is_counted_without_its_content(
    row: str, fields: str, reason: str
) -> None:
    page = decoded(event(1), row)
    assert (page.rows.height, page.rejected.height) == (1, 1)
    assert page.rejected["payload"].item() is None
    assert page.rejected["fields"].item() == fields
    assert reason in page.rejected["reason"].item()
    assert "Ada" not in str(page.rejected.to_dicts())
    assert "Event 2" not in str(page.rejected.to_dicts())


def oversized(number: int, **members: Any) -> str:
    return text(event(number, EventDescription="x" * MAX_ROW_BYTES, **members))


@pytest.mark.parametrize("row", [oversized(2), oversized(2, Novelty=float("nan"))])
def test_a_row_of_more_than_16_mib_costs_only_itself(row: str) -> None:
    page = decoded(event(1), row, *(event(n) for n in range(3, CHUNK_ROWS + 10)))
    assert page.rows.height == CHUNK_ROWS + 8
    assert page.rejected.select("fields", "reason", "payload").rows() == [
        ("row", "row is larger than 16 MiB", None)
    ]


def test_a_row_of_more_than_16_mib_keeps_its_identifier_and_its_owner() -> None:
    assert decoded(oversized(2)).rejected["identifier"].to_list() == [identifier(2)]
    with pytest.raises(ForeignRows):
        decoded(event(1), oversized(2, OrganizationIdentifier=str(OTHER)))


def test_a_large_row_below_the_limit_is_typed() -> None:
    page = decoded(event(1), event(2, EventDescription="x" * (MAX_ROW_BYTES - 1_000)))
    assert page.rows.height == 2


@pytest.mark.parametrize("body", NO_PAGES.values(), ids=NO_PAGES)
def test_a_body_that_is_no_array_is_no_page(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        decoder()(body)


@pytest.mark.parametrize("body", [b"null", b"1", b'"rows"', b'{"Items": []}'])
def test_a_value_that_is_the_same_at_every_request_is_given_up_soon(body: bytes) -> None:
    with pytest.raises(WrongShape):
        decoder()(body)


@pytest.mark.parametrize("row", ["null", "5", '"text"', "true", "NaN", "[]", '[{"a": 1}]', "{}"])
def test_a_row_that_is_no_event_is_a_rejected_row(row: str) -> None:
    page = decoded(row, event(1))
    assert (page.rows.height, page.rejected["payload"].to_list()) == (1, [None])
    assert page.rejected["reason"].item()


@pytest.mark.parametrize("member", ["Novelty", "EventTitle", "EventNumber"])
@pytest.mark.parametrize("depth", [1_500, 3_000, 200_000])
def test_a_row_that_is_nested_too_deeply_costs_only_itself(member: str, depth: int) -> None:
    deep = spliced(2, member, "[" * depth + "]" * depth)
    page = decoded(event(1), deep, event(3))
    assert page.rows["event_identifier"].to_list() == [identifier(1), identifier(3)]
    assert page.rejected["identifier"].to_list() == [identifier(2)]
    assert page.rejected["fields"].to_list() == [member]
    assert page.rejected["payload"].to_list() == [deep]


def test_a_deep_row_of_another_organization_fails_the_page() -> None:
    deep = spliced(2, "Novelty", "[" * 3_000 + "]" * 3_000).replace(str(ACME), str(OTHER))
    with pytest.raises(ForeignRows):
        decoded(event(1), deep)


def test_a_page_with_a_deep_row_may_still_be_malformed() -> None:
    deep = page_of([event(1), spliced(2, "Novelty", "[" * 3_000 + "]" * 3_000)])
    for body in (deep[:-1], deep[:-40], deep + b"]", deep[:-1] + b",]", deep[:-1] + b", {]"):
        with pytest.raises(MalformedBody):
            decoder()(body)


def test_an_empty_page_is_an_empty_frame_of_the_contract() -> None:
    page = decoded()
    assert page.rows.equals(EVENTS.empty())
    assert page.rejected.equals(REJECTED_ROWS.empty())


def test_rows_have_the_types_of_the_contract_and_their_organization() -> None:
    page = decoded(event(1), "null")
    assert dict(page.rows.schema) == EVENTS.dtypes
    assert dict(page.rejected.schema) == REJECTED_ROWS.dtypes
    for frame in (page.rows, page.rejected):
        assert frame.select("organization", "collected_at").rows() == [("acme", STARTED)]


def test_every_fault_of_a_row_is_named() -> None:
    page = decoded(
        event(CapacityMaximum="many", EventTitle=5),
        event(2, ExamStarted="x", VenueOfficeIdentifier="y"),
    )
    assert page.rejected["fields"].to_list() == [
        "EventTitle,CapacityMaximum",
        "VenueOfficeIdentifier,ExamStarted",
    ]
    assert page.rejected["reason"][1].count("; ") == 1


def test_an_identifier_is_kept_as_received_with_a_rejected_row() -> None:
    page = decoded(
        event(EventIdentifier="{AB}", EventTitle=5),
        spliced(2, "EventIdentifier", "7"),
        spliced(3, "CreditHours", "NaN"),
        '{"EventTitle": 5}',
    )
    assert page.rejected["identifier"].to_list() == ["{AB}", "7", identifier(3), None]


def test_bytes_that_are_no_utf_8_reject_their_row_alone() -> None:
    for member in ("EventTitle", "Novelty"):
        broken = spliced(2, member, '"?"').encode().replace(b"?", b"\xff")
        page = decoded(event(1), broken)
        assert page.rows.height == 1
        assert page.rejected["fields"].to_list() == [member]
        assert page.rejected["identifier"].to_list() == [identifier(2)]
        assert page.rejected["payload"].item() == broken.decode(errors="backslashreplace")


def test_a_repeated_member_rejects_the_row_with_any_spacing() -> None:
    for repeated in ('"EventTitle":"a","EventTitle":"b"', '"EventTitle" :"a","EventTitle" :"b"'):
        row = f"{text(event(EventTitle=None))[:-1]},{repeated}}}"
        page = decoded(row)
        assert page.rejected["reason"].to_list() == ["EventTitle is given more than once"]


def test_unknown_members_are_kept_as_received() -> None:
    novelties = '"B\\"\\\\": {"x": [1.50, {"y": null}]}, "A" : "\\u00e9", "C\\\\":0'
    page = decoded(f"{text(event(1))[:-1]}, {novelties}}}", event(2))
    extra = page.rows["extra"].to_list()
    assert extra == ['{"A":"\\u00e9","B\\"\\\\":{"x": [1.50, {"y": null}]},"C\\\\":0}', None]
    assert page.unknown == {"A", 'B"\\', "C\\"}


def test_a_blank_before_the_colon_hides_no_member() -> None:
    page = decoded(f'{text(event(1))[:-1]}, "Novelty" : 1}}')
    assert page.rows["extra"].to_list() == ['{"Novelty":1}']


def renamed(row: dict[str, Any]) -> dict[str, Any]:
    newer = {name: alias for alias, name in EVENT_ROWS.aliases.items()}
    return {newer.get(name, name): value for name, value in row.items()}


def test_newer_names_give_the_same_rows() -> None:
    rows = [event(n, VenueLocationIdentifier=identifier(n), Novelty=n or None) for n in range(3)]
    older, newer = decoded(*rows), decoded(*map(renamed, rows))
    assert newer.rows.equals(older.rows)
    assert "EventId" in renamed(rows[0])


def test_names_of_two_releases_may_share_a_page_and_a_row() -> None:
    both = event(2) | renamed(event(2)) | {"EventId": identifier(2).upper()}
    page = decoded(event(1), renamed(event(3)), both)
    assert sorted(page.rows["event_identifier"]) == [identifier(n) for n in (1, 2, 3)]


def test_an_escaped_name_is_the_name() -> None:
    row = text(event(VenueLocationId=identifier(9))).replace("LocationId", "Location\\u0049d")
    assert decoded(row).rows["venue_location_identifier"].to_list() == [identifier(9)]


def test_two_names_with_different_values_reject_the_row() -> None:
    page = decoded(event(1) | {"EventId": identifier(2)})
    assert page.rejected["reason"].to_list() == ["EventId contradicts EventIdentifier"]


FOREIGN: dict[str, str | bytes] = {
    "a good row": text(event(OrganizationIdentifier=str(OTHER))),
    "in upper case": text(event(OrganizationIdentifier=str(OTHER).upper())),
    "in braces": text(event(OrganizationIdentifier=f"{{{OTHER}}}")),
    "without hyphens": text(event(OrganizationIdentifier=OTHER.hex)),
    "by its newer name": text(event(OrganizationIdentifier=None, OrganizationId=str(OTHER))),
    "beside the own": text(event(OrganizationId=str(OTHER))),
    "twice, the own last": spliced(1, OWNER, f'"{OTHER}", "{OWNER}": "{ACME}"'),
    "twice, the own first": spliced(1, OWNER, f'"{ACME}", "{OWNER}": "{OTHER}"'),
    "a row with a bad number": text(event(OrganizationIdentifier=str(OTHER), CapacityMaximum="x")),
    "a row with a bad date": text(event(OrganizationIdentifier=str(OTHER), ExamStarted="x")),
    "a row of no event": text(event(OrganizationIdentifier=str(OTHER), EventIdentifier=None)),
    "a row with NaN": spliced(1, "CreditHours", "NaN").replace(str(ACME), str(OTHER)),
    "a row of broken UTF-8": text(event(OrganizationIdentifier=str(OTHER), EventTitle="?"))
    .encode()
    .replace(b"?", b"\xff"),
    "a row too deep to read": f'{{"OrganizationId" : "{OTHER}", "x": {"[" * 900}{"]" * 900}}}',
    "a row within a list": f'[{{"OrganizationId": "{OTHER}"}}]',
}  # fmt: skip


@pytest.mark.parametrize("row", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_row_fails_the_page_with_any_other_fault(row: str | bytes) -> None:
    with pytest.raises(ForeignRows) as caught:
        decoded(event(2), row, event(3))
    assert str(OTHER) in caught.value.reason
    assert str(ACME) in caught.value.reason


def test_an_unknown_member_may_name_other_organizations() -> None:
    host = {"OrganizationIdentifier": str(OTHER)}
    page = decoded(event(1, Host=host), event(2, Host=host, CapacityMaximum="x"))
    assert (page.rows.height, page.rejected.height) == (1, 1)


def test_an_owner_in_upper_case_is_the_owner() -> None:
    rows = decoded(event(OrganizationIdentifier=str(ACME).upper())).rows
    assert rows["organization_identifier"].to_list() == [str(ACME)]


@pytest.mark.parametrize("size", [CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1, 2 * CHUNK_ROWS + 1])
def test_a_page_of_any_size_keeps_its_rows_in_order(size: int) -> None:
    rows = [event(n) for n in range(size)]
    rows[-1]["CapacityMaximum"] = "x"
    page = decoded(*rows)
    assert page.rows["event_identifier"].to_list() == [identifier(n) for n in range(size - 1)]
    assert page.rejected["identifier"].to_list() == [identifier(size - 1)]


def test_the_fast_path_and_the_slow_path_agree() -> None:
    rows = [event(n, ExamStarted="2026-05-04T09:00:00.25+01:00") for n in range(20)]
    fast, slow = decoded(*rows), decoded(*rows, "null")
    assert slow.rows.equals(fast.rows)
