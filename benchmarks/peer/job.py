"""The peer's whole job: dlt's `rest_api` source into DuckDB, then four dbt models, in Dagster.

It runs in the environment of `requirements.txt` alone. `prepare` does what a deployment does once,
`run` what is measured. Set up as the documentation of dlt, dbt and Dagster advises for speed: the
list is in `benchmarks/README.md`.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FOLDER = Path.cwd()
TARGET = json.loads((FOLDER / "peer.json").read_text(encoding="utf-8"))
"""What `benchmarks.contestants` wrote: the API, the organizations, the members and their types."""

os.environ |= {
    "PEER_DATABASE": str(FOLDER / "peer.duckdb"),
    "PEER_REGISTRATIONS": json.dumps("registrations" in TARGET["resources"]),
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "EXTRACT__WORKERS": str(TARGET["extract_workers"]),
    "EXTRACT__MAX_PARALLEL_ITEMS": str(2 * TARGET["extract_workers"]),
    "NORMALIZE__WORKERS": str(TARGET["normalize_workers"]),
    "NORMALIZE__START_METHOD": "spawn",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
}
if TARGET["normalize_workers"] > 1:
    # Enough files for every worker.
    os.environ["DATA_WRITER__FILE_MAX_ITEMS"] = "10000"

_INSTANCE = """
telemetry:
  enabled: false
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


def source() -> Any:
    """A resource for each organization's events, and one for its registrations."""
    from dlt.sources.rest_api import rest_api_source  # noqa: PLC0415

    return rest_api_source(
        {
            "client": {"base_url": TARGET["base_url"] + "/"},
            "resource_defaults": {"write_disposition": "replace", "max_table_nesting": 0},
            "resources": [
                {
                    "name": f"{resource}_{organization['slug']}",
                    "table_name": resource,
                    "columns": {
                        name: {"data_type": data_type}
                        for name, data_type in described["columns"].items()
                    },
                    "endpoint": {
                        "path": f"booking/{resource}/collect",
                        "method": "POST",
                        "auth": {"type": "bearer", "token": organization["token"]},
                        "json": {
                            "OrganizationIdentifier": organization["identifier"],
                            "Filter": {
                                "Page": 1,
                                "PageSize": TARGET["page_size"],
                                "Sort": described["sort"],
                            },
                        },
                        "data_selector": "$",
                        "paginator": {
                            "type": "page_number",
                            "base_page": 1,
                            "page_body_path": "Filter.Page",
                            "total_path": None,
                        },
                    },
                }
                for organization in TARGET["organizations"]
                for resource, described in TARGET["resources"].items()
            ],
        },
        name="booking",
        parallelized=True,
    )


def definitions() -> Any:
    """The assets of dagster-dlt and dagster-dbt, and what they need."""
    import dagster as dg  # noqa: PLC0415
    import dlt  # noqa: PLC0415
    from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets  # noqa: PLC0415
    from dagster_dlt import DagsterDltResource, dlt_assets  # noqa: PLC0415

    pipeline = dlt.pipeline(
        "peer",
        destination=dlt.destinations.duckdb(os.environ["PEER_DATABASE"]),
        dataset_name="raw",
        pipelines_dir=str(FOLDER / "pipelines"),
    )
    booking = source()

    @dlt_assets(dlt_source=booking, dlt_pipeline=pipeline, name="collect")
    def collected(context: dg.AssetExecutionContext, dlt_resource: DagsterDltResource) -> Any:
        yield from dlt_resource.run(context=context, loader_file_format="parquet")

    class AfterCollected(DagsterDbtTranslator):
        """A table has many dlt resources: models depend on all of them."""

        def get_asset_spec(self, manifest: Any, unique_id: str, project: Any) -> Any:
            spec = super().get_asset_spec(manifest, unique_id, project)
            return spec.merge_attributes(deps=collected.keys)

    dbt = FOLDER / "dbt"

    @dbt_assets(manifest=dbt / "target" / "manifest.json", dagster_dbt_translator=AfterCollected())
    def marts(context: dg.AssetExecutionContext, dbt_cli: DbtCliResource) -> Any:
        yield from dbt_cli.cli(["run"], context=context).stream()

    return dg.Definitions(
        assets=[collected, marts],
        resources={
            "dlt_resource": DagsterDltResource(),
            "dbt_cli": DbtCliResource(
                project_dir=str(dbt),
                profiles_dir=str(dbt),
                dbt_executable=str(Path(sys.executable).with_name("dbt")),
            ),
        },
    )


def prepare() -> None:
    """Parse the dbt project."""
    from dbt.cli.main import dbtRunner  # noqa: PLC0415

    dbt = FOLDER / "dbt"
    shutil.copytree(HERE / "dbt", dbt)
    parsed = dbtRunner().invoke(
        ["--write-json", "parse", "--project-dir", str(dbt), "--profiles-dir", str(dbt)]
    )
    if not parsed.success:
        raise SystemExit(str(parsed.exception))


def run() -> None:
    """Materialize every asset once, the collected ones first, in this process."""
    import dagster as dg  # noqa: PLC0415

    home = FOLDER / "dagster_home"
    home.mkdir(exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    (home / "dagster.yaml").write_text(_INSTANCE, encoding="utf-8")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        job = definitions().get_implicit_global_asset_job_def()
        if not job.execute_in_process(instance=instance).success:
            raise SystemExit(1)


if __name__ == "__main__":
    {"prepare": prepare, "run": run}[sys.argv[1]]()
