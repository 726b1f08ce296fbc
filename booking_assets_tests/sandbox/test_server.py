"""The sandbox starts, is watched, and stops without a trace."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from booking_assets.sandbox.server import HOST, SandboxServer
from booking_assets.sandbox.world import World, generated_world
from booking_assets_tests.commands import SECONDS
from booking_assets_tests.faults.request_log import LoggedRequest, RequestLog
from booking_assets_tests.faults.server import FaultySandbox
from booking_assets_tests.sandbox.conftest import NOON

SERVING = """
from booking_assets.sandbox.server import serve
from booking_assets.sandbox.world import generated_world
serve(generated_world(1, 5, seed=1), port=0, on_started=lambda url: print(url, flush=True))
print("stopped", flush=True)
"""


@pytest.fixture
def world() -> World:
    return generated_world(2, 30, seed=1, clock=lambda: NOON)


def test_a_stopped_sandbox_leaves_no_thread_and_frees_its_port(world: World) -> None:
    before = threading.enumerate()
    with SandboxServer(world) as server:
        url = f"{server.base_url}/health"
        port = int(server.base_url.split(":")[2].split("/")[0])
        client = httpx.Client()
        # The client keeps its connection open while the server stops.
        assert client.get(url).status_code == 200
    assert threading.enumerate() == before
    with pytest.raises(httpx.TransportError):
        client.get(url)
    client.close()
    with socket.create_server((HOST, port)):
        pass


def test_a_taken_port_is_an_error(world: World) -> None:
    with SandboxServer(world) as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match="in use"), SandboxServer(world, port=port):
            pass


def test_two_sandboxes_of_one_seed_answer_alike(world: World) -> None:
    answers = []
    for _ in range(2):
        with SandboxServer(generated_world(2, 30, seed=1, clock=lambda: NOON)) as server:
            answer = httpx.post(
                f"{server.base_url}/booking/events/collect",
                json={"Filter": {"PageSize": 0}},
                headers={"Authorization": f"Bearer {world.tenants[1].token}"},
            )
            answers.append(answer.content)
    assert answers[0] == answers[1]


def test_the_log_tells_who_asked_for_what(world: World) -> None:
    tenant = world.tenants[0]
    with FaultySandbox(world) as server, httpx.Client(base_url=server.base_url) as client:
        headers = {"Authorization": f"Bearer {tenant.token}"}
        body = {"Filter": {"Page": 2, "PageSize": 10}}
        client.post("/booking/events/collect", json=body, headers=headers)
        client.post("/booking/events/count", json={})
        client.get("/nothing")
        assert server.log.requests() == (
            LoggedRequest("POST", "/v2/E01/booking/events/collect", 200, tenant.slug, 2),
            LoggedRequest("POST", "/v2/E01/booking/events/count", 401, None, None),
            LoggedRequest("GET", "/v2/E01/nothing", 404, None, None),
        )
        server.log.clear()
        assert server.log.requests() == ()


def test_the_log_forgets_the_oldest() -> None:
    log = RequestLog(capacity=2)
    for page in (1, 2, 3):
        log.append(LoggedRequest("GET", "/", 200, None, page))
    assert [request.page for request in log.requests()] == [2, 3]


def test_a_fault_stands_between_the_log_and_the_routes(world: World) -> None:
    with FaultySandbox(world, "downtime=60") as server:
        assert httpx.get(f"{server.base_url}/health").status_code == 503
        assert [request.status for request in server.log.requests()] == [503]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_serving_in_the_foreground_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/health").status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (0, "stopped\n", "")
