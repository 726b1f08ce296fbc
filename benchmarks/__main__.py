"""The command `python -m benchmarks`: options, the order of the measurements, the documents."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.comparison import Network, beside_peer, beside_requests
from benchmarks.growth import points
from benchmarks.report import Findings, picture, written
from benchmarks.sandbox import Case
from benchmarks.waiting import answering, unchanged

HERE = Path(__file__).resolve().parent
PARTS = ("peer", "network", "incremental", "ui", "growth")
SCALE = ("collecting", "storing")
"""They need services that the other parts do not, so they are measured where they are named."""
CASES = ("3x400+", "1x10000+", "5x20000", "50x200+")
GROWTH = {
    "events": (10_000, 100_000, 300_000, 1_000_000),
    "organizations": (1, 10, 100, 500, 2_000),
    "collections": (1, 10, 100, 250, 500),
    "registrations": (100_000, 500_000, 1_500_000, 5_000_000),
}
QUICK: dict[str, Any] = {
    "cases": (Case(3, 40, registrations=True),),
    "network_cases": (Case(3, 100, registrations=True),),
    "incremental_cases": (Case(3, 40, registrations=True),),
    "repeats": 1,
    "events": (1_000, 2_000),
    "organizations": (1, 3),
    "collections": (1, 3),
    "registrations": (1_000, 2_000),
    "collect_case": Case(80, 200, registrations=False),
    "store_cases": (Case(50, 200, registrations=True), Case(5, 10_000, registrations=False)),
    "workers": (1, 2),
}
"""What `--quick` measures: that everything works."""
_FOLDER = click.Path(file_okay=False, path_type=Path)


class _Case(click.ParamType):  # type: ignore[type-arg]
    name = "ORGANIZATIONSxEVENTS[+]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return Case.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _sizes(axis: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        f"--{axis}",
        multiple=True,
        type=click.IntRange(min=1),
        default=GROWTH[axis],
        help=f"Growth: {axis}; may be given several times.",
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("parts", nargs=-1, type=click.Choice((*PARTS, *SCALE)))
@click.option(
    "--case",
    "cases",
    multiple=True,
    type=_Case(),
    default=CASES,
    help="Beside the peer; + means with registrations. May be given several times.",
)
@click.option(
    "--network-case",
    "network_cases",
    multiple=True,
    type=_Case(),
    default=("3x10000+",),
    help="On a slow network.",
)
@click.option("--latency", default=0.15, help="Seconds before each response of the network cases.")
@click.option("--bandwidth", default=10.0, help="MB a second of the network cases.")
@click.option(
    "--incremental-case",
    "incremental_cases",
    multiple=True,
    type=_Case(),
    default=("200x50+",),
    help="Refreshed again when nothing changed.",
)
@click.option(
    "--ui-case", type=_Case(), default="3x400+", help="What was refreshed before the UI starts."
)
@click.option(
    "--collect-case",
    type=_Case(),
    default="2000x200",
    help="Collecting: what clusters of --workers collect, with --latency.",
)
@click.option(
    "--workers",
    multiple=True,
    type=click.IntRange(min=1),
    default=(1, 2, 4, 8),
    help="Collecting: may be given several times.",
)
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=2,
    help="Collecting: organizations that a worker collects at once.",
)
@click.option(
    "--store-case",
    "store_cases",
    multiple=True,
    type=_Case(),
    default=("2500x200+", "500x10000"),
    help="Storing: loaded and derived; three landings an organization, with + four. May be given"
    " several times.",
)
@_sizes("events")
@_sizes("organizations")
@_sizes("collections")
@_sizes("registrations")
@click.option("--repeats", type=click.IntRange(min=1), default=5, help="Pairs of a case.")
@click.option("--page-size", type=click.IntRange(min=1), default=1_000, help="Rows a request.")
@click.option("--quick", is_flag=True, help="Tiny cases, one pair each.")
@click.option("--note", default="", help="A sentence for the top of the document.")
@click.option("--scratch", type=_FOLDER, default=HERE / "scratch", help="A folder on a real disk.")
@click.option("--output", type=_FOLDER, default=HERE, help="Where the documents go.")
def main(parts: Sequence[str], output: Path, note: str, *, quick: bool, **options: Any) -> None:
    """Measure a refresh: beside the peer, on a slow network, when nothing changed, as data grows.

    The UI's start, too; all of these by default.

    `collecting` measures clusters of several workers, `storing` many rows of many organizations;
    both only where they are named.
    """
    network = Network(options.pop("latency"), options.pop("bandwidth") * 1e6)
    command = f"python -m benchmarks {shlex.join(sys.argv[1:])}".strip()
    findings = Findings(command, network, note)
    output.mkdir(parents=True, exist_ok=True)
    try:
        for _ in _answers(parts or PARTS, findings, **options | (QUICK if quick else {})):
            # A long run that is interrupted leaves its findings so far.
            for name, text in _documents(findings):
                (output / name).write_text(text, encoding="utf-8")
    finally:
        for axis, found in findings.by_axis().items():
            # Not imported before: programs start from this process, which should be small.
            from benchmarks.plot import draw  # noqa: PLC0415

            draw(axis, found, output / picture(axis))
    for name, _ in _documents(findings):
        click.echo(output / name)


def _documents(findings: Findings) -> Iterator[tuple[str, str]]:
    """The name and the text of each file to write."""
    if findings.is_of_refresh:
        yield "RESULTS.md", written(findings)
    if findings.rounds or findings.stages:
        from benchmarks.scale import report  # noqa: PLC0415 - it imports the cluster

        if findings.rounds:
            yield "COLLECTING.md", report.collecting(findings)
        if findings.stages:
            yield "STORING.md", report.storing(findings)


def _answers(parts: Sequence[str], findings: Findings, **asked: Any) -> Iterator[None]:
    """Run the measurements; yield after each."""
    each = {"home": asked["scratch"].resolve(), "page_size": asked["page_size"], "say": click.echo}
    if "peer" in parts:
        for found in beside_peer(asked["cases"], asked["repeats"], **each):
            findings.compared.append(found)
            yield
    if "network" in parts:
        for found in beside_requests(
            asked["network_cases"], findings.network, asked["repeats"], **each
        ):
            findings.on_network.append(found)
            yield
    if "incremental" in parts:
        for found in unchanged(asked["incremental_cases"], asked["repeats"], **each):
            findings.unchanged.append(found)
            yield
    if "ui" in parts:
        findings.ui = answering(asked["ui_case"], asked["repeats"], **each)
        yield
    if "growth" in parts:
        for point in points({axis: asked[axis] for axis in GROWTH}, **each):
            findings.points.append(point)
            yield
    yield from _of_scale(parts, findings, each, asked)


def _of_scale(
    parts: Sequence[str], findings: Findings, each: dict[str, Any], asked: dict[str, Any]
) -> Iterator[None]:
    """Run the measurements that import Dagster and the cluster of the tests."""
    if "collecting" in parts:
        from benchmarks.scale.collecting import rounds  # noqa: PLC0415

        chosen = (asked["workers"], findings.network.latency, asked["at_once"])
        for one in rounds(asked["collect_case"], *chosen, **each):
            findings.rounds.append(one)
            yield
    if "storing" in parts:
        from benchmarks.scale.storing import stages  # noqa: PLC0415

        for stage in stages(asked["store_cases"], each["home"], click.echo):
            findings.stages.append(stage)
            yield


if __name__ == "__main__":
    main()
