"""SeaweedFS as a real S3 server on loopback: started, killed and started again."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import obstore
from obstore.store import S3Store

from booking_assets_tests.commands import SECONDS

ACCESS_KEY, SECRET_KEY = "CANARYACCESSKEY", "canary/secret+key"
BUCKET = "booking"
_GRPC = 10_000
"""SeaweedFS adds this to each port, for a second one."""


@dataclass
class Seaweed:
    """A server whose files are in `folder`; they outlast it."""

    folder: Path
    ports: list[int] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables with which clients find it, and are let in."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.ports[3]}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    @property
    def process(self) -> int:
        """Its process identifier; of a server that runs."""
        assert self._process
        return self._process.pid

    def start(self) -> None:
        """Start it, on the ports of before, and wait until it writes."""
        self.ports = self.ports or [_free_port() for _ in range(4)]
        master, volume, filer, s3 = self.ports
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
        identities = self.folder / "s3.json"
        identities.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    Path(sys.executable).with_name("weed"),
                    f"-logdir={self.folder}",
                    "server",
                    f"-dir={self.folder}",
                    "-ip=127.0.0.1",
                    f"-master.port={master}",
                    f"-volume.port={volume}",
                    f"-filer.port={filer}",
                    f"-filer.localSocket={self.folder / 'filer'}",
                    "-s3",
                    f"-s3.port={s3}",
                    # Their ports are the same for all servers.
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    f"-s3.localSocket={self.folder / 's3'}",
                    f"-s3.config={identities}",
                    "-master.telemetry=false",
                    "-master.volumeSizeLimitMB=64",
                    "-volume.max=1000",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + SECONDS
        while not self._writes():
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "SeaweedFS does not write"
            time.sleep(0.2)

    def kill(self) -> None:
        """As a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def _writes(self) -> bool:
        endpoint = self.environment["AWS_ENDPOINT_URL"]
        try:
            store = S3Store(
                BUCKET,
                endpoint=endpoint,
                access_key_id=ACCESS_KEY,
                secret_access_key=SECRET_KEY,
                region="us-east-1",
                client_options={"allow_http": True},
                retry_config={"max_retries": 0},
            )
            obstore.put(store, "started", b"")
        except obstore.exceptions.BaseError:
            return False
        return True


def _free_port() -> int:
    """A port below those that the kernel gives to clients, as is its second one."""
    while True:
        port = random.randint(10_000, 22_000)
        if _is_free(port) and _is_free(port + _GRPC):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
