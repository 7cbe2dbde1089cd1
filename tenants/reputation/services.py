"""Syncs SES's recommendations, scores each tenant's risk, and raises alerts from statuses, recommendations and rates.

The sync reads the open recommendations of all tenants in pages. It asks for one tenant alone when an event named it, or
when a recommendation that we hold open is missing from the pages. Only the tenant's own list closes a recommendation:
its absence from a page is no proof. The risk score makes no AWS call.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.conf import settings
from django.db import transaction

from audit import services as audit_services
from audit.services import Subject
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import AwsMissing, AwsProblem
from notifications.alerts import core as alerts_core
from notifications.alerts import services as alerts_services
from tenants.jobs import queue_recommendations_sync
from tenants.lifecycle.gateway import all_pages, get_tenant
from tenants.lifecycle.selectors import tenant_subject
from tenants.metrics.core import ACCOUNT_LIMITS, TENANT_LIMITS, Grade, Measure, grade, pauses_above
from tenants.models.reputation import Finding, ReputationRead
from tenants.models.tenants import SendingStatus, Tenant, TenantStatus
from tenants.reputation import gateway, selectors
from tenants.reputation.core import HIGH, LOW, FoundRecommendation
from tenants.reputation.selectors import risk_now

STAFF = alerts_core.Staff("tenants.pause_tenant")
UNMEASURED = "tenant.unmeasured"
KINDS = {Measure.BOUNCE: "tenant.bounces", Measure.COMPLAINT: "tenant.complaints"}


def score_risk(tenant: Tenant, *, now: datetime) -> None:
    """Store the tenant's risk if it changed. The row must be just read or locked."""
    risk = risk_now(tenant).points
    if risk != tenant.risk:
        tenant.risk = risk
        tenant.save(update_fields=["risk", "updated_at"])
    warn_of_suspension(tenant, now=now)
    warn_of_findings(tenant, now=now)
    for measure, rate in ((Measure.BOUNCE, tenant.bounce_rate), (Measure.COMPLAINT, tenant.complaint_rate)):
        warn_of_rate(tenant, measure, rate, now=now)


def is_calm(tenant: Tenant) -> bool:
    """Return whether `score_risk` would store nothing and warn of nothing, unless a warning is open."""
    rates = ((Measure.BOUNCE, tenant.bounce_rate), (Measure.COMPLAINT, tenant.complaint_rate))
    grades = {grade(rate, TENANT_LIMITS[measure]) for measure, rate in rates if rate is not None}
    stopped = tenant.amazon_status == SendingStatus.DISABLED or tenant.open_high > 0
    return not stopped and grades <= {Grade.HEALTHY, Grade.UNKNOWN} and risk_now(tenant).points == tenant.risk


def sync_if_impact_changed(tenant: Tenant, *, impact_before: str, now: datetime) -> None:
    """Call after a status read, with `tenant` saved. If the impact changed, recommendations are read next."""
    score_risk(tenant, now=now)
    if tenant.impact != impact_before and {tenant.impact, impact_before} & {HIGH, LOW}:
        queue_recommendations_sync(tenant)


def warn_of_suspension(tenant: Tenant, *, now: datetime) -> None:
    """Observe the suspension. While AWS's status is unread, nothing is known, so no observation is made."""
    if not tenant.amazon_status:
        return
    stopped = tenant.amazon_status == SendingStatus.DISABLED or tenant.stopped_as == TenantStatus.SUSPENDED
    why = f"AWS suspended sending for {tenant.name}. {tenant.amazon_cause}".strip()
    _observe("tenant.suspended", tenant, firing=stopped, why=why, severity="high", now=now)


def warn_of_findings(tenant: Tenant, *, now: datetime) -> None:
    many = "" if tenant.open_high == 1 else "s"
    why = f"{tenant.open_high} finding{many} of high impact about {tenant.name} {'are' if many else 'is'} open."
    _observe("tenant.high_finding", tenant, firing=tenant.open_high > 0, why=why, severity="high", now=now)


def warn_of_rate(tenant: Tenant, measure: Measure, rate: float | None, *, now: datetime) -> None:
    """Warn above the lower limit; severity is high where the policy would pause. No data means no observation."""
    grown = grade(rate, TENANT_LIMITS[measure])
    if rate is None or grown is Grade.UNKNOWN:
        return
    stops = pauses_above(tenant.ses_policy or tenant.policy, measure)
    high = grown is Grade.HIGH or (stops is not None and rate > stops)
    why = f"{tenant.name} has a {measure.value} rate of {rate:.2%}."
    severity = "high" if high else "medium"
    _observe(KINDS[measure], tenant, firing=grown is not Grade.HEALTHY, why=why, severity=severity, now=now)


def warn_of_unmeasured(tenant: Tenant, because: str, *, now: datetime) -> None:
    """Warn that mail was sent without a known rate: nobody would see how much of it bounces."""
    why = f"{tenant.name} sent mail, but CloudWatch has no rates for it. {because}" if because else ""
    _observe(UNMEASURED, tenant, firing=bool(because), why=why, severity="medium", now=now)


def warn_of_account(bounce: float | None, complaint: float | None, *, now: datetime) -> None:
    """Observe the account's rates: if AWS pauses the account, every customer stops."""
    grades = {
        measure: grade(rate, ACCOUNT_LIMITS[measure])
        for measure, rate in ((Measure.BOUNCE, bounce), (Measure.COMPLAINT, complaint))
    }
    known = {measure: each for measure, each in grades.items() if each is not Grade.UNKNOWN}
    if not known:
        return
    bad = [measure.value for measure, each in known.items() if each is not Grade.HEALTHY]
    alerts_services.observe(
        kind="account.rates",
        about=Subject("account", settings.AWS_REGION, f"AWS account in {settings.AWS_REGION}"),
        firing=bool(bad),
        why=f"The account’s {' and '.join(bad)} rate is too high." if bad else "",
        severity="high" if Grade.HIGH in known.values() else "medium",
        audience=STAFF,
        now=now,
    )


def _observe(kind: str, tenant: Tenant, *, firing: bool, why: str, severity: str, now: datetime) -> None:
    alerts_services.observe(
        kind=kind, about=tenant_subject(tenant), firing=firing, why=why, severity=severity, audience=STAFF, now=now
    )


def sync_all_recommendations(*, now: datetime) -> int:
    """Sync all tenants. Returns how many had to be read one by one. Raises AwsProblem, which is also stored."""
    try:
        listed = all_pages(gateway.open_findings_page)
    except AwsProblem as problem:
        ReputationRead.objects.filter(region=settings.AWS_REGION).update(findings_problem=str(problem))
        raise
    by_arn: dict[str, list[FoundRecommendation]] = {}
    for each in listed:
        by_arn.setdefault(each.resource, []).append(each)
    quiet, doubtful = [], []
    for tenant in selectors.existing_in_ses().select_related("reputation_read"):
        mine = by_arn.get(tenant.arn, [])
        if _needs_own_read(tenant, mine):
            doubtful.append(tenant)
        elif mine:
            isolation.each_alone("recommendations", [(tenant, mine)], lambda each: _store(*each, now))
        else:
            quiet.append(tenant)
    _record_nothing_found(quiet, now)

    def sync(tenant: Tenant) -> None:
        sync_recommendations(tenant_id=tenant.pk, now=now)

    longest_unread = sorted(doubtful, key=_last_asked)
    isolation.past_refusals(longest_unread, lambda tenant: isolation.each_alone("recommendations", (tenant,), sync))
    return len(doubtful)


def _last_asked(tenant: Tenant) -> datetime:
    """Return when it was last read. The longest unread comes first, so the next hour continues an interrupted one."""
    read = getattr(tenant, "reputation_read", None)
    return (read and read.findings_at) or datetime.min.replace(tzinfo=UTC)


def sync_recommendations(*, tenant_id: str, now: datetime) -> None:
    """Sync one tenant. Raises AwsProblem, which is also stored."""
    tenant = selectors.existing_in_ses().filter(pk=tenant_id).first()
    if tenant is None:
        return
    try:
        found = all_pages(gateway.findings_page_of, tenant.arn)
        if _misses_some(tenant, found) and not _is_in_ses(tenant):
            return
    except AwsProblem as problem:
        _record_read(tenant, findings_problem=str(problem))
        raise
    _store(tenant, found, now)


def _misses_some(tenant: Tenant, found: Sequence[FoundRecommendation]) -> bool:
    """Return whether a finding that is open here isn't listed any more."""
    held = Finding.objects.filter(tenant=tenant, over_at=None).values_list("kind", "opened_at")
    return bool(set(held) - {(each.kind, each.opened_at) for each in found})


def _is_in_ses(tenant: Tenant) -> bool:
    """Return whether SES still has this tenant. A deleted one lists no findings, which resolves none."""
    try:
        return get_tenant(tenant.name).arn == tenant.arn
    except AwsMissing:
        return False


def _needs_own_read(tenant: Tenant, listed: Sequence[FoundRecommendation]) -> bool:
    """Return whether a stored open finding was not listed, or SES reports an impact without a listed finding."""
    if tenant.impact in (HIGH, LOW) and not listed:
        return True
    if not tenant.open_high + tenant.open_low:
        return False
    return _misses_some(tenant, listed)


@transaction.atomic
def _store(tenant: Tenant, found: Sequence[FoundRecommendation], now: datetime) -> None:
    """Store the tenant's complete list `found`: stored open findings that are missing from it are resolved.

    Not while it is paused because SES had stopped the tenant of this name that was deleted: they are the reason.
    """
    locked = Tenant.objects.select_for_update().filter(pk=tenant.pk).first()
    if locked is None:
        return
    held = {(row.kind, row.opened_at): row for row in Finding.objects.filter(tenant=locked)}
    for each in found:
        _store_one(locked, held.pop((each.kind, each.opened_at), None), each, now)
    for row in held.values():
        if row.over_at is None and not locked.stopped_as:
            _resolve(locked, row, now)
    _record_read(locked, findings_at=now, findings_problem="")
    _count(locked)
    score_risk(locked, now=now)


def _store_one(tenant: Tenant, row: Finding | None, found: FoundRecommendation, now: datetime) -> None:
    if row is None:
        row = Finding(tenant=tenant, kind=found.kind, opened_at=found.opened_at, over_at=now)
    was_open, impact = row.over_at is None, row.impact
    row.impact, row.status, row.text, row.changed_at = found.impact, found.status, found.text, found.changed_at
    if was_open and not found.is_open:
        _resolve(tenant, row, now)
        return
    if found.is_open:
        row.over_at, row.opened_at = None, row.opened_at if was_open else found.opened_at
    row.save()
    if found.is_open and (not was_open or impact != found.impact):
        before = {"impact": impact} if was_open else {}
        moved = "tenant.finding_lowered" if impact == HIGH else "tenant.finding_raised"
        _record(tenant, moved if was_open else "tenant.finding", row, before=before, after={"impact": found.impact})


def _resolve(tenant: Tenant, row: Finding, now: datetime) -> None:
    row.over_at = now
    row.save()
    _record(tenant, "tenant.finding_over", row, before={"impact": row.impact}, after={})


def _record(tenant: Tenant, what: str, row: Finding, *, before: dict[str, str], after: dict[str, str]) -> None:
    audit_services.record(
        what,
        about=tenant_subject(tenant),
        actor=audit_services.AMAZON,
        because=row.text if after else "",
        before={"finding": row.kind, **before} if before else {},
        after={"finding": row.kind, **after} if after else {},
        for_staff=True,
    )


def _count(tenant: Tenant) -> None:
    """Count open findings by impact. An unknown impact counts as low."""
    impacts = list(Finding.objects.filter(tenant=tenant, over_at=None).values_list("impact", flat=True))
    high = impacts.count(HIGH)
    if (high, len(impacts) - high) != (tenant.open_high, tenant.open_low):
        tenant.open_high, tenant.open_low = high, len(impacts) - high
        tenant.save(update_fields=["open_high", "open_low", "updated_at"])


def _record_read(tenant: Tenant, **fields: object) -> None:
    ReputationRead.objects.update_or_create(tenant=tenant, region=settings.AWS_REGION, defaults=fields)


def _record_nothing_found(tenants: Sequence[Tenant], now: datetime) -> None:
    """Record the read of tenants without stored or listed findings, which most are: one statement for all."""
    rows = [ReputationRead(tenant=tenant, region=settings.AWS_REGION, findings_at=now) for tenant in tenants]
    ReputationRead.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["tenant"],
        update_fields=["findings_at", "findings_problem"],
        batch_size=2000,
    )
