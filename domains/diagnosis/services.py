"""Diagnoses a domain: gathers observations, runs the core, and caches the result.

Concurrent requests share one diagnosis: its result is cached for seconds and the others wait for it.

A page doesn't wait: its request is a row, the worker runs it, and the browser polls. Each customer has one running and
a few queued. At most `DIAGNOSES_AT_ONCE` run at a time in total, so that the worker has time for other work. A page
sends the time since which it waits, and shows any diagnosis that is newer.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models.people import Customer
from domains.checking.core.judgement import State
from domains.diagnosis import selectors
from domains.diagnosis.core import chain
from domains.diagnosis.core.findings import Diagnosis
from domains.diagnosis.core.observations import Observations, RecordHistory, SesView
from domains.dns.core import LookupStatus
from domains.dns.services import SECONDS, QuerySession, network
from domains.dns_observation.services import observe
from domains.jobs import queue_diagnosis
from domains.models.domains import Domain, Stage
from domains.models.record_checks import DiagnosisRequest, ObservedAnswer
from domains.mta_sts.core import Block
from domains.providers.core import provider_with_key
from domains.receiving.core import ReceivingState
from domains.records.core import IdentityFacts, Record
from inbound_admin.lib import slow_work
from inbound_admin.lib.slow_work import TooManyAtOnce

WAIT_EVERY = 0.1  # seconds, while another process diagnoses
SLOWEST = 2.0  # seconds for one question: a diagnosis asks several questions in sequence
EXPLAINED_SECONDS = 600
LOOKED_BEFORE = timedelta(minutes=10)  # with something missing: at least two checks ran in that time


@dataclass(frozen=True)
class DiagnosisResult:
    """The observations. Diagnoses in the terms of any DNS host are computed from them without further lookups."""

    facts: IdentityFacts
    observed: Observations
    amazon: SesView
    now: datetime
    history: RecordHistory

    def diagnosis(self, host: str = "") -> Diagnosis:
        """Return the diagnosis in the terms of the DNS host with that key, or of the detected one."""
        return chain.diagnose(self.facts, self.observed, self.amazon, self.now, self.history, provider_with_key(host))


def diagnose(domain: Domain, *, now: datetime, host: str = "", wait: Callable[[float], None] = time.sleep) -> Diagnosis:
    """Diagnose with at most 60 queries and 10 seconds. A result of the last DIAGNOSIS_KEPT_SECONDS is reused.

    Raises TooManyAtOnce in a web request.
    """
    return cached_or_new_result(domain, now=now, wait=wait).diagnosis(host)


def cached_result(domain: Domain) -> DiagnosisResult | None:
    """Return the result of the last DIAGNOSIS_KEPT_SECONDS, if any."""
    found: DiagnosisResult | None = cache.get(_key(domain))
    return found


def cached_or_new_result(
    domain: Domain, *, now: datetime, wait: Callable[[float], None] = time.sleep
) -> DiagnosisResult:
    """Return the cached result, or a new one. A check since then ends the cached one: they could contradict."""
    if (found := _result_since_check(domain)) is not None:
        return found
    with slow_work.slot(customer=domain.customer_id):
        return _new_result(domain, now, wait)


def _result_since_check(domain: Domain) -> DiagnosisResult | None:
    found = cached_result(domain)
    is_old = found is not None and domain.last_dns_check is not None and domain.last_dns_check > found.now
    return None if is_old else found


def _new_result(domain: Domain, now: datetime, wait: Callable[[float], None]) -> DiagnosisResult:
    key = _key(domain)
    for _ in range(int(SECONDS / WAIT_EVERY)):
        if (found := _result_since_check(domain)) is not None:
            return found
        if cache.add(f"{key}:looking", 1, timeout=SECONDS + 2):
            break
        wait(WAIT_EVERY)
    try:
        found = gather(domain, now=now)
        cache.set(key, found, timeout=settings.DIAGNOSIS_KEPT_SECONDS)
        _explain(domain, found.diagnosis())
    finally:
        cache.delete(f"{key}:looking")
    return found


def _explain(domain: Domain, found: Diagnosis) -> None:
    """Store the findings for other pages, so that none says “add” where the diagnosis says “edit”."""
    seen = {check.key: selectors.check_fingerprint(check) for check in domain.record_checks.all()}
    explained = {r.key: (seen.get(r.key, ""), r.finding) for r in found.records if r.finding and not r.is_right}
    cache.set(selectors.explanations_key(domain), explained, EXPLAINED_SECONDS)


def _key(domain: Domain) -> str:
    return f"diagnosis-result:{domain.pk}:{hash_of(domain)}"


def gather(domain: Domain, *, now: datetime) -> DiagnosisResult:
    """Query DNS. Stores the zone's serial, which later shows whether a host publishes changes."""
    with slow_work.slot(customer=domain.customer_id):
        seconds = slow_work.seconds_left(SECONDS)
        session = QuerySession(timeout=min(settings.DNS_TIMEOUT_SECONDS, SLOWEST), seconds=seconds)
        observed = asyncio.run(observe(domain.parsed, selectors.diagnosed_records(domain), network(), session))
    history = replace(_history(domain, now), others=_records_of_others(domain, observed))
    result = DiagnosisResult(domain.facts, observed, _ses_view(domain), now, history)
    _store_serial(domain, result.diagnosis(), now)
    return result


def mark_records_added(*, domain: Domain, now: datetime) -> None:
    """Store that the customer says the records are added. From now on an unchanged serial means something."""
    domain.said_added_at = now
    Domain.objects.filter(pk=domain.pk).update(said_added_at=now)


def hash_of(domain: Domain) -> str:
    """Return the cache key's suffix, which changes with the customer, the records and SES's status."""
    parts = (
        domain.customer_id,
        domain.records,
        domain.stage,
        domain.ses_statuses,
        domain.ses_problem,
        domain.said_added_at,
        domain.mta_sts_block,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _ses_view(domain: Domain) -> SesView:
    if domain.stage != Stage.READY:
        return SesView(held_elsewhere=domain.stage == Stage.CLAIM)
    return SesView(
        statuses=tuple(domain.ses_statuses.items()),
        error_type=domain.ses_error_type,
        looked_at=domain.ses_looked_at,
        soa=domain.ses_soa,
        problem=domain.ses_problem,
    )


def _history(domain: Domain, now: datetime) -> RecordHistory:
    rows = domain.record_checks.exclude(verified_at=None).values_list("key", "verified_at")
    verified = tuple((key, moment) for key, moment in rows if moment is not None)
    waiting = domain.state in (State.WAITING, State.WRONG) and domain.last_dns_check is not None
    is_checked = waiting and now - domain.state_since >= LOOKED_BEFORE
    sisters = Domain.objects.filter(customer_id=domain.customer_id).exclude(pk=domain.pk).order_by("name")
    return RecordHistory(
        verified=verified,
        nameservers=_former_nameservers(domain, max((moment for _, moment in verified), default=None)),
        serial=domain.soa_serial,
        serial_since=domain.soa_serial_since,
        said_added_at=domain.said_added_at,
        failed_checks=2 if is_checked else 0,
        sisters=tuple(sisters.values_list("name", flat=True)[:200]),
        blocked=_blocked(domain),
    )


def _blocked(domain: Domain) -> tuple[str, str] | None:
    if domain.receiving.state is not ReceivingState.MTA_STS:
        return None
    block = Block.of_json(domain.mta_sts_block or {})
    return block.why, block.step


def _records_of_others(domain: Domain, observed: Observations) -> tuple[Record, ...]:
    """Return what other domains here, of any customer, require at the names that were asked."""
    queried = {answer.question.name for answer in observed.host}
    names = {".".join(labels[at:]) for name in queried for labels in [name.split(".")] for at in range(len(labels) - 1)}
    others = Domain.objects.filter(name__in=names - {domain.name}).exclude(stage=Stage.CLAIM)
    return tuple(record for other in others for record in other.checked_records if record.name in queried)


def _former_nameservers(domain: Domain, moment: datetime | None) -> tuple[str, ...]:
    """Return the zone's nameservers when its records were last correct; () if unknown."""
    if moment is None:
        return ()
    rows = ObservedAnswer.objects.filter(domain=domain, name=domain.parsed.zone, type="NS", status=LookupStatus.FOUND)
    then = rows.filter(since__lte=moment).order_by("-since").first()
    return tuple(then.values) if then else ()


def _store_serial(domain: Domain, found: Diagnosis, now: datetime) -> None:
    """Store the serial, unless the servers' serials differ: then the zone is being published."""
    serials = {serial for _, serial in found.serials}
    if len(serials) != 1 or (serial := serials.pop()) == domain.soa_serial:
        return
    domain.soa_serial, domain.soa_serial_since = serial[:10], now
    Domain.objects.filter(pk=domain.pk).update(soa_serial=domain.soa_serial, soa_serial_since=now)


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
    found = cached_result(domain) or _newer_result(domain, began)
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
    found: DiagnosisResult | None = cache.get(_answer_key(domain))
    return found if found and began and found.now >= began else None


def _problem(request: DiagnosisRequest | None, began: datetime, now: datetime) -> str:
    """Return why a page that waits since `began` gets no result."""
    if request and request.ended_at and request.ended_at >= began and request.problem:
        return request.problem
    return NOTHING_CAME if began < now - LONGEST else ""


@transaction.atomic
def _ask(domain: Domain, now: datetime) -> None:
    """Queue a request. The customer's row is locked, so that concurrent requests are counted one by one."""
    Customer.locked(domain.customer_id)
    recent = waiting(domain.customer_id).filter(asked_at__gt=now - LONGEST)
    if recent.exclude(domain=domain).count() >= MOST_WAITING:
        sentence = f"{MOST_WAITING} diagnoses of your domains are already queued. Try again when they finish."
        raise TooManyAtOnce(sentence, retry_after=slow_work.RETRY_AFTER)
    fields = {"asked_at": now, "ended_at": None, "problem": ""}
    DiagnosisRequest.objects.update_or_create(domain=domain, defaults=fields)
    queue_diagnosis(domain.customer_id)


def waiting(customer_id: str) -> QuerySet[DiagnosisRequest]:
    return DiagnosisRequest.objects.filter(domain__customer=customer_id, ended_at=None)


def _queued_ahead(domain: Domain) -> QuerySet[DiagnosisRequest]:
    own = waiting(domain.customer_id).filter(domain=domain).values("asked_at")[:1]
    return waiting(domain.customer_id).filter(asked_at__lt=own)


def run_next(*, customer_id: str) -> None:
    """Run the oldest request, and queue another call for the others."""
    try:
        with slow_work.job_slot("diagnosis", most=settings.DIAGNOSES_AT_ONCE) as is_free:
            request = waiting(customer_id).select_related("domain").first() if is_free else None
            if request:
                _run(request)
    finally:
        if waiting(customer_id).exists():
            queue_diagnosis(customer_id, in_seconds=0 if is_free else AGAIN_SECONDS)


def _run(request: DiagnosisRequest) -> None:
    """Run one request. A failure is stored for the page and re-raised, so that the job fails visibly."""
    domain, problem = request.domain, FAILED
    try:
        found = cached_or_new_result(domain, now=timezone.now())
        cache.set(_answer_key(domain), found, KEPT_SECONDS)
        problem = ""
    finally:
        DiagnosisRequest.objects.filter(pk=request.pk).update(ended_at=timezone.now(), problem=problem)


def _answer_key(domain: Domain) -> str:
    """Doesn't depend on the domain's state, which the worker's own checks may change while the page waits."""
    return f"diagnosis-answer:{domain.pk}:{domain.customer_id}"
