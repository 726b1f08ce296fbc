"""Switches are read as they are written, and what cannot be used is refused with the remedy."""

from __future__ import annotations

import pytest

from booking_assets.sandbox.faults.contract import FaultError
from booking_assets.sandbox.faults.registry import (
    NO_FAULTS,
    SWITCHES,
    fault_middleware,
    fault_table,
)
from booking_assets.sandbox.faults.registry import parse_faults as parse_own_faults
from booking_assets.sandbox.world import World
from booking_assets_tests.faults.server import SWITCHES as ALL_SWITCHES
from booking_assets_tests.faults.server import parse_faults


@pytest.mark.parametrize(
    ("text", "value", "organization"),
    [
        ("error_rate=0.12", 0.12, None),
        ("error_rate=1@harbour-trades", 1.0, "harbour-trades"),
        ("no_header", "", None),
        ("no_header@harbour-trades", "", "harbour-trades"),
        ("count_off=-3", -3, None),
        ("throttle=20", (20, 1), None),
        ("throttle=20/0.5", (20, 0.5), None),
        ("downtime=60", (60, 1), None),
        ("downtime=60/7", (60, 7), None),
        ("era=C", "C", None),
        ("bad_rows=all", "all", None),
        ("foreign_token=other@harbour-trades", "other", "harbour-trades"),
    ],
)
def test_a_switch_is_read(text: str, value: object, organization: str | None) -> None:
    (fault,) = parse_faults([text]).chosen
    assert (fault.switch.name, fault.value) == (text.partition("=")[0].partition("@")[0], value)
    assert fault.organization == organization


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("erorr_rate=1", "no fault is called 'erorr_rate'; known: downtime, "),
        ("", "no fault is called ''"),
        ("error_rate", "write error_rate=SHARE; SHARE is a number from 0 to 1"),
        ("error_rate=", "write error_rate=SHARE"),
        ("error_rate=2", "SHARE is a number from 0 to 1"),
        ("error_rate=nan", "SHARE is a number from 0 to 1"),
        ("error_rate=often", "SHARE is a number from 0 to 1"),
        ("no_header=yes", "write no_header; it takes no value"),
        ("count_off=0", "DIFFERENCE is a whole number, not 0"),
        ("throttle=20/0", "SECONDS (1) a number above 0"),
        ("latency=inf", "SECONDS is a number above 0"),
        ("downtime=5/0", "FIRST (1) a whole number above 0"),
        ("era=D", "ERA is one of B, C"),
        ("no_header@", "the organization's slug is missing after @"),
    ],
)
def test_a_switch_that_cannot_be_used_is_refused_with_the_remedy(text: str, says: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse_faults([text])
    assert str(caught.value).startswith(text)
    assert says in str(caught.value)


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(FaultError) as caught:
        parse_faults(["nonsense", "no_header", "no_header", "slow=no", "slow=9@a", "slow=8@a"])
    told = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in told] == ["nonsense", "slow=no", "no_header", "slow"]
    assert told[3] == "slow: given twice for a; give it once"


def test_an_organization_that_the_sandbox_does_not_have_is_refused(world: World) -> None:
    for text in ("no_header@nobody", "foreign_token=nobody"):
        with pytest.raises(FaultError, match="no organization is called 'nobody'; some are: harb"):
            fault_middleware(parse_faults([text]), world)


def test_one_fault_may_differ_between_organizations() -> None:
    faults = parse_faults(["count_off=1@a", "count_off=2@b"])
    assert [(fault.organization, fault.value) for fault in faults.chosen] == [("a", 1), ("b", 2)]


def test_the_order_of_the_command_line_makes_no_difference() -> None:
    texts = ["no_header", "error_rate=0.5", "bad_rows=all", "rebuild=3"]
    assert parse_faults(texts) == parse_faults(reversed(texts))


def test_no_switch_is_no_fault(world: World) -> None:
    assert parse_faults([]) == NO_FAULTS
    assert NO_FAULTS.chosen == ()
    assert fault_middleware(NO_FAULTS, world) == []


def test_the_table_for_people_has_a_sentence_for_every_switch() -> None:
    table = fault_table()
    assert [name for name, _, _ in table] == list(SWITCHES)
    meanings = {name: meaning for name, _, meaning in table}
    assert meanings["error_rate"].endswith("503 or 504. SHARE is a number from 0 to 1.")
    assert meanings["bad_rows"].endswith("duplicate_members, not_object.")
    assert all(meaning.endswith(".") for meaning in meanings.values())


def test_the_command_line_knows_a_dozen_faults_and_those_of_tests_stay_out() -> None:
    assert 12 <= len(SWITCHES) <= 20
    assert SWITCHES.keys() < ALL_SWITCHES.keys()
    with pytest.raises(FaultError, match="no fault is called 'unsorted'"):
        parse_own_faults(["unsorted"])
    order = list(ALL_SWITCHES)
    assert sorted(SWITCHES, key=order.index) == list(SWITCHES)
