"""`run` from start to stop, with a real PostgreSQL and real processes; the application is a short stand-in."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from inbound_admin import css
from inbound_admin.lib.errors import Problem
from sandbox.local import addresses, ports, runner, throw_away
from sandbox.local.plan import Plan

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 60
PROGRESS = "sandbox/demo_progress.py"
RUN = "import sys; from sandbox.local import __main__ as m; sys.exit(m.main(sys.argv[1:] or ['run']))"
MANAGE = """
import os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404), self.send_header("Content-Length", "0"), self.end_headers()
    def log_message(self, *arguments): pass
with open("calls", "a") as calls:
    print(*sys.argv[1:3], file=calls)
if sys.argv[1] == "sandbox":
    with open(os.path.join(sys.argv[sys.argv.index("--state-dir") + 1], "state.pickle"), "a"): pass
    HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--aws-port") + 1])), Answer).serve_forever()
if sys.argv[1:3] == ["seed_demo", "--company"]:
    print("begins at", open(os.environ["DEMO_PROGRESS"]).read())
    if os.environ.get("SEED_FAILS"):
        with open(os.environ["DEMO_PROGRESS"], "w") as progress:
            progress.write("3/26")
        sys.exit("cut")
if sys.argv[1:3] == ["seed_demo", "--show"]:
    print("  olga@example.com / demo")
if sys.argv[1] == "where":
    print(*(os.environ.get(name, "unset") for name in ("SANDBOX", "AWS_ENDPOINT_URL", "DNS_RESOLVERS")))
if sys.argv[1] == "worker":
    if os.environ.get("WORKER_FAILS"):
        sys.exit("no such table")
    signal.pause()
"""
WSGI = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def test_the_web_server_keeps_no_access_log() -> None:
    command = [*runner._web(Plan("127.0.0.1", 8000, True, None, {})), "--print-config"]
    answer = subprocess.run(command, check=True, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert re.search(r"^accesslog +=? *None$", answer.stdout, re.MULTILINE)


@pytest.fixture
def tree() -> Iterator[Path]:
    """Yield a stand-in application with only the project's runner, `lib` and the CSS builder."""
    with tempfile.TemporaryDirectory(prefix="ia-run-", ignore_cleanup_errors=True) as made:
        root = Path(made)
        root.chmod(0o755)
        (root / "inbound_admin").mkdir()
        (root / "inbound_admin" / "__init__.py").touch()
        (root / "sandbox").mkdir()
        (root / "sandbox" / "__init__.py").touch()
        for part in ("sandbox/local", "inbound_admin/lib", "inbound_admin/css.py", "inbound_admin/icons.py", PROGRESS):
            (root / part).symlink_to(ROOT / part)
        (root / "inbound_admin" / "wsgi.py").write_text(WSGI)
        (root / "manage.py").write_text(MANAGE)
        (root / "static").mkdir()
        (root / "inbound_admin" / "styles").mkdir()
        (root / css.SOURCE).write_text('@import "tailwindcss" source(none);')
        yield root


def start(tree: Path, *command: str, **settings: str) -> "subprocess.Popen[str]":
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "SANDBOX", "HOST")}
    return subprocess.Popen(
        [sys.executable, "-c", f"from pathlib import Path; from sandbox.local import runner\n"
         f"runner.ROOT = Path({str(tree)!r})\n" + RUN, *command],
        cwd=tree,
        env=kept | {"PORT": str(ports.next_free(18100))} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def read_until(text: str, process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if text in line:
            return output
    raise AssertionError(output)


def stop(process: "subprocess.Popen[str]", number: signal.Signals) -> str:
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    output, _ = process.communicate(timeout=SECONDS)
    assert [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE] == []
    return output


def calls(tree: Path) -> list[str]:
    return (tree / "calls").read_text().splitlines()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_and_a_signal_leaves_nothing_running(number: signal.Signals, tree: Path) -> None:
    process = start(tree)
    output = read_until("Press Ctrl-C to stop everything", process)
    assert "Inbound Admin is ready" in output
    assert "olga@example.com / demo" in output
    stop(process, number)
    assert process.returncode == 0
    assert not (tree / ".local" / "postgres" / "postmaster.pid").exists()


def test_the_demo_is_seeded_once(tree: Path) -> None:
    for end in ("The demo is complete", "Press Ctrl-C to stop everything"):
        process = start(tree)
        read_until(end, process)
        stop(process, signal.SIGTERM)
    assert calls(tree).count("seed_demo --company") == 1
    assert calls(tree).count("seed_demo --show") == 2


def test_an_interrupted_seed_continues_where_it_stopped(tree: Path) -> None:
    output, _ = start(tree, SEED_FAILS="1").communicate(timeout=SECONDS)
    assert "`seed` ended with status 1" in output
    process = start(tree)
    output = read_until("The demo is complete", process)
    stop(process, signal.SIGTERM)
    assert "begins at 3/26" in output


def test_without_its_database_the_demo_is_seeded_again_with_a_new_sandbox(tree: Path) -> None:
    process = start(tree)
    read_until("The demo is complete", process)
    stop(process, signal.SIGTERM)
    shutil.rmtree(tree / ".local" / "postgres")
    process = start(tree)
    assert "begins at 0/0" in read_until("The demo is complete", process)
    stop(process, signal.SIGTERM)
    assert len(list((tree / ".local" / "sandbox").iterdir())) == 2


def test_without_its_sandbox_the_demo_starts_and_says_what_is_missing(tree: Path) -> None:
    process = start(tree)
    read_until("The demo is complete", process)
    stop(process, signal.SIGTERM)
    shutil.rmtree(tree / ".local" / "sandbox")
    for _ in range(2):
        process = start(tree)
        assert "both start empty" in read_until("Press Ctrl-C to stop everything", process)
        stop(process, signal.SIGTERM)
    assert calls(tree).count("seed_demo --company") == 1


def test_without_the_sandbox_it_is_not_started_and_nothing_is_seeded(tree: Path) -> None:
    process = start(tree, SANDBOX="0")
    assert "real Amazon SES" in read_until("Press Ctrl-C to stop everything", process)
    stop(process, signal.SIGTERM)
    assert [call for call in calls(tree) if call.startswith(("sandbox", "seed_demo"))] == []


def test_a_child_that_dies_stops_everything_and_is_named(tree: Path) -> None:
    process = start(tree, WORKER_FAILS="1")
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "worker   | no such table" in output
    assert "`worker` ended with status 1, so everything stops" in output
    assert not (tree / ".local" / "postgres" / "postmaster.pid").exists()


def sandbox_addresses(tree: Path, **settings: str) -> list[str]:
    """Return the sandbox addresses that a command of `make manage` gets."""
    output, _ = start(tree, "manage", "where", **settings).communicate(timeout=SECONDS)
    return output.split()


def test_a_command_reaches_the_running_sandbox_and_none_afterwards(tree: Path) -> None:
    process = start(tree)
    read_until("Press Ctrl-C to stop everything", process)
    switched_on, aws, dns = sandbox_addresses(tree)
    assert (switched_on, aws[:17], dns[:10]) == ("1", "http://127.0.0.1:", "127.0.0.1:")
    assert sandbox_addresses(tree, SANDBOX="0") == ["0", "unset", "unset"]
    assert sandbox_addresses(tree, AWS_ENDPOINT_URL="http://127.0.0.1:1")[1] == "http://127.0.0.1:1"
    stop(process, signal.SIGTERM)
    assert sandbox_addresses(tree) == ["1", "unset", "unset"]


def test_addresses_left_by_a_killed_run_are_not_used(tree: Path) -> None:
    left = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports.next_free(18300)}", "DNS_RESOLVERS": "127.0.0.1:5399"}
    with addresses.kept(tree / ".local", left):
        assert sandbox_addresses(tree) == ["1", "unset", "unset"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel ends a child whose parent is killed")
def test_no_process_is_left_after_a_kill(tree: Path) -> None:
    process = start(tree)
    read_until("Press Ctrl-C to stop everything", process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate(timeout=SECONDS)
    _, alive = psutil.wait_procs(family, timeout=SECONDS)
    assert alive == []


def test_a_second_run_in_the_same_folder_is_refused(tree: Path) -> None:
    process = start(tree)
    read_until("Press Ctrl-C to stop everything", process)
    second, _ = start(tree, PORT=str(ports.next_free(18200))).communicate(timeout=SECONDS)
    assert f"Another run (process {process.pid}) already uses the database" in second
    stop(process, signal.SIGTERM)


def test_data_of_an_earlier_layout_is_refused_and_kept() -> None:
    with throw_away.postgres() as server, psycopg.connect(server.url, autocommit=True) as connection:
        runner.refuse_earlier_layout(server.url)
        connection.execute("CREATE TABLE changes_change (id int)")
        with pytest.raises(Problem, match=r"delete the folders /.* and \.local"):
            runner.refuse_earlier_layout(server.url)
        assert connection.execute("SELECT count(*) FROM changes_change").fetchone() == (0,)
