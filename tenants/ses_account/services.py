"""Reads the state of our SES account, which is above all tenants, and warns staff while AWS stops or reviews it."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit.services import Subject
from inbound_admin.lib.errors import AwsProblem
from inbound_admin.lib.freshness import is_outdated
from notifications.alerts import core as alerts_core
from notifications.alerts import services as alerts_services
from tenants.lifecycle import gateway as lifecycle_gateway
from tenants.models.tenants import SesAccount
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
