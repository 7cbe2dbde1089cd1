"""Queues a diagnosis for a page: the request is a row, the worker runs it, and the browser polls. No web thread waits.

Each customer has one running and a few queued. At most `DIAGNOSES_AT_ONCE` run at a time in total, so that the worker
has time for other work. A page sends the time since which it waits, and shows any diagnosis that is newer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import Customer
from domains.diagnosis import services as diagnosis_services
from domains.diagnosis.services import DiagnosisResult
from domains.jobs import diagnose_soon
from domains.models.diagnosis import DiagnosisRequest
from domains.models.domains import Domain
from inbound_admin.lib import slow_work
from inbound_admin.lib.slow_work import TooManyAtOnce

MOST_WAITING = 10  # of one customer
KEPT_SECONDS = 600  # for the page that waits; other pages ask again after DIAGNOSIS_KEPT_SECONDS
LONGEST = timedelta(minutes=2)  # that a page waits before it reports a failure
AGAIN_SECONDS = 1  # while others are running
NOTHING_CAME = "The diagnosis didn't finish within 2 minutes. Our background worker may be down. Try again."
FAILED = "The diagnosis failed on our side. The error has been logged. Try again."


@dataclass(frozen=True)
class DiagnosisProgress:
    """`found`, or a `problem`, or neither while it runs. `since`: when this page began to wait."""

    since: datetime
    found: DiagnosisResult | None = None
    problem: str = ""
    waiting_before: int = 0


def progress(*, domain: Domain, since: datetime | None, now: datetime) -> DiagnosisProgress:
    """Return what a page shows. Queues a diagnosis if none is new enough. Raises TooManyAtOnce."""
    began = min(since, now) if since and since > now - 2 * LONGEST else None
    found = diagnosis_services.cached_result(domain) or _newer_result(domain, began)
    if found:
        return DiagnosisProgress(began or now, found)
    request = DiagnosisRequest.objects.filter(domain=domain).first()
    if began and (problem := _problem(request, began, now)):
        return DiagnosisProgress(began, problem=problem)
    if request is None or request.ended_at or request.asked_at < now - LONGEST:
        _ask(domain, now)
    return DiagnosisProgress(began or now, waiting_before=_queued_ahead(domain).count())


def _newer_result(domain: Domain, began: datetime | None) -> DiagnosisResult | None:
    """Return a result since the page began to wait, even if it is too old for other pages."""
    found: DiagnosisResult | None = cache.get(_key(domain))
    return found if found and began and found.now >= began else None


def _problem(request: DiagnosisRequest | None, began: datetime, now: datetime) -> str:
    """Return why a page that waits since `began` gets no result."""
    if request and request.ended_at and request.ended_at >= began and request.problem:
        return request.problem
    return NOTHING_CAME if began < now - LONGEST else ""


@transaction.atomic
def _ask(domain: Domain, now: datetime) -> None:
    """Queue a request. The customer's row is locked, so that concurrent requests are counted one by one."""
    Customer.objects.select_for_update(no_key=True).get(pk=domain.customer_id)
    recent = waiting(domain.customer_id).filter(asked_at__gt=now - LONGEST)
    if recent.exclude(domain=domain).count() >= MOST_WAITING:
        said = f"{MOST_WAITING} diagnoses of your domains are already queued. Try again when they finish."
        raise TooManyAtOnce(said, retry_after=slow_work.RETRY_AFTER)
    told = {"asked_at": now, "ended_at": None, "problem": ""}
    DiagnosisRequest.objects.update_or_create(domain=domain, defaults=told)
    diagnose_soon(domain.customer_id)


def waiting(customer_id: str) -> QuerySet[DiagnosisRequest]:
    return DiagnosisRequest.objects.filter(domain__customer=customer_id, ended_at=None)


def _queued_ahead(domain: Domain) -> QuerySet[DiagnosisRequest]:
    own = waiting(domain.customer_id).filter(domain=domain).values("asked_at")[:1]
    return waiting(domain.customer_id).filter(asked_at__lt=own)


def run_next(*, customer_id: str) -> None:
    """Run the oldest request, and queue another call for the others."""
    try:
        with slow_work.lane("diagnosis", most=settings.DIAGNOSES_AT_ONCE) as is_free:
            request = waiting(customer_id).select_related("domain").first() if is_free else None
            if request:
                _run(request)
    finally:
        if waiting(customer_id).exists():
            diagnose_soon(customer_id, in_seconds=0 if is_free else AGAIN_SECONDS)


def _run(request: DiagnosisRequest) -> None:
    """Run one request. A failure is stored for the page and re-raised, so that the job fails visibly."""
    domain, problem = request.domain, FAILED
    try:
        found = diagnosis_services.cached_or_new_result(domain, now=timezone.now())
        cache.set(_key(domain), found, KEPT_SECONDS)
        problem = ""
    finally:
        DiagnosisRequest.objects.filter(pk=request.pk).update(ended_at=timezone.now(), problem=problem)


def _key(domain: Domain) -> str:
    """Depends on the domain alone: the worker's own checks may change its state while the page waits."""
    return f"diagnosis-page:{domain.pk}"
