"""Alerts that no other app raises: SES unreachable, open drift, email that can't be sent. Checked every few minutes."""

from contextlib import ExitStack
from datetime import datetime

from django.conf import settings

from audit.services import Subject
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy, AwsProblem
from notifications.alerts import core as alerts_core
from notifications.alerts import selectors as alerts_selectors
from notifications.alerts import services as alerts_services
from operations.drift.core import RULES_AREA as RULES
from operations.models import Difference

OPERATORS = alerts_core.Staff("receipt_rules.operate_rules")


def watch(*, now: datetime) -> None:
    """Never raises AwsProblem: a failed call is what the alert is about. If one raises, the others are still done."""
    with ExitStack() as all_of_them:
        all_of_them.callback(_drift, now)
        all_of_them.callback(_amazon, now)
        all_of_them.callback(_email, now)


def _amazon(now: datetime) -> None:
    try:
        aws.ask_account_id()
        why = ""
    except AwsBusy:
        why = ""  # SES answers: throttling is not silence
    except AwsProblem as problem:
        why = problem.in_full
    _observe("amazon.unreachable", "amazon", f"Amazon SES in {settings.AWS_REGION}", why, "high", now)


def _drift(now: datetime) -> None:
    """Open differences, without receipt rules, which have their own alert."""
    rows = Difference.objects.filter(region=settings.AWS_REGION, gone_at=None, decision="").exclude(area=RULES)
    open_ = rows.order_by("first_seen_at")
    number, first = open_.count(), open_.first()
    why = f"{number:,} open in identities and tenants. Oldest: {first.sentence}" if first else ""
    _observe("drift.found", "drift", f"Drift in {settings.AWS_REGION}", why, "medium", now)


def _email(now: datetime) -> None:
    why = alerts_selectors.failing_sentence(now=now)
    _observe("email.failing", "email", "Email notifications", why, "high", now)


def _observe(kind: str, what: str, name: str, why: str, severity: str, now: datetime) -> None:
    about = Subject(what, settings.AWS_REGION, name)
    alerts_services.observe(
        kind=kind, about=about, firing=bool(why), why=why, severity=severity, audience=OPERATORS, now=now
    )
