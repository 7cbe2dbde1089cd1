"""Whether this deployment can receive: a sentence for each thing that must be right, with its repair.

Whether SES may write to the bucket and call the function, SES itself tries whenever a rule is written; what it said
last stands in the runs. Here the policies are shown as they must be.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

from domains.core.records import RECEIVING_REGIONS
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsProblem
from receipt_rules.core.rules import S3, Lambda
from receipt_rules.models import PendingChange, Run, RunState
from receipt_rules.services.desiring import function_arn
from receipt_rules.services.reading import Live, read_live
from receipt_rules.services.sending import REPAIRS


class Verdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    COULD_NOT_TELL = "could not tell"


@dataclass(frozen=True)
class Finding:
    """`repair` says what to do, "" where nothing is; `paste` is a policy or a command to copy."""

    what: str
    verdict: Verdict
    sentence: str
    repair: str = ""
    paste: str = ""


def check_receiving() -> tuple[Finding, ...]:
    """Reads the live rules, one to three calls; a failure is a finding, never "absent"."""
    region = _region()
    if region.verdict is Verdict.WRONG:
        return (region,)
    try:
        live = read_live()
    except AwsProblem as problem:
        return (region, Finding("Rule set", Verdict.COULD_NOT_TELL, str(problem)))
    return (region, _rule_set(live), *_storage(live), *_waiting())


def _region() -> Finding:
    name = settings.AWS_REGION
    if name in RECEIVING_REGIONS:
        return Finding("Region", Verdict.RIGHT, f"Amazon receives mail in {name}.")
    repair = "Set AWS_REGION to a region that receives, and add the domains there."
    return Finding("Region", Verdict.WRONG, f"Amazon receives no mail in {name}.", repair)


def _rule_set(live: Live) -> Finding:
    if live.stranger is not None:
        name, number = live.stranger.name, len(live.stranger.rules)
        return Finding(
            "Rule set",
            Verdict.WRONG,
            f"The active rule set is {name}, with {number} rules. It is not ours.",
            "Adopt it on the Rules page, so that its rules stay and ours are added, or use another region.",
        )
    if not live.is_active:
        return Finding(
            "Rule set",
            Verdict.WRONG,
            "No rule set is active: Amazon rejects all mail of this region.",
            "Approve the plan on the Plan page: it makes the rule set and activates it.",
        )
    number = len(live.rule_set.rules)
    return Finding("Rule set", Verdict.RIGHT, f"{live.rule_set.name} is active and ours; it has {number} rules.")


def _storage(live: Live) -> tuple[Finding, ...]:
    said = _last_refusal()
    actions = [action for rule in live.rule_set.ours for action in rule.delivery.actions]
    bucket: str = settings.RECEIVING_BUCKET
    stored = any(isinstance(action, S3) and action.bucket == bucket for action in actions)
    try:
        arn, account = function_arn(), aws.account_id()
    except AwsProblem as problem:
        return (Finding("Bucket and function", Verdict.COULD_NOT_TELL, str(problem)),)
    found = [_tried("Bucket", bucket, "InvalidS3Configuration", stored, said, bucket_policy(bucket, account))]
    if arn:
        called = any(isinstance(action, Lambda) and action.arn == arn for action in actions)
        found.append(_tried("Function", arn, "InvalidLambdaFunction", called, said, function_permission(arn, account)))
    return tuple(found)


def _last_refusal() -> str:
    """What stopped the last run that is over; "" where it was carried out."""
    over = Run.objects.filter(region=settings.AWS_REGION, state__in=(RunState.FAILED, RunState.DONE))
    last = over.order_by("-ended_at").first()
    return last.problem if last is not None and last.state == RunState.FAILED else ""


def _tried(what: str, name: str, code: str, is_used: bool, said: str, paste: str) -> Finding:
    """SES accepts a rule only where it can use what the rule names, at that time."""
    if REPAIRS[code] in said:
        return Finding(what, Verdict.WRONG, said.removesuffix(REPAIRS[code]).strip(), REPAIRS[code], paste)
    if is_used:
        return Finding(what, Verdict.RIGHT, f"Amazon accepted {name} when the rules were last written.", paste=paste)
    sentence = f"No rule uses {name} yet; Amazon tries it when the first one is written."
    return Finding(what, Verdict.COULD_NOT_TELL, sentence, REPAIRS[code], paste)


def bucket_policy(bucket: str, account: str) -> str:
    """JSON to paste: SES may put objects for rules of this account, whatever they are called."""
    statement = {
        "Sid": "AllowSESPuts",
        "Effect": "Allow",
        "Principal": {"Service": "ses.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:{_partition()}:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"AWS:SourceAccount": account}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)


def function_permission(arn: str, account: str) -> str:
    """The command that lets SES invoke the function."""
    return (
        f"aws lambda add-permission --function-name {arn} --statement-id ses --action lambda:InvokeFunction "
        f"--principal ses.amazonaws.com --source-account {account} --region {settings.AWS_REGION}"
    )


def _partition() -> str:
    return aws.identity_arn("any").split(":")[1]


def _waiting() -> tuple[Finding, ...]:
    waiting = PendingChange.objects.exclude(waits_because="").count()
    if not waiting:
        return ()
    whose = "a customer's change waits" if waiting == 1 else f"the changes of {waiting} customers wait"
    sentence = f"{whose[0].upper()}{whose[1:]} for an operator."
    return (Finding("Waiting changes", Verdict.WRONG, sentence, "Look at the plan, and approve it."),)
