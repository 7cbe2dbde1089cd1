"""Why a domain is not verified: gathered by the observer, judged by the core, kept for as long as a page needs it.

Ten who look at the same time cost one look: the first one's answer is kept for seconds, and the others wait for it.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache

from domains.core import claims
from domains.core.checking import State
from domains.core.diagnosis import deciding
from domains.core.diagnosis.findings import Diagnosis
from domains.core.diagnosis.observations import Amazon, History, Observations
from domains.core.observing import Status
from domains.core.providers import with_key
from domains.core.records import Facts, Record
from domains.models import Domain, ObservedAnswer, Stage
from domains.services.asking import SECONDS, Asker
from domains.services.delegating import Net
from domains.services.looking import resolvers
from domains.services.observing import observe
from inbound_admin.lib import slow_work
from inbound_admin.lib.dns_address import parse_resolver

MOST_RESOLVERS = 3
WAIT_EVERY = 0.1  # seconds, for the look of somebody else
SLOWEST = 2.0  # seconds for one question: a diagnosis asks several times one after the other
LOOKED_BEFORE = timedelta(minutes=10)  # while something was missing: at least two looks were in it


@dataclass(frozen=True)
class Looked:
    """What was gathered, from which each DNS host's words are made without another look."""

    facts: Facts
    observed: Observations
    amazon: Amazon
    now: datetime
    history: History

    def told(self, host: str = "") -> Diagnosis:
        """In the words of the DNS host with that key, or of the one that the name servers tell."""
        return deciding.diagnose(self.facts, self.observed, self.amazon, self.now, self.history, with_key(host))


def diagnose(domain: Domain, *, now: datetime, host: str = "", wait: Callable[[float], None] = time.sleep) -> Diagnosis:
    """At most 60 questions and 10 seconds; an answer of the last DIAGNOSIS_KEPT_SECONDS is given again.

    Raises TooManyAtOnce in a web request.
    """
    return looked(domain, now=now, wait=wait).told(host)


def kept(domain: Domain) -> Looked | None:
    """What was found in the last DIAGNOSIS_KEPT_SECONDS."""
    found: Looked | None = cache.get(_key(domain))
    return found


def looked(domain: Domain, *, now: datetime, wait: Callable[[float], None] = time.sleep) -> Looked:
    """What `diagnose` tells in some DNS host's words."""
    if (found := kept(domain)) is not None:
        return found
    with slow_work.place(customer=domain.customer_id):
        return _looked(domain, now, wait)


def _looked(domain: Domain, now: datetime, wait: Callable[[float], None]) -> Looked:
    key = _key(domain)
    for _ in range(int(SECONDS / WAIT_EVERY)):
        if (found := kept(domain)) is not None:
            return found
        if cache.add(f"{key}:looking", 1, timeout=SECONDS + 2):
            break
        wait(WAIT_EVERY)
    try:
        found = gather(domain, now=now)
        cache.set(key, found, timeout=settings.DIAGNOSIS_KEPT_SECONDS)
    finally:
        cache.delete(f"{key}:looking")
    return found


def _key(domain: Domain) -> str:
    return f"diagnosis:{domain.pk}:{hash_of(domain)}"


def look(domain: Domain, *, now: datetime) -> Diagnosis:
    """Without what is kept."""
    return gather(domain, now=now).told()


def gather(domain: Domain, *, now: datetime) -> Looked:
    """Asks the DNS. Stores the zone's serial, by which a host that publishes nothing is told."""
    with slow_work.place(customer=domain.customer_id):
        seconds = slow_work.seconds_left(SECONDS)
        asker = Asker(timeout=min(settings.DNS_TIMEOUT_SECONDS, SLOWEST), seconds=seconds)
        observed = asyncio.run(observe(domain.parsed, _records(domain), net(), asker))
    looked = Looked(domain.facts, observed, _amazon(domain), now, _history(domain, now))
    _note_serial(domain, looked.told(), now)
    return looked


def said_added(*, domain: Domain, now: datetime) -> None:
    """Somebody tells us that the records are added: from now on a serial that does not move means something."""
    domain.said_added_at = now
    Domain.objects.filter(pk=domain.pk).update(said_added_at=now)


def hash_of(domain: Domain) -> str:
    """Another set of records, or another word of Amazon's, is another diagnosis."""
    parts = (domain.records, domain.stage, domain.ses_statuses, domain.ses_problem, domain.said_added_at)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _records(domain: Domain) -> tuple[Record, ...]:
    if domain.stage == Stage.CLAIM:
        return (claims.challenge(domain.parsed, domain.claim_token),)
    return domain.records


def net() -> Net:
    """In the sandbox all name servers are on this machine, at the port of its resolver."""
    asked = resolvers()[:MOST_RESOLVERS]
    port = parse_resolver(asked[0])[1] if settings.SANDBOX else 53
    return Net(asked, port=port, private=settings.SANDBOX)


def _amazon(domain: Domain) -> Amazon:
    if domain.stage != Stage.READY:
        return Amazon(held_elsewhere=domain.stage == Stage.CLAIM)
    return Amazon(
        statuses=tuple(domain.ses_statuses.items()),
        error_type=domain.ses_error_type,
        looked_at=domain.ses_looked_at,
        soa=domain.ses_soa,
        problem=domain.ses_problem,
    )


def _history(domain: Domain, now: datetime) -> History:
    rows = domain.record_checks.exclude(verified_at=None).values_list("key", "verified_at")
    verified = tuple((key, moment) for key, moment in rows if moment is not None)
    waiting = domain.state in (State.WAITING, State.WRONG) and domain.last_dns_check is not None
    looked = waiting and now - domain.state_since >= LOOKED_BEFORE
    sisters = Domain.objects.filter(customer_id=domain.customer_id).exclude(pk=domain.pk).order_by("name")
    return History(
        verified=verified,
        nameservers=_nameservers_then(domain, max((moment for _, moment in verified), default=None)),
        serial=domain.soa_serial,
        serial_since=domain.soa_serial_since,
        said_added_at=domain.said_added_at,
        failed_looks=2 if looked else 0,
        sisters=tuple(sisters.values_list("name", flat=True)[:200]),
    )


def _nameservers_then(domain: Domain, moment: datetime | None) -> tuple[str, ...]:
    """Those that answered for the zone when its records were last right; () where nobody remembers."""
    if moment is None:
        return ()
    rows = ObservedAnswer.objects.filter(domain=domain, name=domain.parsed.zone, type="NS", status=Status.FOUND)
    then = rows.filter(since__lte=moment).order_by("-since").first()
    return tuple(then.values) if then else ()


def _note_serial(domain: Domain, found: Diagnosis, now: datetime) -> None:
    """Of several that differ none is noted: a zone that is being published moves."""
    serials = {serial for _, serial in found.serials}
    if len(serials) != 1 or (serial := serials.pop()) == domain.soa_serial:
        return
    domain.soa_serial, domain.soa_serial_since = serial[:10], now
    Domain.objects.filter(pk=domain.pk).update(soa_serial=domain.soa_serial, soa_serial_since=now)
