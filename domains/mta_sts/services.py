"""Fetches and stores the MTA-STS policies of domains whose TXT record announces one.

A failed fetch keeps the known result and stores the reason. While an enforced policy, or one that senders stored, keeps
mail from us, the domain is red (`domains/receiving`), and its owners are alerted (`domain.mta_sts`).
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import F, Q

from domains.checking.core.judgement import Judgement, State
from domains.dns.core import Answer, LookupStatus, Question
from domains.domain_list.selectors import domain_subject, domains_in_region
from domains.jobs import queue_checks, queue_policy_fetch
from domains.models.domains import Domain, Stage
from domains.mta_sts import core, gateway
from domains.mta_sts.core import Block, Fetched, PolicyCheck
from domains.nameservers import services as nameservers_services
from domains.receiving.core import MX_POINTS_HERE
from domains.records.core import INBOUND_MX
from inbound_admin.lib import isolation, slow_work
from inbound_admin.lib.public_http import NoAnswer, Why
from notifications.alerts import services as alerts_services

KEY = "mta-sts"  # the TXT record that announces a policy
EVERY = timedelta(hours=6)
SECONDS = 5.0  # for one policy
AT_ONCE = 20  # policies fetched in parallel
# Failures that senders see too. Any other failure says nothing about the policy.
SEEN_BY_ALL = (Why.CERTIFICATE,)


def record_announcement(domain: Domain, judgements: Sequence[Judgement], now: datetime) -> None:
    """Queue a fetch if one is due, or clear a policy that is no longer announced. The caller, a check, saves.

    Of a domain that isn't asked for the record, such as one that doesn't receive now, nothing is known.
    """
    seen = next((judgement for judgement in judgements if judgement.key == KEY), None)
    block, is_announced = _block(domain), seen is not None and seen.state is State.VERIFIED
    if seen and is_announced:
        if block and block.policy_id != core.id_of(seen.found):
            domain.mta_sts_at = now - EVERY
        if domain.mta_sts_at is None or domain.mta_sts_at <= now - EVERY:
            queue_policy_fetch()
    if seen and seen.state in (State.WAITING, State.WRONG, State.AT_RISK):
        block = _block_after(domain, None, "", now)
    elif block and block.until <= now and not (is_announced and domain.mta_sts_check.loses_mail):
        block = None
    _set_block(domain, block, now)
    if seen is None or seen.state in (State.WAITING, State.WRONG, State.AT_RISK):
        domain.mta_sts, domain.mta_sts_at = {}, None


def fetch_due(*, now: datetime) -> int:
    """Fetch all policies that are due, never fetched ones first, and return their number."""
    announced = Q(record_checks__key=KEY, record_checks__state=State.VERIFIED)
    due = domains_in_region().filter(announced, stage=Stage.READY, held_at=None)
    due = due.filter(Q(mta_sts_at=None) | Q(mta_sts_at__lte=now - EVERY)).order_by(
        F("mta_sts_at").asc(nulls_first=True)
    )
    done = 0
    while some := list(due[:AT_ONCE]):
        isolation.together("MTA-STS policies", some, partial(fetch, now=now), postpone=partial(_postpone, now=now))
        done += len(some)
    return done


def _postpone(domain: Domain, *, now: datetime) -> None:
    known = core.with_problem(domain.mta_sts_check, "The policy could not be checked.")
    Domain.objects.filter(pk=domain.pk).update(mta_sts=known.as_json(), mta_sts_at=now)


def fetch(domains: Sequence[Domain], *, now: datetime) -> None:
    """Fetch the policies of these domains in parallel. Store the results, also in the given objects."""
    with slow_work.slot():
        addresses = _addresses([core.policy_host(domain.name) for domain in domains])
        seconds = slow_work.seconds_left(SECONDS)
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            found = list(pool.map(partial(_fetch_one, addresses=addresses, seconds=seconds), domains))
    for domain, check in zip(domains, found, strict=True):
        _store(domain, check, now)


def fetch_announced(domain: Domain, *, now: datetime) -> bool:
    """Fetch the policy, if the domain announces one. Return whether what it does to mail has changed."""
    before = domain.mta_sts_block
    if _is_announced(domain):
        fetch([domain], now=now)
    return domain.mta_sts_block != before


def _is_announced(domain: Domain) -> bool:
    """Return True if the TXT record was correct at the last check."""
    return domain.record_checks.filter(key=KEY, state=State.VERIFIED).exists()


def _fetch_one(domain: Domain, *, addresses: Mapping[str, Sequence[str] | str], seconds: float) -> PolicyCheck:
    """Runs in a worker thread, so it must not use the database."""
    at = addresses[core.policy_host(domain.name)]
    if isinstance(at, str):
        return core.with_problem(domain.mta_sts_check, f"The lookup of the policy's host failed: {at}.")
    if not at:
        return core.ignored_policy(f"{core.policy_host(domain.name)} has no address in DNS.")
    try:
        fetched = gateway.fetch_policy(domain.name, at, seconds=seconds)
    except NoAnswer as problem:
        if problem.why in SEEN_BY_ALL:
            return core.ignored_policy(str(problem))
        return core.with_problem(domain.mta_sts_check, f"The policy could not be fetched. {problem}")
    return _judge_response(domain, fetched)


def _judge_response(domain: Domain, fetched: Fetched) -> PolicyCheck:
    """A server error or an incomplete response says nothing about the policy."""
    failure = f"answered {fetched.status}" if fetched.status >= 500 else ""
    if not failure and not fetched.is_whole and len(fetched.body) < core.MOST_BYTES:
        failure = "broke off its answer"
    if failure:
        return core.with_problem(domain.mta_sts_check, f"{core.policy_host(domain.name)} {failure}.")
    return core.judge(domain.name, _host(domain), fetched)


def _host(domain: Domain) -> str:
    """Return where the domain's mail should go: here, or where staff recorded that it goes."""
    return next((record.value for record in domain.records if record.key == INBOUND_MX), "")


def _addresses(hosts: Sequence[str]) -> dict[str, Sequence[str] | str]:
    """Return the addresses by host; a string is the reason of a failed lookup."""
    found = nameservers_services.query_resolvers([Question(host, kind) for host in hosts for kind in ("A", "AAAA")])
    return {
        host: _of_host([answer for kind in ("A", "AAAA") for answer in found.get(Question(host, kind), ())])
        for host in hosts
    }


def _of_host(answers: Sequence[Answer]) -> Sequence[str] | str:
    found = tuple(dict.fromkeys(v for a in answers if a.status is LookupStatus.FOUND for v in a.values))
    failed = next((answer.error or "no answer" for answer in answers if answer.status is LookupStatus.FAILED), "")
    return failed if failed and not found else found


@transaction.atomic
def _store(domain: Domain, check: PolicyCheck, now: datetime) -> None:
    """Store nothing if the domain was deleted, its record removed or a newer result stored meanwhile."""
    locked = Domain.objects.select_for_update(of=("self",)).filter(pk=domain.pk, stage=Stage.READY).first()
    is_older = locked is not None and locked.mta_sts_at is not None and now < locked.mta_sts_at
    if locked is None or is_older or not _is_announced(locked):
        return
    if check.problem:
        check = core.with_problem(locked.mta_sts_check, check.problem)
    found, before = {"mta_sts": check.as_json(), "mta_sts_at": now}, locked.mta_sts_block
    if not check.problem:
        texts = locked.record_checks.filter(key=KEY).values_list("found", flat=True).first() or ()
        _set_block(locked, _block_after(locked, check, core.id_of(texts), now), now)
    if locked.mta_sts_block != before:
        found |= {"mta_sts_block": locked.mta_sts_block, "next_check_at": now}  # the check judges what arrives
        queue_checks()
    Domain.objects.filter(pk=domain.pk).update(**found)
    for name, value in found.items():
        setattr(domain, name, value)


def _block(domain: Domain) -> Block | None:
    """Return what is stored. The version before stored no block, but the policy that loses mail."""
    if domain.mta_sts_block:
        return Block.of_json(domain.mta_sts_block)
    check, at = domain.mta_sts_check, domain.mta_sts_at
    return (
        core.block_after(check, check, None, name=domain.name, host=_host(domain), policy_id="", now=at) if at else None
    )


def _block_after(domain: Domain, check: PolicyCheck | None, policy_id: str, now: datetime) -> Block | None:
    named = {"name": domain.name, "host": _host(domain), "policy_id": policy_id}
    return core.block_after(check, domain.mta_sts_check, _block(domain), **named, now=now)


def _set_block(domain: Domain, block: Block | None, now: datetime) -> None:
    """Set it on the row, which the caller saves, and alert the owners while mail comes here. Level-triggered."""
    if block is None and domain.mta_sts_block is None and not domain.mta_sts_check.loses_mail:
        return
    domain.mta_sts_block = block.as_json() if block else None
    facts = domain.receiving_facts(domain.name)
    alerts_services.observe(
        kind="domain.mta_sts",
        about=domain_subject(domain),
        firing=bool(facts.policy) and facts.mx in MX_POINTS_HERE and facts.is_wanted and not facts.is_elsewhere,
        why=block.sentence if block else "",
        severity="high",
        now=now,
    )
