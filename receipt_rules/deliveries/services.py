"""The delivery that a managed rule has for an endpoint: where SES stores the mail, and which function it invokes."""

from collections.abc import Callable, Mapping
from functools import cache

from django.conf import settings
from django.db.models import Q

from inbound_admin.lib import aws
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.planner.core.rules import S3, Action, Lambda, RuleDelivery

DEFAULT_DELIVERY = Q(s3_bucket="", s3_prefix="", lambda_arn="", sns_topic="", tls_required=None, scan=None)


def special_endpoints() -> dict[str, Endpoint]:
    """Return the endpoints with SES options of their own, by ID."""
    return {endpoint.id: endpoint for endpoint in Endpoint.objects.exclude(DEFAULT_DELIVERY).defer("sealed_config")}


def deliveries(special: Mapping[str, Endpoint]) -> Callable[[str | None, str, bool], RuleDelivery]:
    """Create each delivery once. An address under a catch-all is stored where the catch-all is, so never twice."""
    each_domain = settings.RECEIVING_PREFIX_EACH_DOMAIN

    @cache
    def made(endpoint: str | None, domain: str, tail: str) -> RuleDelivery:
        return _delivery(special.get(endpoint or "", Endpoint()), domain, tail)

    return lambda endpoint, domain, is_caught: made(
        endpoint, domain if each_domain else "", settings.RECEIVING_CATCH_ALL_PREFIX if is_caught else ""
    )


def _delivery(endpoint: Endpoint, domain: str, tail: str) -> RuleDelivery:
    prefix = endpoint.s3_prefix or settings.RECEIVING_PREFIX
    if not endpoint.s3_prefix:
        prefix = f"{prefix}{domain}/{tail}" if domain else f"{prefix}{tail}"
    topic = endpoint.sns_topic or settings.RECEIVING_TOPIC
    bucket = endpoint.s3_bucket or settings.RECEIVING_BUCKET
    actions: list[Action] = [S3(bucket, prefix, topic, role=role_for(bucket))]
    if arn := endpoint.lambda_arn or function_arn():
        actions.append(Lambda(arn))
    tls, scan = endpoint.tls_required, endpoint.scan
    return RuleDelivery(
        tuple(actions),
        tls_required=settings.RECEIVING_TLS_REQUIRED if tls is None else tls,
        scan=settings.RECEIVING_SCAN if scan is None else scan,
    )


def has_one_destination() -> bool:
    """Return whether all mail without SES options of its own goes to one place, and to a function that routes it."""
    is_divided = settings.RECEIVING_PREFIX_EACH_DOMAIN or settings.RECEIVING_CATCH_ALL_PREFIX
    return bool(settings.RECEIVING_FUNCTION) and not is_divided


def role_for(bucket: str) -> str:
    """Return the IAM role with which SES writes to the bucket; "" if the bucket policy allows SES."""
    return settings.RECEIVING_BUCKET_ROLE if bucket == settings.RECEIVING_BUCKET else ""


def function_arn() -> str:
    """Return the default function's ARN in our account, region and partition; "" for none. Raises AwsProblem."""
    name: str = settings.RECEIVING_FUNCTION
    if not name or name.startswith("arn:"):
        return name
    _, partition, _, region, account, _ = aws.identity_arn("any").split(":", 5)
    return f"arn:{partition}:lambda:{region}:{account}:function:{name}"
