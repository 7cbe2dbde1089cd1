"""Lists the buckets, functions and topics that the rules use, and lets SES write to a bucket or invoke a function.

An operator approves the shown statement first. Both grants are idempotent.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from accounts.models.people import User
from audit import services as audit_services
from audit.services import Subject
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsUnreachable, Refused
from receipt_rules.deliveries.services import function_arn
from receipt_rules.live.services import read_live
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.planner.core.rules import PREFIX, RuleSet
from receipt_rules.receiving_setup import gateway as receiving_setup_gateway
from receipt_rules.receiving_setup.core import (
    SID,
    PolicyAnswer,
    SesCall,
    denying_statements,
    evaluate_all,
    has_statement,
    read_policy,
    ses_call,
    ses_statement,
    statements,
    with_statement,
)
from receipt_rules.receiving_setup.gateway import SETUP_NOTIFICATION

_COMING = (f"{PREFIX}-999999", f"{PREFIX}-first-999999")  # represent rules created later


def buckets() -> tuple[str, ...]:
    """Return the buckets, the default one first."""
    return _named(settings.RECEIVING_BUCKET, "s3_bucket")


def functions() -> tuple[str, ...]:
    """Return the functions' ARNs, the default one first. Raises AwsProblem if the account is unknown."""
    return _named(function_arn(), "lambda_arn")


def topics() -> tuple[str, ...]:
    """Return the topics' ARNs, the default one first."""
    return _named(settings.RECEIVING_TOPIC, "sns_topic")


def bucket_calls(bucket: str, rule_set: RuleSet) -> tuple[SesCall, ...]:
    """Return the calls SES makes to the bucket for each managed rule, future ones included, and each prefix."""
    arn = bucket_arn(bucket)
    return _calls("s3:PutObject", [f"{arn}/{prefix}{SETUP_NOTIFICATION}" for prefix in _prefixes(bucket)], rule_set)


def function_calls(arn: str, rule_set: RuleSet) -> tuple[SesCall, ...]:
    return _calls("lambda:InvokeFunction", [arn], rule_set)


def topic_calls(arn: str, rule_set: RuleSet) -> tuple[SesCall, ...]:
    return _calls("sns:Publish", [arn], rule_set)


def bucket_arn(bucket: str) -> str:
    return f"arn:{aws.identity_arn('any').split(':')[1]}:s3:::{bucket}"


def format_policy(document: Mapping[str, Any]) -> str:
    """Return the policy as indented JSON; "" if it is empty."""
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


def _calls(action: str, resources: Iterable[str], rule_set: RuleSet) -> tuple[SesCall, ...]:
    account, region_arn = aws.account_id(), aws.identity_arn("any").removesuffix("identity/any")
    names = dict.fromkeys([*(rule.name for rule in rule_set.ours), *_COMING])
    rules = [f"{region_arn}receipt-rule-set/{rule_set.name}:receipt-rule/{name}" for name in names]
    return tuple(
        ses_call(action=action, resource=resource, account=account, rule_arn=rule)
        for resource in resources
        for rule in rules
    )


@dataclass(frozen=True)
class Grant:
    """A statement to add to a policy. `blocked_because` says why it can't be added; "" if it can."""

    name: str
    current: str
    added: str
    result: str
    answer: PolicyAnswer
    blocked_because: str = ""

    @property
    def digest(self) -> str:
        """Return the digest of what was shown: the policy must still be the same when the grant is applied."""
        return hashlib.sha256(f"{self.name}\n{self.current}\n{self.result}".encode()).hexdigest()[:16]


def bucket_grant(bucket: str, rule_set: RuleSet) -> Grant:
    """Read the policy. Raises AwsProblem, AwsMissing if the bucket doesn't exist, and Refused."""
    statement = ses_statement(action="s3:PutObject", resource=f"{bucket_arn(bucket)}/*", account=aws.account_id())
    current = _document(receiving_setup_gateway.get_bucket_policy(bucket), bucket)
    calls = bucket_calls(bucket, rule_set)
    answer, blocked_because = evaluate_all(current, calls), ""
    if answer is PolicyAnswer.ALLOWED:
        blocked_because = f"SES can already write to {bucket}."
    elif answer is PolicyAnswer.DENIED:
        blocked_because = (
            f"The policy of {bucket} denies SES access in {', '.join(denying_statements(current, calls))}. An added "
            "statement can't override that."
        )
    elif has_statement(current, statement):
        blocked_because = f"The policy of {bucket} already has this statement."
    return _grant(bucket, current, statement, answer, blocked_because)


def function_grant(arn: str, rule_set: RuleSet) -> Grant:
    """Read the permissions of a function that exists. Raises AwsProblem and Refused."""
    statement = ses_statement(action="lambda:InvokeFunction", resource=arn, account=aws.account_id())
    current = _document(receiving_setup_gateway.get_policy(arn), arn)
    answer, blocked_because = evaluate_all(current, function_calls(arn, rule_set)), ""
    if answer is PolicyAnswer.ALLOWED:
        blocked_because = "SES can already invoke the function."
    elif SID in {one.get("Sid") for one in statements(current)}:
        blocked_because = (
            f"The function has a permission {SID} that isn't sufficient. Remove it in AWS, then check again."
        )
    return _grant(arn, current, statement, answer, blocked_because)


def policy_preview(bucket: str) -> Grant:
    """Return the grant of a bucket used by rules. Raises AwsProblem and Refused."""
    return bucket_grant(_one_of(bucket, buckets()), read_live().rule_set)


def permission_preview(arn: str) -> Grant:
    """Return the grant of a function used by rules. Raises AwsProblem, AwsMissing if it doesn't exist, and Refused."""
    receiving_setup_gateway.get_function(_one_of(arn, functions()))
    return function_grant(arn, read_live().rule_set)


def put_policy(*, bucket: str, digest: str, actor: User) -> None:
    """Add the statement that was shown; existing statements stay. Raises Refused and AwsProblem."""
    _operators_only(actor)
    shown = _check_digest(policy_preview(bucket), digest)
    wanted = read_policy(shown.added)

    def is_there() -> bool:
        return has_statement(read_policy(receiving_setup_gateway.get_bucket_policy(bucket)), wanted)

    def put() -> None:
        receiving_setup_gateway.put_bucket_policy(bucket, shown.result, account=aws.account_id())

    _apply_grant("policy", Subject("bucket", bucket, bucket), shown, actor, _tolerate_lost_response(put, is_there))


def add_permission(*, arn: str, digest: str, actor: User) -> None:
    """Add the permission, always with the same Sid, so that repeating it changes nothing.

    Raises Refused and AwsProblem.
    """
    _operators_only(actor)
    shown = _check_digest(permission_preview(arn), digest)

    def is_there() -> bool:
        return SID in {one.get("Sid") for one in statements(read_policy(receiving_setup_gateway.get_policy(arn)))}

    def add() -> None:
        receiving_setup_gateway.add_permission(arn, sid=SID, account=aws.account_id())

    name = arn.partition(":function:")[2]
    about = Subject("function", name.partition(":")[0], name)
    _apply_grant("permission", about, shown, actor, _tolerate_lost_response(add, is_there))


_DONE = {"policy": "put", "permission": "added"}


def _apply_grant(what: str, about: Subject, shown: Grant, actor: User, call: Callable[[], None]) -> None:
    """Log the approval before AWS is called: the process may die before the second entry."""
    states: Any = {"before": {"policy": shown.current}, "after": {"policy": shown.result}}
    bulk_id = audit_services.new_bulk_id()  # the approval and its outcome share one ID
    audit_services.record(
        f"receiving.{what}_approved", about=about, actor=actor, for_staff=True, bulk_id=bulk_id, **states
    )
    with aws.recording() as request_ids:
        call()
    audit_services.record(
        f"receiving.{what}_{_DONE[what]}",
        about=about,
        actor=actor,
        aws_request_ids=request_ids,
        for_staff=True,
        bulk_id=bulk_id,
        **states,
    )


def _tolerate_lost_response(call: Callable[[], None], is_done: Callable[[], bool]) -> Callable[[], None]:
    """After no response, or "already exists", check whether the call succeeded before it counts as failed."""

    def called() -> None:
        try:
            call()
        except (AwsUnreachable, AwsConflict):
            if not is_done():
                raise

    return called


def _grant(
    name: str, current: Mapping[str, Any], statement: Mapping[str, Any], answer: PolicyAnswer, blocked_because: str
) -> Grant:
    result = with_statement(current, statement)
    added = statements(result)[len(statements(current)) :]
    return Grant(
        name,
        format_policy(current),
        format_policy(added[0]) if added else "",
        format_policy(result),
        answer,
        blocked_because,
    )


def _document(text: str, name: str) -> dict[str, Any]:
    try:
        return read_policy(text)
    except ValueError as error:
        raise Refused(f"We couldn't read the policy of {name}, so nothing was added to it.") from error


def _one_of(name: str, known: tuple[str, ...]) -> str:
    """Only resources that rules use may be changed."""
    if name not in known:
        raise Refused(f"No rule uses {name or 'an unnamed resource'}.", code="NOT_OURS")
    return name


def _operators_only(actor: User) -> None:
    if not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can grant SES access.", code="NOT_ALLOWED")


def _check_digest(now: Grant, digest: str) -> Grant:
    if now.blocked_because:
        raise Refused(now.blocked_because, code="NOTHING_TO_ADD")
    if now.digest != digest:
        raise Refused("The policy has changed since you opened this page. Review it again.", code="NOT_AS_SHOWN")
    return now
