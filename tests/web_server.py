"""A gunicorn on the database of the test, and requests to it."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection

from sandbox.local import ports

START_SECONDS = 120  # for a busy machine, not part of any test


@dataclass(frozen=True)
class Response:
    """`status` 0: no response within the given time."""

    status: int
    seconds: float
    body: str = ""
    retry_after: str = ""


def ask(address: str, *, seconds: float, body: object = None, **headers: str) -> Response:
    data = None if body is None else json.dumps(body).encode()
    all_headers = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(address, data=data, headers=all_headers)  # noqa: S310  # our own
    begun = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310  # our own
            return Response(answer.status, time.monotonic() - begun, answer.read().decode())
    except urllib.error.HTTPError as refusal:
        with refusal:
            after = refusal.headers.get("Retry-After", "")
            return Response(refusal.code, time.monotonic() - begun, refusal.read().decode(), after)
    except OSError:
        return Response(0, time.monotonic() - begun)


@contextmanager
def running_gunicorn(*options: str, **environment: str) -> Iterator[str]:
    """Yield its address. It is killed at the end."""
    port = ports.next_free(18300)
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    whole = {**os.environ, "DATABASE_URL": urlunsplit(database), "HTTPS": "0", **environment}
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--log-level", "error", *options]
    process = subprocess.Popen([*command, "inbound_admin.wsgi"], cwd=settings.BASE_DIR, env=whole)
    try:
        until = time.monotonic() + START_SECONDS
        while ask(f"http://127.0.0.1:{port}/readyz", seconds=5).status != 200:
            assert process.poll() is None, "gunicorn has ended"
            assert time.monotonic() < until, "gunicorn does not answer"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(timeout=20)
