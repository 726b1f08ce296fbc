"""A download is written completely or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from booking_assets.api.client import BookingClient
from booking_assets.api.errors import Forbidden, Unavailable
from booking_assets_tests.api.conftest import ACME
from booking_assets_tests.api.server import Reply, ScriptedServer

ROWS = b'[\r\n  {"EventIdentifier": "a"}\r\n]\r\n'


def test_a_download_requests_its_format_and_is_streamed_to_the_path(
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
    assert request.headers["Accept-Encoding"] == "gzip"
    assert client.usage.bytes_received == len(ROWS)


def test_an_empty_csv_is_written(
    client: BookingClient, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script(Reply(200, b"", {"Content-Type": "text/csv"}))
    assert client.download(tmp_path / "events.csv", "csv").read_bytes() == b""


def test_a_truncated_download_is_requested_again(
    client: BookingClient, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script(Reply(200, ROWS[:9], missing_bytes=9), Reply(503), Reply(200, ROWS))
    assert client.download(tmp_path / "events.json", "json").read_bytes() == ROWS
    assert [path.name for path in tmp_path.iterdir()] == ["events.json"]


def test_a_json_download_may_start_with_a_byte_order_mark(
    client: BookingClient, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script(Reply(200, b"\xef\xbb\xbf" + ROWS))
    assert client.download(tmp_path / "events.json", "json").read_bytes().endswith(ROWS)


FAILURES = {
    "truncated": (Reply(200, ROWS[:9], missing_bytes=9), Unavailable),
    "not a whole array": (Reply(200, ROWS[:9]), Unavailable),
    "an object": (Reply(200, b'{"Title": "no"}'), Unavailable),
    "an empty body": (Reply(200), Unavailable),
    "HTML": (Reply(200, b"<p>", {"Content-Type": "text/html"}), Unavailable),
    "forbidden": (Reply(403), Forbidden),
}


@pytest.mark.parametrize(("reply", "kind"), FAILURES.values(), ids=FAILURES)
def test_a_failed_download_keeps_the_old_file_and_leaves_no_other(
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


def test_a_path_that_cannot_be_written_raises_the_os_error(
    client: BookingClient, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script(Reply(200, ROWS))
    with pytest.raises(FileNotFoundError):
        client.download(tmp_path / "missing" / "events.json", "json")


def test_a_download_has_the_default_permissions_of_new_files(
    client: BookingClient, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script(Reply(200, ROWS))
    path = client.download(tmp_path / "events.json", "json")
    (tmp_path / "ordinary").touch()
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode
