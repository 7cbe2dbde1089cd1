"""SES's side of verification: looks identities up in DNS and changes their states, as SES does within minutes.

Only reading the jobs and writing the results hold the lock; lookups run outside it.
"""

import asyncio
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

import dns.asyncresolver

from sandbox.aws import names
from sandbox.aws.identities import has_token, tokens, zone
from sandbox.aws.state import FAILED, PENDING, SUCCESS, TEMPORARY_FAILURE, WORLD, Aspect, Identity, RegionState, regions
from sandbox.lookups import Found, Job, Verdict, look_up, resolver
from sandbox.values import Round

IN_FLIGHT = 50
RECHECK_VERIFIED = timedelta(minutes=1)


class Verifier:
    def __init__(self, dns_address: str) -> None:
        self.dns_address = dns_address
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def tick(self, *, only_due: bool = False) -> Round:
        """Run one round now. `only_due` skips what was verified less than a minute ago."""
        with WORLD.lock:
            jobs = _jobs(WORLD.clock.now() - RECHECK_VERIFIED if only_due else None)
        found = asyncio.run(self._look_up(jobs))
        with WORLD.lock:
            changes = [change for job, seen in zip(jobs, found, strict=True) for change in _apply(job, seen)]
            if changes:
                WORLD.changed()
        return Round(len(jobs), tuple(changes))

    def start(self, period: float) -> None:
        """Run rounds in the background, `period` seconds apart."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=(period,), name="ses-verifier", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, period: float) -> None:
        while not self._stopping.wait(period):
            self.tick(only_due=True)

    async def _look_up(self, jobs: Sequence[Job]) -> list[Found]:
        through, room = resolver(self.dns_address), asyncio.Semaphore(IN_FLIGHT)

        async def one(job: Job, through: dns.asyncresolver.Resolver) -> Found:
            async with room:
                return await look_up(job, through)

        return await asyncio.gather(*(one(job, through) for job in jobs))


def _jobs(verified_before: datetime | None) -> list[Job]:
    return [
        _job(state, identity)
        for _, state in regions()
        for identity in state.identities.values()
        if not identity.is_address and _is_due(identity, verified_before)
    ]


def _is_due(identity: Identity, verified_before: datetime | None) -> bool:
    """SES stops checking failed identities; a completely verified one waits its turn."""
    looked_for = [one for one in (identity.ownership, identity.dkim, identity.mail_from) if _is_looked_for(one)]
    if verified_before is None or any(aspect.status != SUCCESS for aspect in looked_for):
        return bool(looked_for)
    return any(aspect.checked is None or aspect.checked < verified_before for aspect in looked_for)


def _is_looked_for(aspect: Aspect) -> bool:
    return aspect.status in (PENDING, SUCCESS, TEMPORARY_FAILURE)


def _job(state: RegionState, identity: Identity) -> Job:
    ownership = _is_looked_for(identity.ownership) and has_token(identity)
    dkim = _is_looked_for(identity.dkim) and identity.origin != "EXTERNAL"
    return Job(
        account=state.account_id,
        region=state.region,
        name=identity.name,
        txt=names.txt_token(state.account_id, state.region, identity.name) if ownership else None,
        dkim=tuple(tokens(state, identity)) if dkim else (),
        zone=zone(state, identity),
        mail_from=identity.mail_from_domain if _is_looked_for(identity.mail_from) else "",
    )


def _apply(job: Job, found: Found) -> list[str]:
    """Write the results, unless the identity was deleted or changed meanwhile."""
    for _, state in regions():
        if (state.account_id, state.region) == (job.account, job.region):
            identity = state.identities.get(job.name)
            return _turn(identity, found) if identity and _job(state, identity) == job else []
    return []


def _turn(identity: Identity, found: Found) -> list[str]:
    now = WORLD.clock.now()
    identity.soa = found.soa or identity.soa
    before = (identity.ownership.status, identity.dkim.status, identity.mail_from.status)
    _settle(identity.dkim, found.dkim, now)
    _settle(identity.mail_from, found.mail_from, now)
    _settle(identity.ownership, _either(found.txt, found.dkim), now)
    after = (identity.ownership.status, identity.dkim.status, identity.mail_from.status)
    aspects = zip(("identity", "dkim", "mail from"), before, after, strict=True)
    return [f"{identity.name} {aspect}: {old} -> {new}" for aspect, old, new in aspects if old != new]


def _either(txt: Verdict | None, dkim: Verdict | None) -> Verdict | None:
    """An identity is verified by its TXT or its DKIM. A failed lookup of one leaves the result open."""
    verdicts = [verdict for verdict in (txt, dkim) if verdict is not None]
    for decisive in ("SUCCESS", "DNS_SERVER_ERROR"):
        if decisive in verdicts:
            return verdicts[verdicts.index(decisive)]
    return verdicts[0] if verdicts else None


def _settle(aspect: Aspect, verdict: Verdict | None, now: datetime) -> None:
    if verdict is None or not _is_looked_for(aspect):
        return
    aspect.checked = now
    if verdict == "SUCCESS":
        if aspect.status != SUCCESS:
            aspect.status, aspect.since = SUCCESS, now
        aspect.succeeded, aspect.error = now, None
        return
    aspect.error = verdict
    if verdict != "DNS_SERVER_ERROR":
        _miss(aspect, now)


def _miss(aspect: Aspect, now: datetime) -> None:
    """A missing record: a verified one has 72 hours to return, a pending one 72 hours from its start."""
    if aspect.status == SUCCESS:
        aspect.status, aspect.since = TEMPORARY_FAILURE, now
    elif aspect.since and now - aspect.since >= timedelta(hours=WORLD.limits.hours_until_failed):
        aspect.status, aspect.since = FAILED, now
