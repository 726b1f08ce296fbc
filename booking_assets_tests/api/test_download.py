"""A download is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from booking_assets.api.client import BookingClient
from booking_assets.api.errors import Forbidden, Unavailable
from booking_assets_tests.api.conftest import ACME
from booking_assets_tests.api.server import Reply, ScriptedServer

ROWS = b'[\r\n  {"EventIdentifier": "a"}\r\n]\r\n'


def test_a_download_asks_for_its_format_and_streams_it_to_the_path(
    client: BookingClient, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script(Reply(200, ROWS, {"Content-Type": "application/json"}))
    path = tmp_path / "events.json"
    assert client.download(path, "json") == path
    assert path.read_bytes() == ROWS
    (request,) = server.received
    assert request.path == "/v2/E01/booking/events/download"
    assert request.json == {
        "OrganizationIdentifier": str(ACME),
        "Filter": {"Format": "json"},
    }
    assert request.headers["Accept"] == "*/*"
    assert request.headers["Accept-Encoding"] == "identity"
    assert client.usage.bytes_received == len(ROWS)


def test_an_empty_csv_is_a_file(
    client: BookingClient, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script(Reply(200, b"", {"Content-Type": "text/csv"}))
    assert client.download(tmp_path / "events.csv", "csv").read_bytes() == b""


def test_a_download_that_broke_off_starts_anew(
    client: BookingClient, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script(Reply(200, ROWS[:9], missing_bytes=9), Reply(503), Reply(200, ROWS))
    assert client.download(tmp_path / "events.json", "json").read_bytes() == ROWS
    assert [path.name for path in tmp_path.iterdir()] == ["events.json"]


FAILURES = {
    "it breaks off": (Reply(200, ROWS[:9], missing_bytes=9), Unavailable),
    "it ends early": (Reply(200, ROWS[:9]), Unavailable),
    "an object comes": (Reply(200, b'{"Title": "no"}'), Unavailable),
    "nothing comes": (Reply(200), Unavailable),
    "HTML comes": (Reply(200, b"<p>", {"Content-Type": "text/html"}), Unavailable),
    "it is forbidden": (Reply(403), Forbidden),
}


@pytest.mark.parametrize(("reply", "kind"), FAILURES.values(), ids=FAILURES)
def test_a_failed_download_leaves_what_was_there_and_nothing_else(
    client: BookingClient,
    server: ScriptedServer,
    tmp_path: Path,
    reply: Reply,
    kind: type[Exception],
) -> None:
    path = tmp_path / "events.json"
    path.write_text("yesterday")
    server.script(reply)
    with pytest.raises(kind):
        client.download(path, "json")
    assert path.read_text() == "yesterday"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_an_error_of_the_system(
    client: BookingClient, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script(Reply(200, ROWS))
    with pytest.raises(FileNotFoundError):
        client.download(tmp_path / "missing" / "events.json", "json")


def test_a_download_has_the_permissions_that_the_user_gives_to_new_files(
    client: BookingClient, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script(Reply(200, ROWS))
    path = client.download(tmp_path / "events.json", "json")
    (tmp_path / "ordinary").touch()
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode
