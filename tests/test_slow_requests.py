"""Slow requests of one customer don't slow down other customers' pages: a real gunicorn, a silent DNS server, a
silent port.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts.api_keys.services import create_api_key
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_endpoint
from tests.web_server import Response, ask, running_gunicorn

pytestmark = pytest.mark.django_db(transaction=True)
BOUND = 3.0  # seconds for a page while fifty slow requests of another customer run
SLOW = 50


Call = tuple[str, object]


@dataclass(frozen=True)
class SlowCalls:
    """Alice's key and fifty of her calls: half wait for a silent DNS server, half for a silent port."""

    key: dict[str, str]
    calls: list[Call]


def running(sandbox: Sandbox, *options: str, **bounds: str) -> AbstractContextManager[str]:
    services = {"AWS_ENDPOINT_URL": sandbox.aws_url, "DNS_RESOLVERS": sandbox.dns_address, "API_WAIT_SECONDS": "1"}
    return running_gunicorn(*options, **services, **bounds)


@pytest.fixture
def silent_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield server.getsockname()[1]


@pytest.fixture
def slow(sandbox: Sandbox, silent_port: int) -> SlowCalls:
    sandbox.control.set_dns_fault("slow-dns.com", "silent")
    alice = make_customer("Alice Ltd")
    made = create_api_key(user=make_member(alice), name="CI", scopes=["read", "write"], actor=None)
    url = {"url": f"http://127.0.0.1:{silent_port}/"}
    added: list[Call] = [("/api/v2/domains", {"domain": f"shop{n}.slow-dns.com"}) for n in range(SLOW // 2)]
    tests: list[Call] = [(f"/api/v2/endpoints/{make_endpoint(alice, config=url).pk}/test", {}) for _ in added]
    return SlowCalls({"Authorization": f"Bearer {made.secret}"}, [*added, *tests])


class ConcurrentVisit:
    """What Bob sees while Alice's calls run at `address`."""

    def __init__(self, address: str, slow: SlowCalls, pool: ThreadPoolExecutor) -> None:
        bob = Client()
        bob.force_login(make_member(make_customer()))
        cookie = f"{settings.SESSION_COOKIE_NAME}={bob.cookies[settings.SESSION_COOKIE_NAME].value}"
        self._asked = [pool.submit(ask, address + path, seconds=25, body=body, **slow.key) for path, body in slow.calls]
        time.sleep(1)
        paths = ("/healthz", "/domains/", "/readyz") * 2
        self.slowest = max(ask(address + path, seconds=BOUND * 2, Cookie=cookie).seconds for path in paths)

    @property
    def answers(self) -> list[Response]:
        return [each.result() for each in self._asked]


def test_fifty_slow_requests_of_one_customer_leave_other_pages_fast(
    sandbox: Sandbox, slow: SlowCalls, tmp_path: Path
) -> None:
    without_the_check = tmp_path / "gunicorn.conf.py"
    without_the_check.touch()
    unbounded = {"SLOW_REQUESTS_AT_ONCE": "1000", "SLOW_REQUESTS_EACH": "1000"}
    options = ("--config", str(without_the_check), "--threads", "16")
    with ThreadPoolExecutor(SLOW) as pool:
        with running(sandbox) as address:
            bounded = ConcurrentVisit(address, slow, pool)
            answers = bounded.answers
        with running(sandbox, *options, **unbounded) as address:
            without = ConcurrentVisit(address, slow, pool)
    assert bounded.slowest < BOUND < without.slowest
    refused = [each for each in answers if each.status == 429]
    assert len(refused) >= SLOW - 2 * settings.SLOW_REQUESTS_EACH
    assert {(json.loads(each.body)["code"], each.retry_after) for each in refused} == {("TOO_MANY_AT_ONCE", "3")}
    assert all(each.seconds < 20 for each in answers)


def test_gunicorn_refuses_to_start_with_too_few_threads() -> None:
    command = [sys.executable, "-m", "gunicorn", "--threads", "8", "--bind", "127.0.0.1:0", "inbound_admin.wsgi"]
    environment = {**os.environ, "SLOW_REQUESTS_AT_ONCE": "8"}
    ended = subprocess.run(
        command, check=False, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode != 0
    assert "slow requests would hold all of them" in ended.stderr
