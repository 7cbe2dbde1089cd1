"""Reads the SES status of identities, one by one or in batches, and stores it next to our settings.

A few domains take one call each, many take batches of a hundred. Our team is alerted of identities that were deleted
in SES, or have got new DKIM keys there.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit import services as audit_services
from audit.services import Subject
from domains.checking.core.judgement import SesStatus
from domains.domain_list import selectors as domain_list_selectors
from domains.domain_list.selectors import domain_subject
from domains.identity import gateway
from domains.identity.core import GONE, NO_DKIM, NO_MAIL_FROM, Identity
from domains.identity.services import list_ses_identities, record_verified
from domains.jobs import queue_checks
from domains.models.domains import Domain, Stage
from domains.sub_identities import services as sub_identities_services
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import AwsMissing, AwsProblem
from inbound_admin.lib.freshness import is_outdated
from notifications.alerts import core as alerts_core
from notifications.alerts import selectors as alerts_selectors
from notifications.alerts import services as alerts_services

# Up to this number, one call per domain costs no more than three batched ones, and returns more (why, and when).
A_FEW = 3
COLUMNS = (
    *("identity_status", "dkim_status", "mail_from_status", "ses_error_type", "ses_looked_at", "ses_soa"),
    *("ses_problem", "last_ses_check"),
)
AT_ONCE = 1000  # domains in memory
OPERATORS = alerts_core.Staff("receipt_rules.operate_rules")
NEW_KEYS = "domain.new_dkim"
NAMED = 3  # domains named in an alert
WATCH_SECONDS = 300  # the schedule of domains.notice
PAGES_EACH_TIME = 30  # of ListEmailIdentities: a tenth of the calls there are in that time
KEY_CALLS_EACH_TIME = 30  # of GetIdentityDkimAttributes: another tenth


def read_statuses(domains: Sequence[Domain], *, now: datetime, individually: Collection[str] = ()) -> None:
    """Store SES's status. If SES cannot be reached, stored values stay and the reason is stored with them, but that SES
    had no such identity stays known.

    `individually`: ids of domains to read one by one; only that returns the zone of their keys.
    """
    before = {domain.pk for domain in domains if domain.ses_problem == GONE}
    rest = sorted(domains, key=lambda domain: domain.pk not in individually)
    alone = len(rest) if len(rest) <= A_FEW else len(set(individually))
    try:
        while rest:
            at_once = 1 if alone > 0 else gateway.BATCH
            _read(rest[:at_once])
            del rest[:at_once]
            alone -= 1
    except AwsProblem as problem:
        for domain in rest:  # stop here: while SES does not answer, each call takes its full timeout
            domain.ses_problem = GONE if domain.is_gone else str(problem)
    _store_statuses(domains)
    record_verified(domains)
    if before != {domain.pk for domain in domains if domain.ses_problem == GONE}:
        update_staff_alert(now=now)


@transaction.atomic
def _store_statuses(domains: Sequence[Domain]) -> None:
    """A status applies only to the MAIL FROM domain and keys that were read. If they changed meanwhile, it is UNKNOWN.

    If a newer status has been stored, `domains` gets it instead.
    """
    rows = Domain.objects.select_for_update(of=("self",)).filter(pk__in=[domain.pk for domain in domains])
    stored = {row.pk: row for row in rows.order_by("pk").only(*COLUMNS, "ses_mail_from", "dkim_tokens")}
    for domain in domains:
        row = stored.get(domain.pk, domain)
        if _is_newer(row, domain):
            for name in COLUMNS:
                setattr(domain, name, getattr(row, name))
            continue
        if row.ses_mail_from != domain.ses_mail_from:
            domain.mail_from_status = SesStatus.UNKNOWN
        if row.dkim_tokens != domain.dkim_tokens:
            domain.dkim_status = SesStatus.UNKNOWN
    Domain.objects.bulk_update(domains, COLUMNS, batch_size=500)


def _is_newer(row: Domain, domain: Domain) -> bool:
    """A domain that was never read has nothing that could be newer than what is stored."""
    if domain.last_ses_check is None:
        return row.last_ses_check is not None
    return is_outdated(domain.last_ses_check, row.last_ses_check)


def read_all_statuses(*, now: datetime) -> int:
    """Read all statuses of every domain that is set up, in batches. Changed domains become due; return their number.

    Three calls per hundred domains, however many become due one by one in between.
    """
    ready = domain_list_selectors.domains_in_region().filter(stage=Stage.READY, held_at__isnull=True).order_by("pk")
    changed: list[str] = []
    for some in batched(ready.iterator(chunk_size=AT_ONCE), AT_ONCE):
        before = {domain.pk: domain.ses_statuses for domain in some}
        isolation.together("SES statuses", some, partial(read_statuses, now=now))
        changed += [domain.pk for domain in some if domain.ses_statuses != before[domain.pk]]
    return _make_due(changed, now)


def batched(domains: Iterable[Domain], size: int) -> Iterator[list[Domain]]:
    """itertools.batched, which Python has from 3.12 on."""
    waiting = iter(domains)
    while some := list(islice(waiting, size)):
        yield some


def detect_changes(*, now: datetime) -> int:
    """Compare all statuses, in pages of a thousand. Read those that changed, make them due, and return their number.

    The list also shows the identities below customers' domains.

    Raises AwsProblem without any change.
    """
    seen = list_ses_identities()
    sub_identities_services.store(seen)
    known = (
        domain_list_selectors.domains_in_region().filter(stage=Stage.READY).values_list("pk", "name", "identity_status")
    )
    changed = [pk for pk, name, status in known if seen.get(name, SesStatus.NOT_STARTED) != status]
    return _read_now(changed, now)


def is_watch_due(timestamp: int) -> bool:
    """Return whether this time of domains.notice compares all identities: less often in a region with many."""
    pages = -(-domain_list_selectors.domains_in_region().count() // gateway.PAGE)
    return timestamp // WATCH_SECONDS % max(1, -(-pages // PAGES_EACH_TIME)) == 0


def detect_new_keys(timestamp: int, *, now: datetime) -> int:
    """Compare the DKIM keys of the next 3,000 domains, since the list of identities has none. Raises AwsProblem."""
    ready = domain_list_selectors.domains_in_region().filter(stage=Stage.READY, held_at__isnull=True).order_by("pk")
    at_once = KEY_CALLS_EACH_TIME * gateway.BATCH
    turns = max(1, -(-ready.count() // at_once))
    first = timestamp // WATCH_SECONDS % turns * at_once
    names = list(ready.values_list("name", flat=True)[first : first + at_once])
    some = [names[start : start + gateway.BATCH] for start in range(0, len(names), gateway.BATCH)]
    return read_new_keys({name: dkim.tokens for each in some for name, dkim in gateway.get_dkim(each).items()}, now=now)


def read_new_keys(tokens: Mapping[str, Collection[str]], *, now: datetime) -> int:
    """Read the domains whose DKIM keys in SES are not ours. Return their number."""
    known = domain_list_selectors.domains_in_region().filter(stage=Stage.READY, name__in=tokens)
    rows = known.exclude(dkim_tokens=[]).values_list("pk", "name", "dkim_tokens")
    return _read_now([pk for pk, name, ours in rows if tokens[name] and sorted(tokens[name]) != sorted(ours)], now)


def _read_now(pks: Sequence[str], now: datetime) -> int:
    """The list alone proves nothing: each domain is read."""
    free = Domain.objects.filter(pk__in=pks, held_at__isnull=True).order_by("pk")
    for some in batched(free.iterator(chunk_size=AT_ONCE), AT_ONCE):
        read_statuses(some, now=now)
    return _make_due(pks, now)


def _make_due(pks: Sequence[str], now: datetime) -> int:
    """Make the domains due and return their number. Their states follow the new SES status at the next check: now."""
    number = Domain.objects.filter(pk__in=pks, next_check_at__gt=now).update(next_check_at=now)
    if number:
        queue_checks()
    return number


def update_staff_alert(*, now: datetime) -> None:
    """Update the one alert for identities that were deleted in SES, or got new DKIM keys there."""
    ours = domain_list_selectors.domains_in_region().filter(stage=Stage.READY).order_by("name")
    gone = list(ours.filter(ses_problem=GONE, verified_at__isnull=False).values_list("name", flat=True))
    new_keys = list(ours.filter(pk__in=alerts_selectors.open_objects(NEW_KEYS)).values_list("name", flat=True))
    lost = f"SES no longer has {_named(gone)}: it rejects all mail sent from or to them. " if gone else ""
    keys = f"SES has new DKIM keys for {_named(new_keys)}. Their owners have to publish them." if new_keys else ""
    alerts_services.observe(
        kind="identities.changed",
        about=Subject("drift", settings.AWS_REGION, f"Identities in {settings.AWS_REGION}"),
        firing=bool(gone or new_keys),
        why=f"{lost}{keys}".strip(),
        severity="high",
        audience=OPERATORS,
        harmed=len(gone) + len(new_keys),
        now=now,
    )


def _named(names: Sequence[str]) -> str:
    number = f"{len(names):,} verified domain{'' if len(names) == 1 else 's'}"
    return f"{number} ({', '.join(names[:NAMED])}{', …' if len(names) > NAMED else ''})"


def _read(domains: Sequence[Domain]) -> None:
    asked_at = timezone.now()  # not when the job began: reads wait for our one call a second
    if len(domains) == 1:
        _read_one(domains[0])
    else:
        _read_batch(domains)
    for domain in domains:
        domain.last_ses_check = asked_at


def _read_one(domain: Domain) -> None:
    try:
        identity = gateway.get_identity(domain.name)
    except AwsMissing:
        _mark_gone(domain)
        return
    domain.identity_status = identity.identity_status
    _store_keys(domain, identity)
    _read_statuses(domain, identity.dkim_tokens, identity.dkim_status, identity.mail_from, identity.mail_from_status)
    domain.ses_error_type = identity.error_type
    domain.ses_looked_at = identity.looked_at
    domain.ses_soa = identity.soa[:280]
    domain.ses_problem = ""


def _read_batch(domains: Sequence[Domain]) -> None:
    names = [domain.name for domain in domains]
    identities, dkim, mail_from = gateway.get_verification(names), gateway.get_dkim(names), gateway.get_mail_from(names)
    for domain in domains:
        if domain.name not in identities:
            _mark_gone(domain)
            continue
        domain.identity_status = identities[domain.name][0]
        if domain.dkim_tokens and sorted(dkim.get(domain.name, NO_DKIM).tokens) != sorted(domain.dkim_tokens):
            _read_one(domain)  # new keys: only single reads return their zone and origin
            continue
        keys, bounces = dkim.get(domain.name, NO_DKIM), mail_from.get(domain.name, NO_MAIL_FROM)
        _read_statuses(domain, keys.tokens, keys.status, bounces.name, bounces.status)
        if domain.identity_status == SesStatus.SUCCESS:
            domain.ses_error_type = ""  # batched calls do not return it, and an old one would be wrong
        domain.ses_problem = ""


@transaction.atomic
def _store_keys(domain: Domain, identity: Identity) -> None:
    """Store SES's keys, their zone and origin. A parent's new keys are its replicas' too."""
    fields = {
        "dkim_tokens": list(identity.dkim_tokens),
        "dkim_zone": identity.dkim_zone or domain.dkim_zone,
        "dkim_origin": identity.dkim_origin,
        "own_dkim_key": identity.own_dkim_key,
    }
    before = {name: getattr(domain, name) for name in fields}
    if before == fields or not identity.dkim_tokens:
        return
    mine = Domain.objects.filter(pk=domain.pk, dkim_tokens=domain.dkim_tokens, new_dkim_wanted=False, stage=Stage.READY)
    if not mine.update(**fields):
        return
    for name, value in fields.items():
        setattr(domain, name, value)
    if domain.former_dkim_key and (not domain.own_dkim_key or before["dkim_tokens"] != fields["dkim_tokens"]):
        domain.former_dkim_key = False
        Domain.objects.filter(pk=domain.pk).update(former_dkim_key=False)
        about = domain_subject(domain)
        alerts_services.observe(kind="domain.former_key", about=about, firing=False, why="", severity="high")
    if before["dkim_tokens"] not in ([], fields["dkim_tokens"]):
        domain.record_checks.filter(key__startswith="dkim-").delete()
        audit_services.record(
            "domain.new_dkim",
            about=domain_subject(domain),
            actor=audit_services.AMAZON,
            before={"dkim_tokens": before["dkim_tokens"]},
            after={"dkim_tokens": domain.dkim_tokens},
        )
        _announce_new_keys(domain)


def _announce_new_keys(domain: Domain) -> None:
    """A key of the customer's own has no record of ours to publish."""
    alerts_services.observe(
        kind=NEW_KEYS,
        about=domain_subject(domain),
        firing=not domain.own_dkim_key,
        why=f"SES has new DKIM keys for {domain}, although nobody requested them here. Publish the DKIM records that "
        "its page shows. Our team has been notified.",
        severity="high",
        audience=alerts_core.CustomerPeople(domain.customer_id),
    )
    update_staff_alert(now=timezone.now())


def _read_statuses(
    domain: Domain, tokens: Sequence[str], dkim: SesStatus, mail_from: str, mail_from_status: SesStatus
) -> None:
    """A status for other keys than ours, or for a MAIL FROM domain that is being changed, is UNKNOWN."""
    same_keys = not domain.dkim_tokens or sorted(tokens) == sorted(domain.dkim_tokens)
    domain.dkim_status = dkim if same_keys else SesStatus.UNKNOWN
    other = SesStatus.UNKNOWN if domain.has_unsent_settings else SesStatus.NOT_STARTED
    domain.mail_from_status = mail_from_status if mail_from == domain.ses_mail_from else other


def _mark_gone(domain: Domain) -> None:
    domain.identity_status = domain.dkim_status = domain.mail_from_status = SesStatus.NOT_STARTED
    domain.ses_problem = GONE
