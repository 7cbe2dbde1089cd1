"""Rows of receiving for tests, and the rules in the sandbox's SES."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import Role
from domains.models.domains import Domain, Stage
from inbound_admin.lib import aws
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.live import gateway as live_gateway
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint, EndpointType
from receipt_rules.models.probes import MailProbe
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.models.runs import Run
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core import matching
from receipt_rules.planner.core.rules import RuleSet
from receipt_rules.planner.services import EVERYTHING, PlanRequest
from receipt_rules.received_mail.core import Report
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_staff

_numbers = count(1)


def make_verified(name: str = "", *, customer: Customer | None = None, **fields: Any) -> Domain:
    """Create the row of a domain that SES has verified, without any call."""
    ready = {"stage": Stage.READY, "verified_at": timezone.now(), "ses_mail_from": "", "routes_unchecked": False}
    return make_domain(name, customer=customer, **(ready | fields))


def make_endpoint(customer: Customer | None = None, **fields: Any) -> Endpoint:
    made = {"name": f"Endpoint {next(_numbers)}", "type": EndpointType.WEBHOOK, "config": {"url": "https://a.example/"}}
    return Endpoint.objects.create(customer=customer or make_customer(), **(made | fields))


def make_address(address: str, domain: Domain, **fields: Any) -> Address:
    return Address.objects.create(address=address, domain=domain, **fields)


def make_operator() -> User:
    return make_staff(Role.OPERATOR)


def set_up_receiving(operator: User | None = None) -> User:
    """Activate our rule set in the sandbox's SES, with the desired rules."""
    operator = operator or make_operator()
    approve_and_run(operator, typed="inbound-mail")
    return operator


def approve_and_run(operator: User, asked: PlanRequest = EVERYTHING, typed: str = "") -> Run:
    """Plan, approve the plan, and let the worker execute it."""
    made = planner_services.plan_changes(asked)
    run = planner_services.approve(digest=made.digest, because="as planned", actor=operator, typed=typed, request=asked)
    auto_apply_services.work()
    run.refresh_from_db()
    return run


def live() -> RuleSet:
    """Return the active rule set, read by the gateway alone; an empty one if none is active."""
    return live_gateway.describe_active_rule_set() or RuleSet("")


def rule_count(address: str) -> int:
    """Return how many live rules match this address."""
    return len(matching.delivering_rules(live().rules, address))


def make_unmanaged_rule(
    name: str,
    recipients: Iterable[str],
    *,
    rule_set: str = "inbound-mail",
    create_set: bool = False,
    actions: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Create a rule at the front as another AWS client would; without `actions` it stores in our bucket."""
    client = aws.client("ses")
    if create_set:
        client.create_receipt_rule_set(RuleSetName=rule_set)
        client.set_active_receipt_rule_set(RuleSetName=rule_set)
    does = [*actions] or [{"S3Action": {"BucketName": "inbound-mail", "ObjectKeyPrefix": f"{name}/"}}]
    rule = {"Name": name, "Enabled": True, "Recipients": list(recipients), "Actions": does, "ScanEnabled": True}
    client.create_receipt_rule(RuleSetName=rule_set, Rule=rule)


def make_bucket(name: str) -> None:
    """Create a bucket in our region, without a policy."""
    client = aws.client("s3")
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": client.meta.region_name})


def make_report(
    *recipients: str, endpoint: Endpoint | None = None, outcome: str = "delivered", message: str = "", **fields: Any
) -> Report:
    """Return the function's report of a message that has just arrived."""
    now = timezone.now()
    told: dict[str, Any] = {"received_at": now, "at": now, "problem": "", "size": 1234} | fields
    name = message or f"message{next(_numbers)}"
    return Report(
        message_id=name, recipients=recipients, endpoint_id=endpoint.pk if endpoint else "", outcome=outcome, **told
    )


def make_mail(endpoint: Endpoint, **fields: Any) -> ReceivedMail:
    """Create a message that the endpoint accepted."""
    now = timezone.now()
    told = {"recipient": "a@shop.com", "received_at": now, "reported_at": now, "outcome": "delivered"} | fields
    name = f"message{next(_numbers)}"
    return ReceivedMail.objects.create(message_id=name, endpoint=endpoint, customer=endpoint.customer, **told)


def make_probe(domain: Domain, **fields: Any) -> MailProbe:
    told = {"recipient": f"a@{domain.name}", "asked_at": timezone.now()} | fields
    return MailProbe.objects.create(domain=domain, customer=domain.customer, **told)
