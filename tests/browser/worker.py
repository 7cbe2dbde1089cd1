"""The real worker, in its own process, on the test's database and sandbox."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection
from playwright.sync_api import Page

from domains.diagnosis import services as diagnosis_services
from domains.models.record_checks import DiagnosisRequest
from sandbox.process import Sandbox

SECONDS_TO_END = 40


def make_diagnoses(page: Page) -> None:
    """Make queued diagnoses as the worker does. In a thread, because Playwright's loop runs in this one."""
    page.locator('#result[hx-get*="look="], #result [data-summary]').first.wait_for()
    thread = Thread(target=_make_all)
    thread.start()
    thread.join()


def _make_all() -> None:
    try:
        for request in DiagnosisRequest.objects.filter(ended_at=None).select_related("domain"):
            diagnosis_services.run_next(customer_id=request.domain.customer_id)
    finally:
        connection.close()


@contextmanager
def running_worker(sandbox: Sandbox, *, calls_per_second: float = 0) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {
        **os.environ,
        "DATABASE_URL": _database_url(),
        "AWS_ENDPOINT_URL": sandbox.aws_url,
        "DNS_RESOLVERS": ",".join(settings.DNS_RESOLVERS),
        "AWS_CALLS_PER_SECOND": str(calls_per_second),
    }
    command = [sys.executable, "manage.py", "worker", "--skip-checks", "--name", "of-the-test"]
    limited = [*command, "--shutdown-graceful-timeout", str(SECONDS_TO_END // 2)]  # as in a deployment
    process = subprocess.Popen(limited, cwd=settings.BASE_DIR, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=SECONDS_TO_END)


def _database_url() -> str:
    """Return the URL of the test database: DATABASE_URL with the name that Django gave it."""
    server = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(server._replace(path=f"/{connection.settings_dict['NAME']}"))
