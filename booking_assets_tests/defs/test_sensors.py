"""What follows a collection: deriving, wherever something new was stored."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pytest

from booking_assets.defs.sensors import SKIP_DERIVE_TAG
from booking_assets.sandbox.configuration import token_variable
from booking_assets_tests.defs.conftest import Site

AFTER = {True: "derive_after_collect", False: "derive_after_failed_collect"}


@pytest.fixture(scope="module")
def collecting(new_site: Callable[..., Site]) -> Site:
    return new_site()


def followed(site: Site, result: dg.ExecuteInProcessResult) -> list[dg.RunRequest]:
    """The runs that the sensor for the result's ending asks for."""
    run = site.instance.get_run_by_id(result.run_id)
    assert run is not None
    name = AFTER[result.success]
    context = dg.build_run_status_sensor_context(
        sensor_name=name,
        dagster_event=result.all_events[-1],
        dagster_instance=site.instance,
        dagster_run=run,
    )
    answer = site.definitions.resolve_sensor_def(name)(context)
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return [answer] if isinstance(answer, dg.RunRequest) else []


def test_a_complete_collection_is_derived_once(collecting: Site) -> None:
    result = collecting.run("collect", collecting.slugs)
    (request,) = followed(collecting, result)
    assert request.run_key == result.run_id


def test_what_the_others_stored_is_derived_where_one_organization_was_refused(
    collecting: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(token_variable(collecting.slugs[0]))
    result = collecting.run("collect", collecting.slugs)
    assert not result.success
    assert len(followed(collecting, result)) == 1


def test_nothing_is_derived_where_nothing_was_stored(
    collecting: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(token_variable(collecting.slugs[0]))
    result = collecting.run("collect", collecting.slugs[:1])
    assert not result.success
    assert followed(collecting, result) == []


def test_a_run_whose_starter_derives_is_left_to_it(collecting: Site) -> None:
    result = collecting.run("collect", collecting.slugs, tags={SKIP_DERIVE_TAG: "true"})
    assert result.success
    assert followed(collecting, result) == []


def test_the_sensors_watch_collections_and_request_derivations(collecting: Site) -> None:
    for name in AFTER.values():
        sensor = collecting.definitions.resolve_sensor_def(name)
        assert [job.name for job in sensor.jobs] == ["derive"]
