"""The sandbox's SMTP server starts and stops in its own thread, independently of the caller's."""

import asyncio
import smtplib
import threading

import pytest

from sandbox.dns.zones import ZoneStore
from sandbox.mail.smtp import SmtpServer


def greeting(address: str) -> int:
    host, _, port = address.partition(":")
    with smtplib.SMTP(host, int(port), timeout=5) as client:
        return client.noop()[0]


def test_it_starts_inside_a_running_event_loop() -> None:
    async def start_and_stop() -> int:
        server = SmtpServer(ZoneStore(), "127.0.0.1", 0)
        code = greeting(server.start())
        server.stop()
        return code

    assert asyncio.run(start_and_stop()) == 250


def test_a_port_in_use_raises_an_error_and_leaves_no_thread() -> None:
    before = threading.enumerate()  # another test's sandbox may have a thread
    first = SmtpServer(ZoneStore(), "127.0.0.1", 0)
    port = int(first.start().rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        SmtpServer(ZoneStore(), "127.0.0.1", port).start()
    first.stop()
    assert set(threading.enumerate()) <= set(before)
