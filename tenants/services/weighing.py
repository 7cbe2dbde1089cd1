"""What is known of a tenant, weighed: its place in the list, and whether somebody has to be told.

Called after each look at Amazon's statuses, at the findings and at the rates; nothing is asked of Amazon here.
"""

from datetime import datetime

from django.conf import settings

import alerts.services as alerts
from changes.services import Subject
from tenants.core.findings import HIGH, LOW
from tenants.core.rates import ACCOUNT_LIMITS, TENANT_LIMITS, Grade, Measure, grade, pauses_above
from tenants.core.standing import Status
from tenants.models import Tenant
from tenants.selectors.reputation import risk_now
from tenants.services.allowing import PAUSE
from tenants.services.queue import find_out_soon
from tenants.services.subjects import tenant_subject

STAFF = alerts.Staff(PAUSE)
KINDS = {Measure.BOUNCE: "tenant.bounces", Measure.COMPLAINT: "tenant.complaints"}


def weigh(tenant: Tenant, *, now: datetime) -> None:
    """Store its risk when it changed. The row is as it was just read or locked."""
    risk = risk_now(tenant).points
    if risk != tenant.risk:
        tenant.risk = risk
        tenant.save(update_fields=["risk", "updated_at"])
    warn_of_suspension(tenant, now=now)
    warn_of_findings(tenant, now=now)
    for measure, rate in ((Measure.BOUNCE, tenant.bounce_rate), (Measure.COMPLAINT, tenant.complaint_rate)):
        warn_of_rate(tenant, measure, rate, now=now)


def after_reading(tenant: Tenant, *, impact_before: str, now: datetime) -> None:
    """Amazon's statuses were read, `tenant` is saved: when the impact changed, what Amazon found is asked next."""
    weigh(tenant, now=now)
    if tenant.impact != impact_before and {tenant.impact, impact_before} & {HIGH, LOW}:
        find_out_soon(tenant)


def warn_of_suspension(tenant: Tenant, *, now: datetime) -> None:
    """While Amazon's side is not read, nothing is known: then this is no look."""
    if not tenant.amazon_status:
        return
    stopped = tenant.amazon_status == Status.DISABLED
    why = f"Amazon stopped the sending of {tenant.name}. {tenant.amazon_cause}".strip()
    _observe("tenant.suspended", tenant, firing=stopped, why=why, severity="high", now=now)


def warn_of_findings(tenant: Tenant, *, now: datetime) -> None:
    many = "" if tenant.open_high == 1 else "s"
    why = f"{tenant.open_high} finding{many} of high impact about {tenant.name} {'are' if many else 'is'} open."
    _observe("tenant.high_finding", tenant, firing=tenant.open_high > 0, why=why, severity="high", now=now)


def warn_of_rate(tenant: Tenant, measure: Measure, rate: float | None, *, now: datetime) -> None:
    """From the lower limit on, high where the policy would stop the sending. No data is no look."""
    grown = grade(rate, TENANT_LIMITS[measure])
    if rate is None or grown is Grade.UNKNOWN:
        return
    stops = pauses_above(tenant.ses_policy or tenant.policy, measure)
    high = grown is Grade.HIGH or (stops is not None and rate > stops)
    why = f"The {measure.value} rate of {tenant.name} is {rate:.2%}."
    severity = "high" if high else "medium"
    _observe(KINDS[measure], tenant, firing=grown is not Grade.HEALTHY, why=why, severity=severity, now=now)


def warn_of_account(bounce: float | None, complaint: float | None, *, now: datetime) -> None:
    """Of the whole account's rates: every customer stops when Amazon stops the account."""
    grades = {
        measure: grade(rate, ACCOUNT_LIMITS[measure])
        for measure, rate in ((Measure.BOUNCE, bounce), (Measure.COMPLAINT, complaint))
    }
    known = {measure: each for measure, each in grades.items() if each is not Grade.UNKNOWN}
    if not known:
        return
    bad = [measure.value for measure, each in known.items() if each is not Grade.HEALTHY]
    alerts.observe(
        kind="account.rates",
        about=Subject("account", settings.AWS_REGION, f"our account in {settings.AWS_REGION}"),
        firing=bool(bad),
        why=f"Too high over our whole account: the rate of {' and '.join(bad)}s." if bad else "",
        severity="high" if Grade.HIGH in known.values() else "medium",
        audience=STAFF,
        now=now,
    )


def _observe(kind: str, tenant: Tenant, *, firing: bool, why: str, severity: str, now: datetime) -> None:
    alerts.observe(
        kind=kind, about=tenant_subject(tenant), firing=firing, why=why, severity=severity, audience=STAFF, now=now
    )
