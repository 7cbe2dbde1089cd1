"""Asks recipients of forwarded mail to confirm, by an email with a signed link. Nothing is forwarded to them before.

Due emails are stored in the rows, so a lost job loses nothing. Each recipient gets few such emails, whoever causes them
(`UNSOLICITED_MAILS_PER_DAY`), and each customer can have few people asked per day.
"""

import re
from datetime import datetime, timedelta
from functools import partial
from smtplib import SMTPException

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, User
from audit import services as audit_services
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import RateLimited, Refused
from notifications.email import services as email_services
from receipt_rules.addresses.selectors import forwarding_subject
from receipt_rules.deliveries.services import function_arn
from receipt_rules.forwarding.selectors import FORWARDS_KEY, forwarding_rows, forwardings_of, recipients_of, token_of
from receipt_rules.jobs import queue_confirmation_emails
from receipt_rules.mail_path.selectors import looping
from receipt_rules.models.endpoints import Endpoint, Forwarding, ForwardingState
from receipt_rules.receiving_setup import gateway as receiving_setup_gateway

MOST_ASKED_A_DAY = 100  # recipients asked for one customer
MOST_TIMES = 3  # emails to one recipient
AGAIN_AFTER = timedelta(days=1)
LINK_DAYS = 14
KNOWN_SECONDS = 86_400  # how long the value read from the function is valid
log = structlog.get_logger(__name__)


def read_forwarding() -> None:
    """Read from Lambda whether our function forwards mail. Raises AwsProblem: the last known value is kept then.

    Unknown for a function that isn't ours: its settings may have other names.
    """
    arn = function_arn()
    variables = receiving_setup_gateway.get_function(arn).variables if arn else {}
    if "INBOUND_ADMIN_URL" not in variables:
        cache.delete(FORWARDS_KEY)
        return
    cache.set(FORWARDS_KEY, bool(variables.get("FORWARD_FROM")), timeout=KNOWN_SECONDS)


def refuse_loop(endpoint: Endpoint | None) -> None:
    """Raise Refused (FORWARDS_TO_ITSELF) if the mail of a forwarding endpoint comes back to it.

    Runs after the change, in its transaction.
    """
    if endpoint is not None and looping([endpoint]):
        raise Refused(
            f"{endpoint} would forward mail to an address whose mail goes to {endpoint} again, so nobody would get it. "
            "Forward it to another address, or give the address another endpoint.",
            code="FORWARDS_TO_ITSELF",
        )


def request_confirmations(*, endpoint: Endpoint, actor: User | None) -> None:
    """Ask recipients that haven't been asked yet. Runs in the transaction that stored the endpoint.

    Raises RateLimited, and Refused as `refuse_loop`.
    """
    refuse_loop(endpoint)
    waiting = {address.lower() for address in forwardings_of([endpoint]).waiting(endpoint)}
    waiting -= {row.address for row in forwarding_rows(endpoint)}
    if not waiting:
        return
    _check_daily_limit(endpoint.customer, len(waiting))
    for address in sorted(waiting):
        row, is_new = Forwarding.objects.get_or_create(
            customer=endpoint.customer, address=address, defaults={"due_at": timezone.now()}
        )
        if is_new:  # otherwise another endpoint asks them at this moment
            after = {"address": address}
            audit_services.record("forwarding.asked", about=forwarding_subject(row), actor=actor, after=after)
    queue_confirmation_emails()


def _check_daily_limit(customer: Customer, number: int) -> None:
    lately = Forwarding.objects.filter(customer=customer, created_at__gt=timezone.now() - timedelta(days=1))
    if lately.exclude(asked_times=0, due_at=None).count() + number > MOST_ASKED_A_DAY:
        sentence = f"You can ask up to {MOST_ASKED_A_DAY} people a day to confirm. Add the others tomorrow."
        raise RateLimited(sentence, retry_after=86_400)


def resend_confirmations(*, endpoint: Endpoint, actor: User | None) -> int:
    """Return how many recipients get the link again. Raises Refused if none may be asked now."""
    waiting = {address.lower() for address in forwardings_of([endpoint]).waiting(endpoint)}
    with transaction.atomic():
        request_confirmations(endpoint=endpoint, actor=actor)
        rows = Forwarding.objects.select_for_update().filter(
            customer=endpoint.customer_id,
            address__in=waiting,
            state=ForwardingState.WAITING,
            due_at=None,
            asked_times__lt=MOST_TIMES,
            asked_at__lt=timezone.now() - AGAIN_AFTER,
        )
        found = list(rows.order_by("pk"))
        for row in found:
            row.due_at = timezone.now()
            row.save(update_fields=("due_at",))
            audit_services.record("forwarding.asked", about=forwarding_subject(row), actor=actor, after={"again": True})
        if not found and not rows_due(endpoint):
            raise Refused(
                f"No link can be sent now. A recipient gets one email a day, {MOST_TIMES} in total, and none "
                "after declining.",
                code="FORWARDING_ASKED",
            )
        queue_confirmation_emails()
    return len(found)


def rows_due(endpoint: Endpoint) -> bool:
    return any(row.due_at for row in forwarding_rows(endpoint))


def confirm_imported(*, endpoint: Endpoint) -> None:
    """Mark recipients of an imported endpoint as confirmed: the legacy system forwarded to them. A refusal is kept."""
    for address in {address.lower() for address in recipients_of(endpoint)}:
        confirmed = {"state": ForwardingState.CONFIRMED, "due_at": None}
        row, _ = Forwarding.objects.get_or_create(customer=endpoint.customer, address=address, defaults=confirmed)
        if row.state == ForwardingState.WAITING:  # their own answer, at this moment too, is kept
            Forwarding.objects.filter(pk=row.pk, state=ForwardingState.WAITING).update(**confirmed)


def record_answer(*, row: Forwarding, confirms: bool, now: datetime) -> Forwarding:
    """Store the recipient's answer, which they may change.

    Raises Refused (LINK_EXPIRED) for confirming by an old link.
    """
    with transaction.atomic():
        locked = Forwarding.locked(row.pk, "customer")
        wanted = ForwardingState.CONFIRMED if confirms else ForwardingState.REFUSED
        if confirms and locked.state == ForwardingState.WAITING and is_expired(locked, now):
            raise Refused(
                "This link has expired. Ask the person who forwards the mail to send a new one.", code="LINK_EXPIRED"
            )
        if locked.state == wanted:
            return locked
        before = {"state": locked.get_state_display()}
        locked.state, locked.answered_at, locked.due_at = wanted, now, None
        locked.save(update_fields=("state", "answered_at", "due_at"))
        audit_services.record(
            f"forwarding.{wanted}",
            about=forwarding_subject(locked),
            actor=None,
            because="The recipient answered through the link in our email.",
            before=before,
            after={"state": locked.get_state_display()},
        )
    return locked


def is_expired(row: Forwarding, now: datetime) -> bool:
    return row.asked_at is None or now - row.asked_at > timedelta(days=LINK_DAYS)


def allow(*, row: Forwarding, because: str, actor: User) -> None:
    """Confirm for a recipient: staff know that they agree, and give the reason. Raises Refused."""
    if not because.strip():
        raise Refused("Enter how you know that the recipient agrees.", code="REASON_MISSING")
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can decide this.", code="NOT_ALLOWED")
    with transaction.atomic():
        locked = Forwarding.locked(row.pk)
        if locked.state == ForwardingState.REFUSED:
            raise Refused(f"{locked.address} declined. Only they can change that.", code="FORWARDING_REFUSED")
        locked.state, locked.due_at = ForwardingState.CONFIRMED, None
        locked.save(update_fields=("state", "due_at"))
        after = {"state": locked.get_state_display()}
        about = forwarding_subject(locked)
        audit_services.record("forwarding.allowed", about=about, actor=actor, because=because.strip(), after=after)


NOT_SENT = "We couldn't send the email. We'll retry in an hour."


def is_due(*, now: datetime) -> bool:
    return Forwarding.objects.filter(due_at__lte=now, state=ForwardingState.WAITING).exists()


def send_due(*, now: datetime) -> int:
    """Return how many emails were sent. One that can't be sent blocks no other."""
    due = Forwarding.objects.select_related("customer").filter(due_at__lte=now, state=ForwardingState.WAITING)
    sent: list[Forwarding] = []
    rows, act = due.order_by("due_at")[:200], partial(_send, now=now, sent=sent)
    isolation.each_alone("confirmation emails", rows, act, postpone=partial(_postpone, now=now))
    return len(sent)


def _postpone(row: Forwarding, *, now: datetime) -> None:
    waiting = Forwarding.objects.filter(pk=row.pk, state=ForwardingState.WAITING)
    waiting.update(problem=NOT_SENT, due_at=now + timedelta(hours=1))


def _send(row: Forwarding, *, now: datetime, sent: list[Forwarding]) -> None:
    problem, wait = _send_email(row)
    same = Forwarding.objects.filter(pk=row.pk, state=ForwardingState.WAITING)
    if problem:
        same.update(problem=problem, due_at=now + wait)
        return
    same.update(problem="", due_at=None, asked_at=now, asked_times=row.asked_times + 1)
    sent.append(row)


def _send_email(row: Forwarding) -> tuple[str, timedelta]:
    """Return why the email wasn't sent, and how long to wait before a retry; "" if it was sent."""
    if not settings.SITE_URL:
        return "We can't send email: SITE_URL isn't set, so the link wouldn't work.", timedelta(hours=1)
    link = settings.SITE_URL.rstrip("/") + reverse("receipt_rules:forwarding", args=(token_of(row),))
    context = {"who": safe_display_name(row.customer.name), "address": row.address, "link": link, "days": LINK_DAYS}
    text = render_to_string("receipt_rules/forwarding_mail.txt", {**context, "site_name": settings.SITE_NAME})
    title = f"Confirm mail forwarding from {settings.SITE_NAME}"
    try:
        sent = email_services.send_unsolicited(title=title, text=text, to=[row.address])
    except (SMTPException, OSError) as problem:
        log.error("confirmation not mailed", forwarding=row.pk, problem=str(problem))
        return NOT_SENT, timedelta(hours=1)
    return (
        ("", timedelta()) if sent else ("This recipient has reached today's limit. We'll retry tomorrow.", AGAIN_AFTER)
    )


def safe_display_name(name: str) -> str:
    """Customers choose their own name: remove what reads like a link or an address before it is in our email."""
    kept = re.sub(r"[^\w&' -]", " ", name)
    return " ".join(kept.split())[:60] or "A customer"
