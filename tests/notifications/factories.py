"""Alerts and webhooks for tests, and a real server on the loopback address that receives them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core import mail

from accounts.models.people import Customer, User
from audit.services import Subject
from inbound_admin.lib.sealed import seal
from notifications.alerts.core import CustomerPeople, Staff
from notifications.alerts.services import observe
from notifications.email.services import send_due, set_preference
from notifications.events.services import emit
from notifications.models.alerts import Alert
from notifications.models.webhooks import Delivery, WebhookTarget
from notifications.webhooks.core import Format
from notifications.webhooks.services import add_target, new_secret

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
VERIFIED = "domain.verified"
DRIFT = Staff("receipt_rules.operate_rules")


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """A server that answers `status` with `answer`, and stores what it received."""

    port: int = 0
    status: int = 200
    answer: str = "thanks"
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            receiver.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the caller may have closed the connection
                self.wfile.write(receiver.answer.encode())

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make_target(url: str = "https://example.com/hooks", **fields: Any) -> WebhookTarget:
    """Create a webhook, of staff unless a customer or person is named."""
    given = {"name": "Ours", "form": Format.STANDARD, "secret": seal(new_secret())}
    return WebhookTarget.objects.create(sealed_url=seal(url), **(given | fields))


def make_delivery(customer_id: str) -> Delivery:
    """Create a delivery of a customer's event to the customer's own webhook, without attempts."""
    target = make_target(customer_id=customer_id)
    emit(event="domain.verified", about=domain_subject(customer_id), data={"why": "All is in place."})
    return Delivery.objects.get(target=target)


def domain_subject(customer_id: str, name: str = "shop.example") -> Subject:
    return Subject("domain", f"dom_{name.partition('.')[0]}", name, customer_id)


def observe_condition(*, firing: bool = True, at: datetime = NOON, kind: str = "rule.drift", **given: Any) -> str:
    """Report a condition about which staff are alerted at the first report."""
    about = given.pop("about", Subject("rule_set", "inbound-mail", "inbound-mail"))
    rest: dict[str, Any] = {"why": "The rule a is gone.", "severity": "high", "audience": DRIFT}
    return observe(kind=kind, about=about, firing=firing, now=at, **(rest | given))


def raise_alert(customer_id: str, *, at: datetime = NOON, name: str = "shop.example") -> Alert:
    """Raise a webhook's alert for a customer's people, at the first report."""
    about = domain_subject(customer_id, name)
    observe_condition(kind="webhook.off", about=about, audience=CustomerPeople(customer_id), why="It fails.", at=at)
    return Alert.objects.get(object_id=about.id, state="open")


def emit_event(customer_id: str = "", event: str = VERIFIED, **more: Any) -> None:
    emit(event=event, about=domain_subject(customer_id), data={"why": "All is in place."}, **more)


def add_webhook(actor: User, customer: Customer, url: str = "https://example.com/hooks", **more: Any) -> WebhookTarget:
    given: dict[str, Any] = {
        "name": "Ours",
        "url": url,
        "form": "standard",
        "events": (),
        "customer_id": customer.id,
    } | more
    return add_target(actor=actor, **given).target


def sent_mails() -> list[tuple[str, str]]:
    """Send what is due within an hour of noon, and return the recipient and subject of every email."""
    send_due(now=NOON + timedelta(hours=1))
    return [(sent.to[0], str(sent.subject)) for sent in mail.outbox]


def prefer(person: AbstractBaseUser, **given: Any) -> None:
    """Set a person's notification settings: everything at once, except what is given."""
    defaults: dict[str, Any] = {
        "unwanted": (),
        "by_mail": "at_once",
        "digest_at": time(8),
        "quiet_from": None,
        "quiet_until": None,
    }
    set_preference(person=person, **(defaults | given))
