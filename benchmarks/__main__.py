"""The command `python -m benchmarks`: options, the order of the measurements, `RESULTS.md`.

What is measured is in `suite`, how in `measure`.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks import suite
from benchmarks.report import PICTURE, Findings, written
from benchmarks.sandbox import Case

HERE = Path(__file__).resolve().parent
_FOLDER = click.Path(file_okay=False, path_type=Path)
_EVENTS = click.IntRange(min=0)
_NAMES = [one.name for one in suite.CONTESTANTS]


@dataclass(frozen=True)
class Options:
    """What to measure; 0 events skip a measurement."""

    sizes: tuple[int, ...]
    organizations: tuple[int, ...]
    shared: int
    page_sizes: tuple[int, ...]
    contestants: tuple[str, ...]
    no_limits: bool
    repeats: int
    publish: int
    recollect: int
    collections: int
    profile: int
    note: str
    work: Path
    output: Path

    def cases(self) -> Iterator[Case]:
        """Every size with one organization, then the shared events by number of organizations."""
        for page_size in self.page_sizes:
            for events in self.sizes:
                if events:
                    yield Case(events, 1, page_size)
        for organizations in self.organizations:
            if self.shared:
                yield Case(self.shared, organizations, self.page_sizes[0])

    def contestants_of(self, case: Case) -> list[suite.Contestant]:
        """The contestants of a case."""
        return [
            one
            for one in suite.CONTESTANTS
            if one.name in (self.contestants or _NAMES) and (self.no_limits or one.takes(case))
        ]

    def alone(self, events: int) -> Case:
        """A case of one organization."""
        return Case(events, 1, self.page_sizes[0])


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option(
    "--size",
    "sizes",
    multiple=True,
    type=_EVENTS,
    default=(10_000, 100_000, 300_000, 1_000_000),
    help="Events of one organization; may be given several times.",
)
@click.option(
    "--organizations",
    multiple=True,
    type=click.IntRange(min=1),
    default=(1, 10, 200, 1_000),
    help="Organizations that share the events of --shared; may be given several times.",
)
@click.option("--shared", type=_EVENTS, default=20_000, help="Events that organizations share.")
@click.option(
    "--page-size",
    "page_sizes",
    multiple=True,
    type=click.IntRange(min=1),
    default=(1_000,),
    help="Rows a request; each --size is run with every one of them.",
)
@click.option(
    "--contestant",
    "contestants",
    multiple=True,
    type=click.Choice(_NAMES),
    help="Only these; may be given several times.",
)
@click.option("--no-limits", is_flag=True, help="Run dlt and the naive script at any size.")
@click.option("--repeats", type=click.IntRange(min=1), default=3, help="Runs of a small case.")
@click.option("--publish", type=_EVENTS, default=1_000_000, help="Events to publish.")
@click.option("--recollect", type=_EVENTS, default=20_000, help="Events to collect repeatedly.")
@click.option("--collections", type=click.IntRange(min=1), default=50, help="How often.")
@click.option("--profile", type=_EVENTS, default=100_000, help="Events of the timed refresh.")
@click.option("--note", default="", help="A sentence for the top of RESULTS.md.")
@click.option("--work", type=_FOLDER, default=HERE / "work", help="Scratch; on a real disk.")
@click.option("--output", type=_FOLDER, default=HERE, help="Where RESULTS.md goes.")
def main(**options: Any) -> None:
    """Measure a floor, this project and dlt on the same pages, in one run.

    Zero events skip a measurement: `--size 0 --shared 0` compares nothing.
    """
    asked = Options(**options)
    asked.work.mkdir(parents=True, exist_ok=True)
    asked.output.mkdir(parents=True, exist_ok=True)
    findings = Findings(f"python -m benchmarks {shlex.join(sys.argv[1:])}".strip(), asked.note)
    for _ in _answers(asked, findings):
        # A long run that is interrupted leaves its findings so far.
        (asked.output / "RESULTS.md").write_text(written(findings), encoding="utf-8")
    if findings.results:
        # Not before: a parent's memory counts for the children that it starts.
        from benchmarks.plot import draw  # noqa: PLC0415

        draw(findings, asked.output / PICTURE)
    click.echo(asked.output / "RESULTS.md")


def _answers(asked: Options, findings: Findings) -> Iterator[None]:
    """Run the measurements; yield after each."""
    for case in dict.fromkeys(asked.cases()):
        contestants = asked.contestants_of(case)
        findings.results += suite.compared(case, contestants, asked.repeats, asked.work, click.echo)
        yield
    if asked.profile:
        case = asked.alone(asked.profile)
        findings.profiled.append(suite.profiled(case, asked.work, click.echo))
        yield
    if asked.recollect:
        case = asked.alone(asked.recollect)
        findings.grown.append(suite.grown(case, asked.collections, asked.work, click.echo))
        yield
    if asked.publish:
        case = asked.alone(asked.publish)
        findings.published.append(suite.published(case, asked.repeats, asked.work, click.echo))
        yield


if __name__ == "__main__":
    main()
