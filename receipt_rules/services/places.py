"""Where the rules send mail: the buckets, functions and topics that the settings and the endpoints name."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings

from inbound_admin.lib import aws
from receipt_rules.core.naming import PREFIX
from receipt_rules.core.policies import Asking, asking
from receipt_rules.core.rules import RuleSet
from receipt_rules.gateway.s3 import SETUP_NOTIFICATION
from receipt_rules.models import Endpoint
from receipt_rules.services.desiring import function_arn

_COMING = (f"{PREFIX}-999999", f"{PREFIX}-first-999999")  # stand for the rules that are made next


def buckets() -> tuple[str, ...]:
    """The default one first."""
    return _named(settings.RECEIVING_BUCKET, "s3_bucket")


def functions() -> tuple[str, ...]:
    """Their ARNs, the default one first. Raises AwsProblem where the account is not known yet."""
    return _named(function_arn(), "lambda_arn")


def topics() -> tuple[str, ...]:
    """Their ARNs, the default one first."""
    return _named(settings.RECEIVING_TOPIC, "sns_topic")


def bucket_calls(bucket: str, rule_set: RuleSet) -> tuple[Asking, ...]:
    """What SES asks of the bucket, for each of our rules, the next ones included, and each prefix."""
    arn = bucket_arn(bucket)
    return _calls("s3:PutObject", [f"{arn}/{prefix}{SETUP_NOTIFICATION}" for prefix in _prefixes(bucket)], rule_set)


def function_calls(arn: str, rule_set: RuleSet) -> tuple[Asking, ...]:
    return _calls("lambda:InvokeFunction", [arn], rule_set)


def topic_calls(arn: str, rule_set: RuleSet) -> tuple[Asking, ...]:
    return _calls("sns:Publish", [arn], rule_set)


def bucket_arn(bucket: str) -> str:
    return f"arn:{aws.identity_arn('any').split(':')[1]}:s3:::{bucket}"


def pretty(document: Mapping[str, Any]) -> str:
    """As a person reads it; "" for an empty one."""
    return json.dumps(document, indent=2) if document else ""


def _named(default: str, column: str) -> tuple[str, ...]:
    rows = Endpoint.objects.exclude(**{column: ""}).order_by(column).values_list(column, flat=True)
    return tuple(dict.fromkeys(name for name in (default, *rows) if name))


def _prefixes(bucket: str) -> tuple[str, ...]:
    default = settings.RECEIVING_BUCKET
    rows = Endpoint.objects.filter(s3_bucket__in=("", bucket) if bucket == default else (bucket,))
    own = [prefix or settings.RECEIVING_PREFIX for prefix in rows.values_list("s3_prefix", flat=True)]
    found = dict.fromkeys([settings.RECEIVING_PREFIX, *own] if bucket == default else own)
    return tuple(found) or (settings.RECEIVING_PREFIX,)


def _calls(action: str, resources: Iterable[str], rule_set: RuleSet) -> tuple[Asking, ...]:
    account, region_arn = aws.account_id(), aws.identity_arn("any").removesuffix("identity/any")
    names = dict.fromkeys([*(rule.name for rule in rule_set.ours), *_COMING])
    rules = [f"{region_arn}receipt-rule-set/{rule_set.name}:receipt-rule/{name}" for name in names]
    return tuple(
        asking(action=action, resource=resource, account=account, rule_arn=rule)
        for resource in resources
        for rule in rules
    )
