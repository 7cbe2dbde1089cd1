"""Simulates Lambda, its retries and its queue for one function: the shipped one, run in this process.

The delays are shorter than AWS's; the numbers of attempts are the template's.
"""

import logging
import threading
import time
from datetime import timedelta
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.logs.models import logs_backends

from receiving.deployment import Deployment
from receiving.handler import Receiver
from sandbox.aws.state import WORLD
from sandbox.mail.log import FunctionJob
from sandbox.mail.rules import region_named
from sandbox.seed import BUCKET, FUNCTION

EVERY_SECONDS = 0.2
BY_LAMBDA, BY_QUEUE = 3, 100  # attempts
AFTER, FROM_QUEUE = timedelta(seconds=1), timedelta(seconds=10)
NOT_TOLD = "The sandbox doesn't know the URL of Inbound Admin. Start both with `make run`."
LOG_GROUP, LOG_STREAM = f"/aws/lambda/{FUNCTION}", "sandbox"
log = logging.getLogger(__name__)


class FunctionRunner:
    """`aws_url`: the S3 and SES of the function, which are this sandbox."""

    def __init__(self, aws_url: str) -> None:
        self._aws_url = aws_url
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._one_at_a_time = threading.Lock()

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="function", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def run_due(self, *, all_waiting: bool = False) -> int:
        """Run due jobs, or all waiting ones. Returns the number of attempts."""
        with self._one_at_a_time:
            with WORLD.lock:
                now = WORLD.clock.now()
                due = [job for job in WORLD.mail.jobs if job.state == "waiting" and (all_waiting or job.due <= now)]
            for job in due:
                self._attempt(job)
        return len(due)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_SECONDS):
            self.run_due()

    def _attempt(self, job: FunctionJob) -> None:
        """Run the function. Whatever it raises is a failure of the function, as for Lambda."""
        problem = ""
        began = time.monotonic()
        try:
            self._call(job)
        except Exception as error:  # noqa: BLE001  # Lambda catches everything
            problem = f"{type(error).__name__}: {error}"
            log.info("the function failed: %s", problem)
        with WORLD.lock:
            _count(job, has_failed=bool(problem), milliseconds=(time.monotonic() - began) * 1000)
            if problem:
                _log(job, problem)
            job.tries += 1
            job.problem = problem
            if not problem:
                job.state = "done"
            elif job.tries >= BY_LAMBDA + BY_QUEUE:
                job.state = "dead"
            else:
                job.due = WORLD.clock.now() + (AFTER if job.tries < BY_LAMBDA else FROM_QUEUE)
            WORLD.changed()

    def _call(self, job: FunctionJob) -> None:
        with WORLD.lock:
            site_url, key = WORLD.receiver
        if not site_url:
            raise LookupError(NOT_TOLD)
        deployment = Deployment(
            site_url=site_url,
            key=key,
            bucket=BUCKET,
            forward_from=WORLD.forward_from,
            may_be_private=True,
        )
        url, region = self._aws_url, job.region
        Receiver(deployment, lambda service: _client(service, url, region)).handle(job.event)


def _count(job: FunctionJob, *, has_failed: bool, milliseconds: float) -> None:
    """Count CloudWatch's metrics of the function."""
    state = region_named(job.region)
    if state is None:
        return
    measured = {"Invocations": 1.0, "Errors": float(has_failed), "Throttles": 0.0, "Duration": milliseconds}
    for name, value in measured.items():
        state.count(("AWS/Lambda", name), ("FunctionName", FUNCTION), value, WORLD.clock.now())


def _log(job: FunctionJob, problem: str) -> None:
    """Write a line to the function's log group, as Lambda does."""
    logs = logs_backends[DEFAULT_ACCOUNT_ID][job.region]
    if LOG_GROUP not in logs.groups:
        logs.create_log_group(LOG_GROUP, {})
    logs.ensure_log_stream(LOG_GROUP, LOG_STREAM)
    at = int(WORLD.clock.now().timestamp() * 1000)
    logs.put_log_events(LOG_GROUP, LOG_STREAM, [{"timestamp": at, "message": f"[ERROR] {problem}"}])


@cache
def _client(service: str, url: str, region: str) -> Any:
    """Of the account that everybody has here."""
    session = boto3.Session(aws_access_key_id="sandbox", aws_secret_access_key="sandbox", region_name=region)  # noqa: S106
    config = Config(retries={"total_max_attempts": 2}, s3={"addressing_style": "path"})
    return session.client(service, endpoint_url=url, config=config)  # type: ignore[call-overload]  # by its name
