"""`/healthz`: checks the web process, the database, the worker, AWS, and the key of the receiving function; `/readyz`.

A late queue is reported but doesn't fail the check: removing web processes wouldn't help.
"""

import tempfile
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from inbound_admin.lib import aws
from inbound_admin.lib.database import CANNOT_WRITE, missing_migrations, sqlstate_of
from inbound_admin.lib.errors import AwsBusy, AwsProblem
from inbound_admin.lib.jobs import WORKER_SILENT_AFTER, late_lanes, worker_silent_for
from receipt_rules.function_key.selectors import key_report

AWS_ASKED_EVERY_SECONDS = 15
WRITES_EVERY_SECONDS = 15  # in each process; in between, the last result is reported
# A new table needs a new page, which a full disk refuses; a row of an existing one may fit an existing page.
TABLE = "CREATE TEMPORARY TABLE probe AS SELECT repeat('x', 8000) AS filler"
ROOM_BYTES = 65_536  # of each folder that we write to

log = structlog.get_logger(__name__)


@login_not_required
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    started = time.monotonic()
    found = probe_all()
    well = all(state == "ok" for state in found.values())
    found["queue"] = _ask("queue", _queue)
    found["took_ms"] = str(round((time.monotonic() - started) * 1000))
    return JsonResponse(found, status=200 if well else 503)


@login_not_required
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether this web process can serve pages, for load balancers. Worker and AWS don't count."""
    found = {"web": "ok", **{name: _ask(name, probe) for name, probe in READY.items()}}
    return JsonResponse(found, status=200 if all(state == "ok" for state in found.values()) else 503)


def probe_all() -> dict[str, str]:
    """Return "ok" or the problem of each part."""
    return {"web": "ok", **{name: _ask(name, probe) for name, probe in PROBES.items()}}


def _ask(name: str, probe: Callable[[], str]) -> str:
    try:
        return probe()
    except DatabaseError as error:
        log.error("health probe failed", probe=name, error=str(error))
        return "the database didn't respond"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if time.monotonic() - _written.at > WRITES_EVERY_SECONDS:
        _written.problem, _written.at = _write(), time.monotonic()
    return _written.problem


def _write() -> str:
    """Return "ok", or why the database can't write. Raises DatabaseError if the connection is lost."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(TABLE)
            cursor.execute("DROP TABLE probe")
    except DatabaseError as error:
        sqlstate = sqlstate_of(error)
        if sqlstate is None:
            raise
        log.error("health probe failed", probe="database", error=str(error))
        return CANNOT_WRITE.get(sqlstate, "the database cannot write")
    return "ok"


def _disk() -> str:
    """Check both folders: temporary (uploads) and metrics (request counts). Without free space, a process may end."""
    for name, folder in (("temporary folder", None), ("PROMETHEUS_MULTIPROC_DIR", settings.PROMETHEUS_MULTIPROC_DIR)):
        if folder == "":
            continue
        try:
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                file.write(b"x" * ROOM_BYTES)
        except OSError as error:
            log.error("health probe failed", probe="disk", folder=name, error=str(error))
            return f"cannot write to the {name}: {error.strerror}"
    return "ok"


def _migrations() -> str:
    missing = missing_migrations()
    return f"{missing} migrations are not applied" if missing else "ok"


def _worker() -> str:
    silent = worker_silent_for()
    if silent is None:
        return "no worker has started"
    return "ok" if silent < WORKER_SILENT_AFTER else f"no heartbeat from the worker for {int(silent.total_seconds())} s"


def _function() -> str:
    return "its API key is refused: no mail is delivered" if key_report(timezone.now()).stops_mail else "ok"


def _queue() -> str:
    late = [f"the oldest job of {lane.queue} has waited {seconds} s" for lane, seconds in late_lanes().items()]
    return f"degraded: {', '.join(late)}" if late else "ok"


def _aws() -> str:
    """Call STS, which has no rate limit of ours, and cache the result for some seconds. Compare the account."""
    known = cache.get("healthz.aws")
    if known is None:
        known = _ask_sts()
        cache.set("healthz.aws", known, AWS_ASKED_EVERY_SECONDS)
    return str(known) if known != "ok" else _ask_home()


def _ask_home() -> str:
    """Names no account: this page needs no sign-in."""
    try:
        return "another AWS account or region than the database's" if aws.elsewhere() else "ok"
    except AwsProblem as problem:
        log.error("health probe failed", probe="aws", error=str(problem))
        return "AWS isn't responding or rejects our credentials"


def _ask_sts() -> str:
    try:
        aws.ask_account_id()
    except AwsBusy as problem:
        log.warning("health probe was throttled", probe="aws", error=str(problem))  # so AWS answers
    except AwsProblem as problem:
        log.error("health probe failed", probe="aws", error=str(problem))
        return "AWS isn't responding or rejects our credentials"
    return "ok"


class _WriteProbe:
    """Result of the last test write, and its time."""

    problem = ""
    at = float("-inf")


_written = _WriteProbe()
PROBES = {"database": _database, "disk": _disk, "worker": _worker, "aws": _aws, "function": _function}
READY = {"database": _database, "disk": _disk, "migrations": _migrations}
