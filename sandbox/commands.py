"""The sandbox as a command, with Django (`manage.py sandbox`) or without (`python -m sandbox`)."""

import argparse
import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event

# EX_SOFTWARE: a fault asked the process to die after it had applied a call.
EXIT_ON_FAULT = 70


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--aws-port", type=int, default=4599)
    parser.add_argument("--dns-port", type=int, default=5399)
    parser.add_argument("--smtp-port", type=int, default=2525)
    parser.add_argument("--web-port", type=int, default=4543, help="HTTPS port of the customers' web host")
    parser.add_argument("--state-dir", type=Path, default=None, help="keep state across restarts")
    parser.add_argument("--durable", action="store_true", help="write state and calls before each answer")
    parser.add_argument("--verify-every", type=float, default=3.0, help="seconds between verification rounds; 0: never")


def run(
    *,
    host: str,
    aws_port: int,
    dns_port: int,
    smtp_port: int,
    web_port: int,
    state_dir: Path | None,
    verify_every: float,
    durable: bool = False,
    say: Callable[[str], object],
) -> None:
    """Run until SIGINT or SIGTERM, then save the state. Raises OSError if a port is in use."""
    # moto is slow to import, so not for `--help`.
    from sandbox.process import Sandbox

    stopping = _set_by_signals()

    def die() -> None:
        sandbox.save()
        os._exit(EXIT_ON_FAULT)

    places = (host, aws_port, dns_port, state_dir, verify_every)
    sandbox = Sandbox(*places, web_port=web_port, smtp_port=smtp_port, exit_process=die)
    if durable:
        sandbox.write_at_once()
    with sandbox:
        say(f"AWS  {sandbox.aws_url}")
        say(f"DNS  {sandbox.dns_address}")
        say(f"Web  {host}:{sandbox.web_port}, certificates by {sandbox.authority}")
        say(f"SMTP {sandbox.smtp_address}")
        stopping.wait()


def _set_by_signals() -> Event:
    stopping = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    return stopping
