"""What Amazon has found about tenants: read, kept with its history, and weighed.

Of all tenants at once in pages of what is open; one tenant by itself when an event named it, or when what we hold open
is missing from the pages. Only its own list closes a finding: a page that lacks it is no proof.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from changes import services as changes
from inbound_admin.lib.errors import AwsProblem
from tenants.core.findings import HIGH, LOW, Found
from tenants.gateway import findings as gateway
from tenants.models import Finding, ReputationRead, Tenant
from tenants.selectors import reputation
from tenants.services.subjects import tenant_subject
from tenants.services.weighing import weigh

Page = Callable[[str], tuple[tuple[Found, ...], str]]


def find_out_all(*, now: datetime) -> int:
    """All tenants; how many had to be asked about one by one. Raises AwsProblem, which is stored as well."""
    try:
        listed = _all_pages(gateway.open_findings_page)
    except AwsProblem as problem:
        ReputationRead.objects.filter(region=settings.AWS_REGION).update(findings_problem=str(problem))
        raise
    by_arn: dict[str, list[Found]] = {}
    for each in listed:
        by_arn.setdefault(each.resource, []).append(each)
    quiet, doubtful = [], []
    for tenant in reputation.at_amazon():
        mine = by_arn.get(tenant.arn, [])
        if _is_doubtful(tenant, mine):
            doubtful.append(tenant)
        elif mine:
            _store(tenant, mine, now)
        else:
            quiet.append(tenant)
    _note_nothing_found(quiet, now)
    for tenant in doubtful:
        find_out(tenant_id=tenant.pk, now=now)
    return len(doubtful)


def find_out(*, tenant_id: str, now: datetime) -> None:
    """One tenant. Raises AwsProblem, which is stored as well."""
    tenant = reputation.at_amazon().filter(pk=tenant_id).first()
    if tenant is None:
        return
    arn = tenant.arn
    try:
        found = _all_pages(lambda token: gateway.findings_page_of(arn, token))
    except AwsProblem as problem:
        _note(tenant, findings_problem=str(problem))
        raise
    _store(tenant, found, now)


def _all_pages(page: Page) -> list[Found]:
    found: list[Found] = []
    token = ""
    while True:
        rows, token = page(token)
        found += rows
        if not token:
            return found


def _is_doubtful(tenant: Tenant, listed: Sequence[Found]) -> bool:
    """Whether we hold open what was not listed, or Amazon sees an impact of which it listed nothing."""
    if tenant.impact in (HIGH, LOW) and not listed:
        return True
    if not tenant.open_high + tenant.open_low:
        return False
    held = Finding.objects.filter(tenant=tenant, over_at=None).values_list("kind", "opened_at")
    return bool(set(held) - {(each.kind, each.opened_at) for each in listed})


@transaction.atomic
def _store(tenant: Tenant, found: Sequence[Found], now: datetime) -> None:
    """`found` is all that there is of the tenant: what we hold open and is not in it is over."""
    locked = Tenant.objects.select_for_update().filter(pk=tenant.pk).first()
    if locked is None:
        return
    held = {(row.kind, row.opened_at): row for row in Finding.objects.filter(tenant=locked)}
    for each in found:
        _store_one(locked, held.pop((each.kind, each.opened_at), None), each, now)
    for row in held.values():
        if row.over_at is None:
            _end(locked, row, now)
    _note(locked, findings_at=now, findings_problem="")
    _count(locked)
    weigh(locked, now=now)


def _store_one(tenant: Tenant, row: Finding | None, found: Found, now: datetime) -> None:
    if row is None:
        row = Finding(tenant=tenant, kind=found.kind, opened_at=found.opened_at, over_at=now)
    was_open, impact = row.over_at is None, row.impact
    row.impact, row.status, row.text, row.changed_at = found.impact, found.status, found.text, found.changed_at
    if was_open and not found.is_open:
        _end(tenant, row, now)
        return
    if found.is_open:
        row.over_at = None
    row.save()
    if found.is_open and (not was_open or impact != found.impact):
        before = {"impact": impact} if was_open else {}
        _record(tenant, "tenant.finding", row, before=before, after={"impact": found.impact})


def _end(tenant: Tenant, row: Finding, now: datetime) -> None:
    row.over_at = now
    row.save()
    _record(tenant, "tenant.finding_over", row, before={"impact": row.impact}, after={})


def _record(tenant: Tenant, what: str, row: Finding, *, before: dict[str, str], after: dict[str, str]) -> None:
    changes.record(
        what,
        about=tenant_subject(tenant),
        actor=changes.AMAZON,
        because=row.text if after else "",
        before={"finding": row.kind, **before} if before else {},
        after={"finding": row.kind, **after} if after else {},
        for_staff=True,
    )


def _count(tenant: Tenant) -> None:
    """An impact that we do not know counts as the lower one."""
    impacts = list(Finding.objects.filter(tenant=tenant, over_at=None).values_list("impact", flat=True))
    high = impacts.count(HIGH)
    if (high, len(impacts) - high) != (tenant.open_high, tenant.open_low):
        tenant.open_high, tenant.open_low = high, len(impacts) - high
        tenant.save(update_fields=["open_high", "open_low", "updated_at"])


def _note(tenant: Tenant, **told: object) -> None:
    ReputationRead.objects.update_or_create(tenant=tenant, region=settings.AWS_REGION, defaults=told)


def _note_nothing_found(tenants: Sequence[Tenant], now: datetime) -> None:
    """Of most tenants nothing is held and nothing was listed: one statement for them all."""
    rows = [ReputationRead(tenant=tenant, region=settings.AWS_REGION, findings_at=now) for tenant in tenants]
    ReputationRead.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["tenant"],
        update_fields=["findings_at", "findings_problem"],
        batch_size=2000,
    )
