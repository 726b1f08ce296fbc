"""The summary of a command for people: what is unknown is not shown as a number."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from booking_assets.cli.summary import print_summary
from booking_assets.pipeline.summary import OrganizationSummary, Summary


def shown(taken: int | None, offered: int, *, width: int = 100) -> str:
    """The summary of an organization with these seats, which are the total as well."""
    figures = (6, None, 0, taken, offered, 1, 2)
    one, total = (OrganizationSummary(name, "complete", *figures) for name in ("acme", "total"))
    summary = Summary((one,), total, (), (), "w.duckdb", "s.duckdb", "1", None)
    console = Console(file=StringIO(), width=width)
    print_summary(console, summary)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_seats_that_are_unknown_for_all_are_a_dash() -> None:
    for line in shown(None, 0).splitlines()[2:4]:
        assert line.split()[1:-1] == ["6", "-", "0", "-", "1", "2"]
    assert ", - seats taken," in shown(None, 0, width=40).replace("\n", " ")


def test_known_seats_are_those_taken_and_those_offered() -> None:
    for line in shown(0, 1200).splitlines()[2:4]:
        assert line.split()[4] == "0/1,200"
