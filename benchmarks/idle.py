"""`python -m benchmarks.idle`: Dagster with the assets of a refresh, which do nothing.

It imports what a refresh imports, makes Dagster's instance in the folder, and runs both jobs in
this process: whatever a project on Dagster does comes on top of it.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from booking_assets.cli import refresh  # noqa: F401 - what a refresh imports
from booking_assets.definitions import build_definitions
from booking_assets.defs.instance import prepare_dagster_home
from booking_assets.defs.jobs import COLLECT, DERIVE
from booking_assets.settings import load_settings


def main() -> None:
    """Run both jobs, every asset materialized once; the exit code is 1 where one fails."""
    settings = load_settings(environment={}, folder=Path.cwd())
    definitions = build_definitions(settings)
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        for name in (COLLECT, DERIVE):
            keys = definitions.resolve_job_def(name).asset_layer.selected_asset_keys
            assets = [_idle(name, sorted(keys))]
            job = dg.Definitions(assets=assets).resolve_implicit_global_asset_job_def()
            if not job.execute_in_process(instance=instance).success:
                sys.exit(1)
    os._exit(0)  # as a refresh ends: without freeing its objects


def _idle(name: str, keys: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    @dg.multi_asset(name=f"idle_{name}", specs=[dg.AssetSpec(key) for key in keys])
    def idle() -> Iterator[dg.MaterializeResult[None]]:
        yield from (dg.MaterializeResult(asset_key=key) for key in keys)

    return idle


if __name__ == "__main__":
    main()
