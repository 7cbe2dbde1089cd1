"""Reads the sending status of every tenant, a page of a hundred at a time.

Each page and its cursor are stored before the next request. After an error, the next pass continues from the cursor. An
unchanged tenant costs no query of its own.

SES lists no tenant that never sent. Such a tenant is read individually, in a few calls, once a day. One that was listed
before is read at once, since it may have been deleted.

The state of our SES account, which is above all tenants, is read first; staff are warned while AWS stops or reviews it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from audit.services import Subject
from inbound_admin.lib import aws, isolation
from inbound_admin.lib.errors import AwsBusy, AwsProblem, AwsUnreachable
from inbound_admin.lib.freshness import is_outdated
from notifications.alerts import core as alerts_core
from notifications.alerts import services as alerts_services
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.lifecycle.core import Entity
from tenants.lifecycle.selectors import tenants_in_region
from tenants.models.tenants import SesAccount, Tenant, TenantStage
from tenants.status import services as status_services
from tenants.status.core import ACCOUNT_STOPPED, OF_ACCOUNT, PROBATION, SHUTDOWN

OLD_AFTER = timedelta(minutes=1)
STAFF = alerts_core.Staff("tenants.view_tenant")  # every role: customers ask support why nothing is sent


def read_account() -> SesAccount:
    """Read and store the account's state. If it can't be read, the reason is stored and the known state is kept."""
    asked_at, found, problem = timezone.now(), None, ""
    try:
        found = lifecycle_gateway.get_account()
    except AwsProblem as error:
        problem = str(error)
    with transaction.atomic():
        account, _ = SesAccount.objects.select_for_update().get_or_create(region=settings.AWS_REGION)
        if is_outdated(asked_at, account.read_at):
            return account
        account.problem = problem
        if found is not None:
            if (account.enforcement, account.sends) != (found.enforcement, found.sends):
                account.since = asked_at
            account.enforcement, account.sends = found.enforcement, found.sends
            account.in_production, account.read_at = found.in_production, asked_at
            account.most_in_24_hours, account.sent_in_24_hours = found.most_in_24_hours, found.sent_in_24_hours
        account.save()
        if found is not None:
            _warn(account, asked_at)
        return account


def read_account_if_old() -> None:
    """Read it when a person asks for a read, but not for each of many tenants. A failure is stored, not raised."""
    read_at = SesAccount.objects.filter(region=settings.AWS_REGION).values_list("read_at", flat=True).first()
    if read_at is None or read_at < timezone.now() - OLD_AFTER:
        read_account()


def _warn(account: SesAccount, now: datetime) -> None:
    """Warn of a stop, or of a review. A stop after a review is worse, so people are told again."""
    if account.sends is None and not account.enforcement:
        return  # SES said nothing
    said = account.enforcement if account.enforcement == SHUTDOWN else "that sending is disabled"
    stopped, reviewed = account.is_stopped, account.enforcement == PROBATION
    alerts_services.observe(
        kind="account.reputation",
        about=Subject("account", account.region, f"AWS account in {account.region}"),
        firing=stopped or reviewed,
        why=f"{ACCOUNT_STOPPED} SES reports {said}." if stopped else OF_ACCOUNT[PROBATION] if reviewed else "",
        severity="high" if stopped else "medium",
        audience=STAFF,
        harmed=int(stopped),
        now=now,
    )


QUIET_READ_AFTER = timedelta(days=1)
MOST_UNLISTED = 60  # in one pass, so it ends within its ten minutes at one call a second


def read_all(*, now: datetime) -> int:
    """Read the account and the tenants. Returns the number. Raises AwsProblem; earlier pages are stored."""
    account = read_account()
    began = account.pass_began_at if account.pass_place and account.pass_began_at else timezone.now()
    listed = _read_listed_or_say(account, began)
    return listed + _read_unlisted(began, now)


def store_listed(entities: Iterable[Entity], *, asked_at: datetime, request_ids: Sequence[str] = ()) -> int:
    """Store what SES answered at `asked_at` about these tenants. Returns how many of them are ours."""
    by_arn = {entity.arn: entity for entity in entities}
    with transaction.atomic():
        rows = list(_ready().filter(arn__in=by_arn).order_by("pk").select_for_update(of=("self",)))
        same = {tenant.pk for tenant in rows if _is_same(tenant, by_arn[tenant.arn], asked_at)}
        not_newer = Q(read_at__lt=asked_at) & (Q(status_told_at=None) | Q(status_told_at__lte=asked_at))
        Tenant.objects.filter(not_newer, pk__in=same).update(read_at=asked_at)
    changed = [tenant for tenant in rows if tenant.pk not in same]
    isolation.each_alone(
        "tenant statuses",
        changed,
        lambda tenant: status_services.store(tenant, by_arn[tenant.arn], asked_at=asked_at, request_ids=request_ids),
    )
    return len(rows)


def _ready() -> QuerySet[Tenant]:
    return tenants_in_region().filter(stage=TenantStage.READY)


def _is_same(tenant: Tenant, entity: Entity, asked_at: datetime) -> bool:
    """Return whether a store would change nothing but the time of the read."""
    comes_into_use = tenant.is_stopped and status_services.is_first_in_use(tenant, asked_at)
    if tenant.read_at is None or tenant.read_problem or tenant.is_under_way or comes_into_use:
        return False
    if tenant.standing != status_services.status_of(tenant):  # an earlier version derived another
        return False
    staff = (tenant.staff_status, tenant.staff_cause, tenant.staff_since)
    amazon = (tenant.amazon_status, tenant.amazon_cause, tenant.amazon_since)
    return (tenant.ses_policy, tenant.aggregate, tenant.impact, staff, amazon) == (
        entity.policy,
        entity.aggregate,
        entity.impact,
        entity.staff,
        entity.amazon,
    )


def _read_listed_or_say(account: SesAccount, began: datetime) -> int:
    """Store a failure, too: until the next pass that succeeds, staff see that all statuses may be out of date."""
    row = SesAccount.objects.filter(pk=account.pk)
    try:
        number = _read_listed(account, began)
    except AwsProblem as problem:
        row.update(pass_problem=str(problem), pass_failing_since=Coalesce("pass_failing_since", timezone.now()))
        raise
    row.exclude(pass_problem="").update(pass_problem="", pass_failing_since=None)
    return number


def _read_listed(account: SesAccount, began: datetime) -> int:
    """Read pages from the cursor of the last pass, if it stopped early."""
    place, number = account.pass_place, 0
    while True:
        asked_at = timezone.now()
        try:
            with aws.recording() as request_ids:
                entities, following = lifecycle_gateway.list_entities(place)
        except AwsProblem as problem:
            if place == account.pass_place and not isinstance(problem, AwsBusy | AwsUnreachable):
                _store_cursor(account, "", began)  # SES no longer knows the cursor: start at the first page
            raise
        number += store_listed(entities, asked_at=asked_at, request_ids=request_ids)
        _store_cursor(account, following, began)
        if not following:
            return number
        place = following


def _store_cursor(account: SesAccount, place: str, began: datetime) -> None:
    SesAccount.objects.filter(pk=account.pk).update(pass_place=place, pass_began_at=began)


def _read_unlisted(began: datetime, now: datetime) -> int:
    """Read tenants one by one. A failure skips only that tenant, unless SES answers nobody."""
    due = _due_unlisted(began, now)
    isolation.past_refusals(
        due, lambda key: isolation.each_alone("tenant reads", (key,), _read_tenant, postpone=_postpone)
    )
    return len(due)


def _read_tenant(key: str) -> None:
    status_services.read_tenant(tenant_id=key)


def _postpone(key: str) -> None:
    """Tenants with a problem are read last."""
    status_services.store_failed_read(Tenant.objects.filter(pk=key), "The status could not be stored.")


def _due_unlisted(began: datetime, now: datetime) -> list[str]:
    """Return keys of due tenants that this pass did not list: the longest unread first, failed ones last."""
    unlisted = _ready().filter(Q(read_at=None) | Q(read_at__lt=began))
    was_listed = ~Q(staff_status="") | ~Q(amazon_status="")
    due = Q(read_at=None) | Q(read_at__lt=now - QUIET_READ_AFTER) | ~Q(read_problem="") | was_listed
    fine = ExpressionWrapper(Q(read_problem=""), output_field=BooleanField())
    found = unlisted.filter(due).order_by(fine.desc(), F("read_at").asc(nulls_first=True), "pk")
    return list(found.values_list("pk", flat=True)[:MOST_UNLISTED])
