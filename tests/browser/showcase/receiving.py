"""Rows of the showcase's pages about receiving, created when the first page is visited."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError
from django.conf import settings
from django.db.models import Model
from django.utils import timezone

from domains.models.domains import Domain
from inbound_admin.lib import aws
from inbound_admin.lib.sealed import seal_values
from receipt_rules.forwarding.selectors import token_of
from receipt_rules.live.services import store_snapshot
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, EndpointType, Forwarding, ForwardingState
from receipt_rules.models.expectations import Expectation
from receipt_rules.models.probes import MailProbe, ProbeSchedule
from receipt_rules.models.received_mail import DeliveryOutcome, ReceivedMail
from receipt_rules.models.runs import Run, RunKind, RunState
from receipt_rules.planner.core.rules import S3, Rule, RuleDelivery, RuleSet
from receipt_rules.probes.core import ProbePace, ProbeVerdict
from tests.browser.showcase.world import Showcase

SENTENCE = "Create rule inbound-admin-001 with 1 recipient."


def first_row(model: type[Model]) -> Any:
    """Return the URL's arguments: the ID of the showcase's first row of this model."""

    def arguments(world: Showcase) -> tuple[Any, ...]:
        make_receiving(world)
        return (model._default_manager.values_list("pk", flat=True).first(),)

    return arguments


def no_arguments(world: Showcase) -> tuple[()]:
    """Prepare a page without arguments, on the showcase's rows."""
    make_receiving(world)
    return ()


def revoke_ses_access(_: Showcase) -> tuple[()]:
    """Remove SES's access to the bucket and the function; another policy is in place."""
    theirs = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "*"}
    bucket = settings.RECEIVING_BUCKET
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [theirs]}))
    with suppress(ClientError):  # the permission is removed only once
        aws.client("lambda").remove_permission(FunctionName=settings.RECEIVING_FUNCTION, StatementId="ses")
    return ()


def make_receiving(world: Showcase) -> None:
    """Create an address in each state, a catch-all, a queued run, and a state to roll back to."""
    if Endpoint.objects.exists():
        return
    domain = world.domains["verified"]
    group = seal_values({"addresses": ["first@acme.example", "second@acme.example"]})
    hook = seal_values({"url": "https://acme.example/mail"})
    webhook = Endpoint.objects.create(customer=world.acme, name="Desk", type=EndpointType.WEBHOOK, sealed_config=hook)
    everybody = Endpoint.objects.create(
        customer=world.acme, name="Everybody", type=EndpointType.EMAIL_GROUP, sealed_config=group, is_active=False
    )
    long = "the-people-who-look-after-all-of-our-orders-and-returns+at+once"
    for local, fields in (
        ("billing", {"endpoint": webhook, "rules": "carried"}),
        (long, {"endpoint": everybody}),
        ("old", {"is_active": False}),
    ):
        Address.objects.create(address=f"{local}@{domain.name}", domain=domain, **fields)
    CatchAll.objects.create(domain=domain, endpoint=everybody)
    Expectation.objects.create(address=f"billing@{domain.name}")
    _received(world, domain, webhook, long)
    _waiting_run()


def _waiting_run() -> None:
    run = Run.objects.create(
        kind=RunKind.APPROVED,
        region=settings.AWS_REGION,
        state=RunState.WAITING,
        calls=3,
        summary="1 starts receiving.",
        because="Alice asked for it",
        problem="Amazon asks us to slow down. We go on by ourselves.",
    )
    run.steps.create(number=1, step={}, sentence=SENTENCE, state="done", request_ids=["5a7e-1"])
    run.steps.create(number=2, step={}, sentence=SENTENCE)
    delivery = RuleDelivery((S3("inbound-mail"),))
    store_snapshot(RuleSet(settings.RULE_SET, (Rule("inbound-admin-001", delivery, ("first@acme.com",)),)), run)
    store_snapshot(RuleSet(settings.RULE_SET, (Rule("inbound-admin-001", delivery, ("second@acme.com",)),)))


def _received(world: Showcase, domain: Domain, webhook: Endpoint, long: str) -> None:
    """Create one message of each outcome."""
    now = timezone.now()
    problem = "The webhook answered 500. Internal server error, says a program that explains itself at some length."
    for number, outcome in enumerate(DeliveryOutcome):
        ReceivedMail.objects.create(
            message_id=f"o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g{number}",
            recipient=f"{long if outcome == DeliveryOutcome.UNROUTED else 'billing'}@{domain.name}",
            customer=world.acme,
            domain=domain,
            endpoint=None if outcome == DeliveryOutcome.UNROUTED else webhook,
            received_at=now - timedelta(minutes=number),
            reported_at=now,
            outcome=outcome,
            problem=problem if outcome == DeliveryOutcome.FAILED else "",
            size=48_213,
            tries=3,
        )


def probe(world: Showcase) -> tuple[str]:
    """Create a test message that the mail server rejected."""
    make_receiving(world)
    domain = Address.objects.order_by("pk")[:1].get().domain
    made, _ = MailProbe.objects.get_or_create(
        recipient=f"billing@{domain.name}",
        customer=world.acme,
        defaults={"asked_at": timezone.now(), "send_problem": "The mail server rejected the message: 550 5.1.1 No."},
    )
    return (made.pk,)


def failed_mail(world: Showcase) -> tuple[str]:
    make_receiving(world)
    return (ReceivedMail.objects.get(outcome=DeliveryOutcome.FAILED).pk,)


def nobodys_mail(world: Showcase) -> tuple[str]:
    """Create a message that SES received before the domain was proven."""
    make_receiving(world)
    now = timezone.now()
    known = {"outcome": DeliveryOutcome.UNROUTED, "received_at": now - timedelta(days=3), "reported_at": now}
    recipient = Address.objects.order_by("pk")[:1].get().address
    made, _ = ReceivedMail.objects.get_or_create(message_id="nobodys", recipient=recipient, defaults=known)
    return (made.pk,)


def rule(world: Showcase) -> tuple[str]:
    """Return the rule of the newest state."""
    make_receiving(world)
    return ("inbound-admin-001",)


def proposed(world: Showcase) -> tuple[str]:
    """Let the run wait for a second operator."""
    make_receiving(world)
    run = Run.objects.get()
    Run.objects.filter(pk=run.pk).update(state=RunState.PROPOSED, problem="")
    return (run.pk,)


def done(_: Showcase) -> tuple[()]:
    """End the run, so that a plan can be approved."""
    Run.objects.update(state=RunState.DONE, problem="", ended_at=timezone.now())
    return ()


def waiting_endpoint(world: Showcase) -> tuple[str, ...]:
    """Let it forward to people of whom one refused, one was asked, and one can't be emailed today."""
    now, long = timezone.now(), f"{'late' * 12}@else.example"
    config = seal_values({"addresses": ["no@else.example", "asked@else.example", long]})
    given = {"type": EndpointType.EMAIL_GROUP, "sealed_config": config}
    made, _ = Endpoint.objects.get_or_create(customer=world.acme, name="Outside", defaults=given)
    for address, fields in (
        ("no@else.example", {"state": ForwardingState.REFUSED, "asked_at": now}),
        ("asked@else.example", {"asked_at": now, "asked_times": 1}),
        (long, {"due_at": now, "problem": "This recipient has reached today's limit. We'll retry tomorrow."}),
    ):
        Forwarding.objects.update_or_create(customer=world.acme, address=address, defaults=fields)
    return (made.pk,)


def forwarding_link(state: ForwardingState) -> Callable[[Showcase], tuple[Any, ...]]:
    """Return the link in the email to somebody who has answered this so far."""

    def arguments(world: Showcase) -> tuple[Any, ...]:
        known = {"state": state, "asked_at": timezone.now()}
        row, _ = Forwarding.objects.update_or_create(
            customer=world.acme, address=f"{state}@else.example", defaults=known
        )
        return (token_of(row),)

    return arguments


def missing_probe(world: Showcase) -> tuple[str]:
    """Return arguments of a domain whose last scheduled test message didn't arrive."""
    make_receiving(world)
    domain, now = world.domains["verified"], timezone.now()
    recipient = f"the-people-who-look-after-all-of-our-orders-and-returns@{domain.name}"
    sent = {"customer": world.acme, "domain": domain, "asked_at": now, "sent_at": now}
    made, _ = MailProbe.objects.get_or_create(recipient=recipient, defaults=sent)
    schedule = {"pace": ProbePace.HOURLY, "next_at": now, "last_probe": made, "verdict": ProbeVerdict.MISSING}
    why = f"The test message to {recipient} didn't arrive. It stopped at “Handler”."
    ProbeSchedule.objects.get_or_create(domain=domain, customer=world.acme, defaults=schedule | {"sentence": why})
    return (domain.pk,)
