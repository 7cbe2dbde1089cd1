"""The sandbox as a process: its command, its background verifier, and concurrent calls."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from sandbox.aws.faults import CallLog, read_calls
from sandbox.aws.state import WORLD
from sandbox.client import ControlClient
from sandbox.commands import EXIT_ON_FAULT
from sandbox.process import Sandbox
from sandbox.snapshot import FILE
from tests.sandbox.conftest import Aws

TIMEOUT = 30.0


@pytest.fixture
def changed() -> Iterator[threading.Event]:
    """Yield an event that is set whenever the sandbox's state changes."""
    event = threading.Event()
    WORLD.on_change.append(event.set)
    yield event
    WORLD.on_change.remove(event.set)


def test_the_background_verifier_needs_no_tick(local: Sandbox, changed: threading.Event) -> None:
    with Sandbox(verify_every=0.02) as sandbox:
        ses = Aws(sandbox.aws_url).ses
        token = ses.verify_domain_identity(Domain="example.com")["VerificationToken"]
        sandbox.control.add_zone("example.com")
        changed.clear()
        sandbox.zones.add_record("example.com", "_amazonses.example.com", "TXT", token)
        assert changed.wait(TIMEOUT)
        found = ses.get_identity_verification_attributes(Identities=["example.com"])["VerificationAttributes"]
        assert found["example.com"]["VerificationStatus"] == "Success"


def test_a_slow_call_does_not_block_others(local: Sandbox, over_http: Aws, changed: threading.Event) -> None:
    ses, sesv2 = over_http.ses, over_http.sesv2  # created first, because that alone can take a second on a busy machine
    local.control.add_fault("slow", "VerifyDomainIdentity", seconds=2)
    changed.clear()
    slow = threading.Thread(target=lambda: ses.verify_domain_identity(Domain="example.com"))
    slow.start()
    assert changed.wait(TIMEOUT)
    assert sesv2.list_tenants()["Tenants"] == []
    assert slow.is_alive()
    slow.join()


def test_concurrent_calls_are_all_applied(local: Sandbox, over_http: Aws) -> None:
    names = [f"d{number:02}.example.com" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: over_http.ses.verify_domain_identity(Domain=name), names))
    assert over_http.ses.list_identities()["Identities"] == names


@pytest.fixture
def command(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    arguments = [
        "--aws-port",
        "0",
        "--dns-port",
        "0",
        "--web-port",
        "0",
        "--smtp-port",
        "0",
        "--verify-every",
        "0",
        "--state-dir",
        str(tmp_path),
    ]
    with subprocess.Popen([sys.executable, "-m", "sandbox", *arguments], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    """Return the AWS address from the output, where it comes before that of DNS."""
    assert process.stdout is not None
    aws_line, dns_line = process.stdout.readline(), process.stdout.readline()
    assert dns_line.startswith("DNS  127.0.0.1:")
    return aws_line.removeprefix("AWS").strip()


def test_the_command_saves_its_state_on_sigterm(command: subprocess.Popen[str], tmp_path: Path) -> None:
    assert ControlClient(_address(command)).add_zone("example.com") == "example.com"
    command.send_signal(signal.SIGTERM)
    assert (command.wait(TIMEOUT), (tmp_path / FILE).exists()) == (0, True)


def test_an_exit_fault_ends_the_command_after_the_call(command: subprocess.Popen[str], tmp_path: Path) -> None:
    address = _address(command)
    ControlClient(address).add_fault("exit_after", "VerifyDomainIdentity")
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        Aws(address).ses.verify_domain_identity(Domain="example.com")
    assert (command.wait(TIMEOUT), (tmp_path / FILE).exists()) == (EXIT_ON_FAULT, True)


def _start(folder: Path, *more: str) -> "subprocess.Popen[str]":
    ports = [each for name in ("aws", "dns", "web", "smtp") for each in (f"--{name}-port", "0")]
    arguments = [*ports, "--verify-every", "0", "--state-dir", str(folder), *more]
    return subprocess.Popen([sys.executable, "-m", "sandbox", *arguments], stdout=subprocess.PIPE, text=True)


def test_a_durable_sandbox_survives_a_kill(tmp_path: Path) -> None:
    with _start(tmp_path, "--durable") as first:
        address = _address(first)
        Aws(address).ses.verify_domain_identity(Domain="example.com")
        Aws(address).ses.list_identities()
        first.kill()
    with _start(tmp_path, "--durable") as second:
        address = _address(second)
        assert Aws(address).ses.list_identities()["Identities"] == ["example.com"]
        counts = ControlClient(address).call_counts()
        numbers = [call.number for call in ControlClient(address).calls()]
        second.kill()
    assert counts == {"VerifyDomainIdentity": 1, "ListIdentities": 2}
    assert numbers == [1, 2, 3]


def test_a_truncated_line_of_the_call_log_is_ignored(tmp_path: Path) -> None:
    log = CallLog()
    log.keep_in(tmp_path / "calls")
    log.add(datetime(2026, 5, 4, tzinfo=UTC), "ses", "ListIdentities", "eu-west-1", "", "ok")
    log.keep_in(None)
    with (tmp_path / "calls").open("a") as file:
        file.write('{"number": 2, "at"')
    assert [call.number for call in read_calls(tmp_path / "calls")] == [1]
