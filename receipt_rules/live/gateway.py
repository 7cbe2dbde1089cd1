"""SES receipt rule sets (SES v1 only): one function, one call. Raises AwsProblem and its subclasses.

SES has no version check and no client token: a writer holds the rule set's lock, and compares after a lost response. A
missing rule or set raises AwsMissing; a name in use raises AwsConflict.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from receipt_rules.live.core import IpFilter
from receipt_rules.planner.core.rules import (
    S3,
    Action,
    AddHeader,
    AnyRule,
    Bounce,
    ForeignRule,
    Invocation,
    Lambda,
    Opaque,
    Rule,
    RuleDelivery,
    RuleSet,
    Sns,
    Stop,
    is_ours,
)


@dataclass(frozen=True)
class SetName:
    """A rule set as listed, without its rules."""

    name: str
    created: datetime | None


def describe_active_rule_set() -> RuleSet | None:
    """Return the region's active rule set with its rules in order; None if none is active."""
    with aws.calling("ses", "read the active rule set") as ses:
        answer = ses.describe_active_receipt_rule_set()
    return _read_set(answer) if answer.get("Metadata", {}).get("Name") else None


def describe_rule_set(name: str) -> RuleSet:
    """Return a rule set with its rules in order, active or not."""
    with aws.calling("ses", f"read the rule set {name}") as ses:
        return _read_set(ses.describe_receipt_rule_set(RuleSetName=name))


def list_rule_sets(token: str = "") -> tuple[tuple[SetName, ...], str]:
    """Return a page of up to 100 sets, and the token of the next page ("" at the end)."""
    with aws.calling("ses", "list the rule sets") as ses:
        answer = ses.list_receipt_rule_sets(NextToken=token) if token else ses.list_receipt_rule_sets()
    found = tuple(SetName(row["Name"], row.get("CreatedTimestamp")) for row in answer.get("RuleSets", []))
    return found, str(answer.get("NextToken", ""))


def create_rule_set(name: str) -> None:
    """Create an empty, inactive set."""
    with aws.calling("ses", f"create the rule set {name}") as ses:
        ses.create_receipt_rule_set(RuleSetName=name)


def clone_rule_set(source: str, name: str) -> None:
    """Copy all rules in order to a new, inactive set."""
    with aws.calling("ses", f"copy the rule set {source} to {name}") as ses:
        ses.clone_receipt_rule_set(OriginalRuleSetName=source, RuleSetName=name)


def set_active_rule_set(name: str) -> None:
    """Activate the set. SES replaces the active set without confirmation, so read it first.

    Raises Refused for "", which would stop all receiving.
    """
    if not name:
        raise Refused("Activating no rule set would stop all receiving in this region.")
    with aws.calling("ses", f"make {name} the active rule set") as ses:
        ses.set_active_receipt_rule_set(RuleSetName=name)


def delete_rule_set(name: str) -> None:
    """Delete the set with all its rules. SES refuses to delete the active one; deleting a missing set succeeds."""
    with aws.calling("ses", f"delete the rule set {name}") as ses:
        ses.delete_receipt_rule_set(RuleSetName=name)


def create_rule(rule_set: str, rule: Rule, *, after: str = "") -> None:
    """Create the rule after the rule `after`, or first. SES tests the bucket, function and topic."""
    with aws.calling("ses", f"create the rule {rule.name}") as ses:
        if after:
            ses.create_receipt_rule(RuleSetName=rule_set, Rule=_write(rule), After=after)
        else:
            ses.create_receipt_rule(RuleSetName=rule_set, Rule=_write(rule))


def update_rule(rule_set: str, rule: Rule) -> None:
    """Replace the whole rule; it keeps its position. SES tests the bucket, function and topic."""
    with aws.calling("ses", f"change the rule {rule.name}") as ses:
        ses.update_receipt_rule(RuleSetName=rule_set, Rule=_write(rule))


def delete_rule(rule_set: str, name: str) -> None:
    """Delete the rule. Deleting a missing rule succeeds; the set must exist."""
    with aws.calling("ses", f"delete the rule {name}") as ses:
        ses.delete_receipt_rule(RuleSetName=rule_set, RuleName=name)


def set_rule_position(rule_set: str, name: str, *, after: str = "") -> None:
    """Move the rule after the rule `after`, or to the front."""
    with aws.calling("ses", f"move the rule {name}") as ses:
        if after:
            ses.set_receipt_rule_position(RuleSetName=rule_set, RuleName=name, After=after)
        else:
            ses.set_receipt_rule_position(RuleSetName=rule_set, RuleName=name)


def reorder_rule_set(rule_set: str, names: Sequence[str]) -> None:
    """Reorder the rules. `names` must have every rule: SES refuses if one was created or deleted meanwhile."""
    with aws.calling("ses", f"put the rules of {rule_set} in order") as ses:
        ses.reorder_receipt_rule_set(RuleSetName=rule_set, RuleNames=list(names))


def list_receipt_filters() -> tuple[IpFilter, ...]:
    """Return the IP filters, which SES evaluates before any rule. SES returns all at once."""
    with aws.calling("ses", "list the IP filters") as ses:
        found = ses.list_receipt_filters().get("Filters", [])
    return tuple(IpFilter(row["Name"], row["IpFilter"]["Cidr"], row["IpFilter"]["Policy"] == "Block") for row in found)


# Wire names. SES's default values are filled in on reading, so that a rule read equals the rule written.

_RULE = {"Enabled": False, "TlsPolicy": "Optional", "ScanEnabled": False}
_RULE_MEMBERS = frozenset({*_RULE, "Name", "Recipients", "Actions"})
_MEMBERS: dict[str, dict[str, str]] = {  # for each action, SES's member and ours
    "S3Action": {
        "BucketName": "bucket",
        "ObjectKeyPrefix": "prefix",
        "TopicArn": "topic",
        "KmsKeyArn": "kms_key",
        "IamRoleArn": "role",
    },
    "LambdaAction": {"FunctionArn": "arn", "InvocationType": "invocation", "TopicArn": "topic"},
    "SNSAction": {"TopicArn": "topic", "Encoding": "encoding"},
    "StopAction": {"Scope": "scope", "TopicArn": "topic"},
    "AddHeaderAction": {"HeaderName": "name", "HeaderValue": "value"},
    "BounceAction": {
        "Sender": "sender",
        "SmtpReplyCode": "reply_code",
        "Message": "message",
        "StatusCode": "status_code",
        "TopicArn": "topic",
    },
}
_KINDS: dict[str, type[Any]] = {
    "S3Action": S3,
    "LambdaAction": Lambda,
    "SNSAction": Sns,
    "StopAction": Stop,
    "AddHeaderAction": AddHeader,
    "BounceAction": Bounce,
}
_SCOPE = "RuleSet"  # SES's only scope


def _read_set(answer: Any) -> RuleSet:
    about = answer.get("Metadata", {})
    return RuleSet(about["Name"], tuple(_read(rule) for rule in answer.get("Rules", [])), about.get("CreatedTimestamp"))


def _read(raw: Mapping[str, Any]) -> AnyRule:
    rule = {**_RULE, **raw}
    name, recipients, enabled = rule["Name"], tuple(rule.get("Recipients", ())), bool(rule["Enabled"])
    actions = tuple(_read_action(action) for action in rule.get("Actions", ()))
    known_tls = rule["TlsPolicy"] in ("Optional", "Require")
    delivery = RuleDelivery(actions, tls_required=rule["TlsPolicy"] == "Require", scan=bool(rule["ScanEnabled"]))
    whole = rule.keys() <= _RULE_MEMBERS and known_tls
    if is_ours(name) and whole and recipients and delivery.is_writable:
        return Rule(name, delivery, recipients, enabled)
    return ForeignRule(name, _json(rule), delivery, recipients, enabled, whole)


def _read_action(raw: Mapping[str, Mapping[str, Any]]) -> Action:
    kind, members = next(iter(raw.items()), ("", {}))
    names = _MEMBERS.get(kind, {})
    scope = members.get("Scope", _SCOPE)
    if len(raw) != 1 or kind not in _KINDS or members.keys() - names.keys() or scope != _SCOPE:
        return Opaque(kind, _json(raw))
    values = {names[member]: value for member, value in members.items() if member != "Scope"}
    if "invocation" in values:
        if values["invocation"] not in list(Invocation):
            return Opaque(kind, _json(raw))
        values["invocation"] = Invocation(values["invocation"])
    made: Action = _KINDS[kind](**values)
    return made


def _write(rule: Rule) -> Any:
    """Write every member always: an update replaces the whole rule, and SES's defaults differ from ours."""
    return {
        "Name": rule.name,
        "Enabled": rule.enabled,
        "TlsPolicy": "Require" if rule.delivery.tls_required else "Optional",
        "ScanEnabled": rule.delivery.scan,
        "Recipients": list(rule.recipients),
        "Actions": [_write_action(action) for action in rule.delivery.actions],
    }


def _write_action(action: Action) -> dict[str, dict[str, str]]:
    """Leave out empty members: SES refuses an empty ARN. Raises Refused for an opaque action."""
    kind = next((kind for kind, made in _KINDS.items() if type(action) is made), None)
    if kind is None:
        raise Refused(f"{action}: this system doesn't write this action.")
    values = {member: str(getattr(action, ours, _SCOPE)) for member, ours in _MEMBERS[kind].items()}
    return {kind: {member: value for member, value in values.items() if value}}


def _json(raw: Any) -> str:
    return json.dumps(raw, sort_keys=True, default=str)
