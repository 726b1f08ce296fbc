"""The summary of a command for people: what is unknown is no number; of many, who differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

from rich.console import Console

from booking_assets.cli.summary import print_summary
from booking_assets.pipeline.summary import OrganizationSummary, Summary

SLUGS = [f"college-{number:02}" for number in range(30)]


def printed(
    organizations: Sequence[OrganizationSummary], total: OrganizationSummary, *, width: int = 100
) -> str:
    summary = Summary((*organizations,), total, (), (), "w.duckdb", "s.duckdb", "1", None)
    console = Console(file=StringIO(), width=width)
    print_summary(console, summary)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def shown(taken: int | None, offered: int, *, width: int = 100) -> str:
    """The summary of an organization with these seats, which are the total as well."""
    figures = (6, None, 0, taken, offered, 1, 2)
    one, total = (OrganizationSummary(name, "complete", *figures) for name in ("acme", "total"))
    return printed([one], total, width=width)


def listed(organizations: Sequence[OrganizationSummary], taken: int | None) -> list[str]:
    """The first words of the lines between the headings and the paths."""
    total = OrganizationSummary("total", "of 30", 120, seats_taken=taken)
    lines = printed(organizations, total).partition("warehouse:")[0].splitlines()[2:]
    return [" ".join(line.split()[:2]) if line[0].isdigit() else line.split()[0] for line in lines]


def test_seats_that_are_unknown_for_all_are_a_dash() -> None:
    for line in shown(None, 0).splitlines()[2:4]:
        assert line.split()[1:-1] == ["6", "-", "0", "-", "1", "2"]
    assert ", - seats taken," in shown(None, 0, width=40).replace("\n", " ")


def test_known_seats_are_those_taken_and_those_offered() -> None:
    for line in shown(0, 1200).splitlines()[2:4]:
        assert line.split()[4] == "0/1,200"


def test_of_many_those_are_listed_that_lack_what_the_others_have() -> None:
    organizations = [
        OrganizationSummary(slug, "complete", 4, rejected=0, seats_taken=3) for slug in SLUGS
    ]
    organizations[7] = replace(organizations[7], seats_taken=None)
    organizations[9] = replace(organizations[9], rejected=2)
    organizations[11] = replace(organizations[11], status="overtaken")
    expected = [SLUGS[7], SLUGS[9], SLUGS[11], "total", "27 more"]
    assert listed(organizations, 87) == expected


def test_of_many_without_seats_nobody_is_listed_for_the_lack_of_them() -> None:
    organizations = [OrganizationSummary(slug, "complete", 4, rejected=0) for slug in SLUGS]
    assert listed(organizations, None) == ["total", "30 organizations,"]
