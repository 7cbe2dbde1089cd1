"""Runs PostgreSQL, the AWS stand-in, three web and three worker processes, each on its own machine."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

import psutil
import psycopg

from benchmarks.machines.network import AMAZON, DATABASE, NET, WEBS, Network, address
from sandbox.client import ControlClient, SandboxError
from sandbox.local import plan, tied
from sandbox.local.postgres import EmbeddedPostgres
from sandbox.snapshot import CALLS

ROOT = Path(__file__).resolve().parents[2]
AWS_PORT, DNS_PORT, WEB_PORT = 4599, 5399, 8000
VERIFY_EVERY = "15"
READY_SECONDS = 90
END_SECONDS = 20
RESTART_SECONDS = 5  # as in deploy/systemd


class Fleet:
    """Use from one thread, to which child processes are tied. `folder`: data and logs."""

    def __init__(self, network: Network, folder: Path, pace: float) -> None:
        self._network, self._folder = network, folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, IO[bytes]] = {}
        self._due: dict[str, float] = {}
        self.ends: Counter[str] = Counter()
        self.server = EmbeddedPostgres(folder / "postgres", listen=address(DATABASE))
        self.aws_url = f"http://{address(AMAZON)}:{AWS_PORT}"
        self.control = ControlClient(self.aws_url)
        self.calls = folder / "amazon" / CALLS
        self.environment = self._program_environment(pace)

    def _program_environment(self, pace: float) -> dict[str, str]:
        return plan.program_environment({**os.environ, "SANDBOX": "1", "DEBUG": "0"}, self._folder) | {
            "DATABASE_URL": f"postgresql://postgres@{address(DATABASE)}:5432/inbound_admin",
            "AWS_ENDPOINT_URL": self.aws_url,
            "DNS_RESOLVERS": f"{address(AMAZON)}:{DNS_PORT}",
            "ALLOWED_HOSTS": "*",
            "AWS_CALLS_PER_SECOND": str(pace),
            "API_WAIT_SECONDS": "0",
            "EMAIL_URL": "dummymail://",
            "API_CALLS_PER_MINUTE": "0",
        }

    def __enter__(self) -> Self:
        """Start the database and AWS. The others are started when they have something to do."""
        try:
            self.start_database()
            let_in(self.server)
            self.start(AMAZON)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in tuple(self._running):
            self.kill(name)
        for log in self._logs.values():
            log.close()
        self.server.stop()

    def start_database(self) -> None:
        with self._network.inside(DATABASE):
            self.server.start()

    def crash_database(self) -> None:
        """End it without a checkpoint, as after a crash. It isn't restarted."""
        if pid := self.server.pid:
            os.kill(pid, signal.SIGQUIT)
        self.server.stop()

    def start(self, name: str) -> None:
        log = self._logs.setdefault(name, (self._folder / f"{name}.log").open("ab"))
        with self._network.inside(name):
            self._running[name] = subprocess.Popen(
                [sys.executable, "-u", *self._command(name)],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=tied.to_starter(signal.SIGTERM),  # noqa: PLW1509  # it takes no lock: see there
            )

    def _command(self, name: str) -> list[str]:
        if name == AMAZON:
            ports = ["--aws-port", str(AWS_PORT), "--dns-port", str(DNS_PORT), "--verify-every", VERIFY_EVERY]
            kept = ["--state-dir", str(self._folder / "amazon"), "--durable"]
            return ["-m", "sandbox", "--host", address(AMAZON), *ports, *kept]
        if name in WEBS:
            bind = f"{address(name)}:{WEB_PORT}"
            return ["-m", "gunicorn", "--bind", bind, "--log-level", "warning", "inbound_admin.wsgi"]
        return ["manage.py", "worker", "--name", name, "--shutdown-graceful-timeout", "10"]

    def kill(self, name: str) -> None:
        """Kill it as a power failure does."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def end(self, name: str) -> None:
        """End it as systemd does: kill it if it doesn't end in time."""
        process = self._running[name]
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        self.kill(name)

    def watch(self) -> None:
        """Restart processes that ended by themselves after some seconds, as systemd does."""
        for name, process in tuple(self._running.items()):
            if process.poll() is not None:
                self.ends[name] += 1
                del self._running[name]
                self._due[name] = time.monotonic() + RESTART_SECONDS
        for name, due in tuple(self._due.items()):
            if due <= time.monotonic():
                del self._due[name]
                self.start(name)

    def runs(self, name: str) -> bool:
        return name in self._running

    def wait_for_amazon(self) -> None:
        end = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.control.now()
            except SandboxError:
                assert time.monotonic() < end, "the sandbox did not start"
                time.sleep(0.1)
            else:
                return

    def tail(self, name: str, lines: int = 5) -> str:
        return "\n".join((self._folder / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])

    def megabytes(self) -> Mapping[str, float]:
        """Return each process's memory with its children. Shared memory counts in parts."""
        return {name: _megabytes(process.pid) for name, process in self._running.items()}


def let_in(server: EmbeddedPostgres) -> None:
    """Allow connections from every machine of the network."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        with (server.data_dir / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {NET}.0/24 trust\n")
        connection.execute("SELECT pg_reload_conf()")


def _megabytes(pid: int) -> float:
    first = psutil.Process(pid)
    return float(sum(each.memory_full_info().pss for each in (first, *first.children(recursive=True)))) / 1e6
