"""Several child processes: their output, their exit, and that none is left running."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from inbound_admin.lib.errors import Problem
from sandbox.local.children import Children, Stopped

SLEEPER = "import signal; print('up', flush=True); signal.pause()"
IGNORES_SIGTERM = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
)
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPER!r}])"
SECONDS = 30


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    made = Children(os.environ, tmp_path, grace_seconds=0.5)
    yield made
    made.stop()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def wait_for(text: str, capsys: pytest.CaptureFixture[str], children: Children) -> str:
    seen: list[str] = []

    def is_there() -> bool:
        seen.append(capsys.readouterr().out)
        return text in "".join(seen)

    assert children.wait_until(is_there, seconds=SECONDS), seen
    return "".join(seen)


def test_each_line_has_its_programs_name(children: Children, capsys: pytest.CaptureFixture[str]) -> None:
    children.run("seed", program("print('one'); print('two')"))
    assert capsys.readouterr().out.splitlines() == ["seed     | one", "seed     | two"]


def test_a_child_that_exits_stops_the_others_with_its_name_and_status(children: Children) -> None:
    web = children.start("web", program(SLEEPER))
    children.start("worker", program("raise SystemExit(3)"))
    with pytest.raises(Problem, match="`worker` ended with status 3, so everything stops"):
        children.wait()
    children.stop()
    assert web.process.returncode == -signal.SIGTERM


def test_a_killed_child_is_reported_with_its_signal(children: Children) -> None:
    web = children.start("web", program(SLEEPER))
    web.process.kill()
    with pytest.raises(Problem, match="`web` was ended by SIGKILL"):
        children.wait()


def test_a_failing_step_is_named(children: Children) -> None:
    with pytest.raises(Problem, match="`migrate` ended with status 1"):
        children.run("migrate", program("raise SystemExit(1)"))


def test_requested_output_fails_with_the_programs_error(children: Children) -> None:
    assert children.output_of("seed", program("print('a'); print('b')")) == ["a", "b"]
    with pytest.raises(Problem, match="status 1: no demo"):
        children.output_of("seed", program("raise SystemExit('no demo')"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait(number: signal.Signals, children: Children) -> None:
    children.heed_signals()
    children.start("web", program(SLEEPER))
    os.kill(os.getpid(), number)
    with pytest.raises(Stopped):
        children.wait()


def test_a_child_that_ignores_sigterm_is_killed(children: Children, capsys: pytest.CaptureFixture[str]) -> None:
    child = children.start("web", program(IGNORES_SIGTERM))
    wait_for("up", capsys, children)
    children.stop()
    assert child.process.returncode == -signal.SIGKILL


def test_a_grandchild_is_stopped_with_its_parent(children: Children, capsys: pytest.CaptureFixture[str]) -> None:
    child = children.start("web", program(PARENT))
    wait_for("up", capsys, children)
    (grandchild,) = psutil.Process(child.process.pid).children()
    children.stop()
    grandchild.wait(SECONDS)


def test_waiting_ends_after_the_timeout(children: Children) -> None:
    assert children.wait_until(lambda: False, seconds=0) is False


def test_environment_variables_reach_children_started_later(
    children: Children, capsys: pytest.CaptureFixture[str]
) -> None:
    children.tell(DATABASE_URL="postgresql://somewhere")
    children.run("seed", program("import os; print(os.environ['DATABASE_URL'])"))
    assert "postgresql://somewhere" in capsys.readouterr().out
