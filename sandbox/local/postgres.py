"""The embedded PostgreSQL: a real server from a wheel, which ends with its starter.

It only uses a Unix socket unless it is asked to listen. The kernel stops the server when its starter dies (`tied.py`);
where it can't, the next starter does (`one_starter.py`).
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg

from inbound_admin.lib.errors import Problem
from sandbox.local import one_starter, programs, tied

DATABASE = "inbound_admin"
_SOCKET_PATH_BYTES = 107  # what fits in sockaddr_un
_READY_SECONDS = 60  # mending after a crash takes longer than a start
_QUICK = (
    *("--fsync=off", "--synchronous_commit=off", "--full_page_writes=off"),
    *("--wal_level=minimal", "--max_wal_senders=0"),
    *("--track_activities=off", "--update_process_title=off", "--max_parallel_workers_per_gather=0"),
)


class EmbeddedPostgres:
    """A context manager. Start it from the main thread: when the starting thread ends, so does the server."""

    def __init__(self, data_dir: Path, fsync: bool = True, listen: str = "") -> None:
        self._programs = programs.find()
        self.data_dir = programs.placed(data_dir, self._programs.account)
        self._fsync, self._listen = fsync, listen
        self._lock: int | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A DATABASE_URL for both django-environ and psycopg."""
        return self._url(DATABASE)

    @property
    def pid(self) -> int | None:
        """The server's process ID while it runs."""
        return self._server.pid if self._server else None

    def start(self) -> None:
        """Return when connections are accepted. Creates the cluster and the database if necessary. Raises Problem."""
        programs.make_reachable(self.data_dir.parent)
        self._lock = one_starter.lock(self.data_dir)
        try:
            self._prepare()
            self._server = self._spawned()
            self._wait_until_ready(self._server)
            self._make_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End sessions, write a checkpoint, and return when the server has ended. Does nothing if it doesn't run."""
        if self._server is not None:
            one_starter.end(self._server)
            self._server = None
            if self._socket_dir != self.data_dir:
                shutil.rmtree(self._socket_dir, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _socket_dir(self) -> Path:
        if len(os.fsencode(self.data_dir / ".s.PGSQL.5432.lock")) <= _SOCKET_PATH_BYTES:
            return self.data_dir
        short = Path(tempfile.gettempdir()) / f"inbound-admin-{programs.short_name(self.data_dir)}"
        return programs.placed(short, self._programs.account)

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@:5432/{database}?host={quote(str(self._socket_dir), safe='')}"

    def _prepare(self) -> None:
        if not (self.data_dir / "PG_VERSION").exists():
            self._initdb()
        self._refuse_other_version()
        one_starter.end_orphan(self.data_dir)
        if self._socket_dir != self.data_dir:
            _make_socket_dir(self._socket_dir, self._programs.account)

    def _initdb(self) -> None:
        # Renamed when whole: an initdb that was cut leaves nothing that looks like a cluster.
        new = self.data_dir.with_name(self.data_dir.name + ".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._programs.account.own(new)
        locale = "C.UTF-8" if os.uname().sysname == "Linux" else "en_US.UTF-8"
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", f"--locale={locale}", "--no-instructions"]
        made = self._run("initdb", "-D", str(new), *options, *([] if self._fsync else ["--no-sync"]))
        if made.returncode != 0:
            raise Problem(f"PostgreSQL couldn't create its data folder {self.data_dir}: {made.stderr.strip()}")
        new.rename(self.data_dir)

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        account = self._programs.account
        return subprocess.run(
            [self._programs.folder / program, *arguments],
            check=False,
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
            cwd="/",
            env={"PATH": os.defpath, "TZ": "UTC"},
            text=True,
            capture_output=True,
            start_new_session=True,
        )

    def _refuse_other_version(self) -> None:
        data = (self.data_dir / "PG_VERSION").read_text().strip()
        program = self._run("postgres", "--version").stdout.split()[-1].partition(".")[0]
        if data != program:
            raise Problem(
                f"The data in {self.data_dir} was written by PostgreSQL {data}, but this is PostgreSQL {program}. "
                "Move the folder away to start over, or set DATABASE_URL to a server of the old version."
            )

    def _spawned(self) -> "subprocess.Popen[bytes]":
        account = self._programs.account
        durable = [] if self._fsync else _QUICK
        reached = [f"--listen_addresses={self._listen}", "--port=5432", f"--unix_socket_directories={self._socket_dir}"]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [self._programs.folder / "postgres", "-D", self.data_dir, *reached, *durable],
                user=account.uid,
                group=account.gid,
                extra_groups=account.groups,
                cwd="/",
                env={"PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Out of the terminal's reach: Ctrl-C must not stop the database before those who use it.
                start_new_session=True,
                preexec_fn=tied.to_starter(signal.SIGINT),  # noqa: PLW1509  # it takes no lock: see there
            )

    @property
    def _log(self) -> Path:
        return self.data_dir.with_name(self.data_dir.name + ".log")

    def _wait_until_ready(self, server: "subprocess.Popen[bytes]") -> None:
        last = time.monotonic() + _READY_SECONDS
        while not self.answers():
            if server.poll() is not None or time.monotonic() > last:
                log_lines = "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])
                raise Problem(f"PostgreSQL didn't start on {self.data_dir}:\n{log_lines}")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Return whether a server runs on this data, whoever started it."""
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_database(self) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")


def _make_socket_dir(folder: Path, account: programs.Account) -> None:
    programs.make_reachable(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or found.st_uid not in (os.geteuid(), account.uid):
        raise Problem(f"{folder}, the PostgreSQL socket folder, belongs to another user. Remove it or set TMPDIR.")
    account.own(folder)
    folder.chmod(0o700)
