"""The real worker, in a process of its own, on the test's database and sandbox."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection

from inbound_admin.sandbox.process import Sandbox


@contextmanager
def running_worker(sandbox: Sandbox) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {
        **os.environ,
        "DATABASE_URL": _database_url(),
        "AWS_ENDPOINT_URL": sandbox.aws_url,
        "DNS_RESOLVERS": ",".join(settings.DNS_RESOLVERS),
        "AWS_CALLS_PER_SECOND": "0",
    }
    command = [sys.executable, "manage.py", "procrastinate", "worker", "--name", "of-the-test"]
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def _database_url() -> str:
    """The test's own database: DATABASE_URL names the server, Django has named the database anew."""
    server = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(server._replace(path=f"/{connection.settings_dict['NAME']}"))
