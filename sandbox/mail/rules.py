"""Runs the active rule set for one envelope, as SES does (ses.md B): order, Stop, Bounce, and each action.

Written only from the facts sheet, not from the product's planner, so the two can disagree.
"""

import email
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.s3.models import s3_backends
from moto.ses.models import ses_backends
from moto.sns.models import sns_backends

from sandbox.aws.identities import is_verified
from sandbox.aws.state import WORLD, RegionState, regions
from sandbox.mail.log import MailEntry
from sandbox.seed import FUNCTION

NAMESPACE, ACTIVE = "AWS/SES", "[Active]"  # CloudWatch's
MOST_HEADERS = 50_000  # characters, to a function
VIRUS = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"  # reported by every scanner
SPAM = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@dataclass(frozen=True)
class Envelope:
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    is_tls: bool = False


@dataclass
class _Passage:
    """One envelope on its way through a region's rules."""

    state: RegionState
    envelope: Envelope
    message_id: str
    now: datetime
    rule_set: str
    raw: bytes
    steps: list[str] = field(default_factory=list)
    refusal: str = ""
    is_over: bool = False
    failures: int = 0  # of actions that SES retries


def takes(state: RegionState, recipient: str) -> bool:
    """Return whether SES accepts mail for the recipient: a verified identity, and a rule that names it."""
    return is_verified(state, recipient) and any(_named(rule, [recipient]) for rule in _active(state)[1])


def receive(state: RegionState, envelope: Envelope) -> MailEntry:
    """Run every rule in order, under the world's lock. The first Bounce decides what the sender is told."""
    name, rules = _active(state)
    passage = _Passage(state, envelope, secrets.token_hex(20), WORLD.clock.now(), name, envelope.raw)
    passage.steps.append(f"Rule set {name}: {len(rules)} rule{'' if len(rules) == 1 else 's'}.")
    matched = 0
    for rule in rules:
        if passage.is_over:
            break
        if recipients := _named(rule, envelope.recipients):
            matched += 1
            _apply(passage, rule, recipients)
    is_accepted = bool(matched) and not passage.refusal
    _count(passage, matched)
    if not matched:
        passage.steps.append("No rule matches: SES rejects the mail.")
    entry = MailEntry(
        passage.now,
        passage.message_id,
        envelope.sender,
        envelope.recipients,
        len(envelope.raw),
        is_accepted,
        tuple(passage.steps),
    )
    WORLD.mail.entries.append(entry)
    WORLD.changed()
    return entry


def _count(passage: _Passage, matched: int) -> None:
    """Count CloudWatch's metrics of the rule set, by its name and as the active one."""
    for name in (ACTIVE, passage.rule_set):
        set_name = ("RuleSetName", name)
        passage.state.count((NAMESPACE, "Received"), set_name, 1, passage.now)
        if matched:
            passage.state.count((NAMESPACE, _outcome(passage.failures)), set_name, 1, passage.now)


def _outcome(failures: int) -> str:
    return "PublishFailure" if failures else "PublishSuccess"


def region_named(name: str) -> RegionState | None:
    return next((state for _, state in regions() if state.region == name), None)


def _active(state: RegionState) -> tuple[str, list[dict[str, Any]]]:
    found = ses_backends[state.account_id][state.region].describe_active_receipt_rule_set()
    return (found.name, [rule for rule in found.rules if rule.get("Enabled")]) if found else ("none", [])


def _named(rule: Mapping[str, Any], recipients: "list[str] | tuple[str, ...]") -> list[str]:
    """Return the envelope's recipients that match the rule; all if it has none."""
    wanted = [each.lower() for each in rule.get("Recipients") or []]
    return [each for each in recipients if not wanted or any(_matches(one, each.lower()) for one in wanted)]


def _matches(wanted: str, recipient: str) -> bool:
    """An address matches also with a label, a domain only itself, a dot and a domain its subdomains."""
    local, _, domain = recipient.rpartition("@")
    if "@" in wanted:
        return wanted in (recipient, f"{local.partition('+')[0]}@{domain}")
    return domain.endswith(wanted) if wanted.startswith(".") else domain == wanted


def _apply(passage: _Passage, rule: Mapping[str, Any], recipients: list[str]) -> None:
    if rule.get("TlsPolicy") == "Require" and not passage.envelope.is_tls:
        passage.steps.append(f"Rule {rule['Name']}: requires TLS, so the mail bounces.")
        passage.refusal = "TLS is required"
        return
    passage.steps.append(f"Rule {rule['Name']} matches {', '.join(recipients)}.")
    failures = passage.failures
    for action in rule.get("Actions") or []:
        if passage.is_over and WORLD.beliefs.after_stop == "skipped":
            break
        for kind, act in _ACTIONS.items():
            if (settings := action.get(kind)) is not None:
                passage.steps += act(passage, settings, recipients, rule)
    outcome = _outcome(passage.failures - failures)
    passage.state.count((NAMESPACE, outcome), ("RuleName", str(rule["Name"])), 1, passage.now)


def _s3(
    passage: _Passage, settings: Mapping[str, Any], recipients: list[str], rule: Mapping[str, Any]
) -> Iterator[str]:
    bucket, key = settings["BucketName"], f"{settings.get('ObjectKeyPrefix') or ''}{passage.message_id}"
    backend = s3_backends[passage.state.account_id]["aws"]
    if bucket not in backend.buckets:
        passage.failures += 1
        yield f"S3: no bucket {bucket}. SES retries for 36 hours."
        return
    backend.put_object(bucket, key, passage.raw)
    yield f"S3: stored as {bucket}/{key}."
    if topic := settings.get("TopicArn"):
        action = {"type": "S3", "topicArn": topic, "bucketName": bucket, "objectKey": key}
        yield from _publish(
            passage, topic, {"notificationType": "Received", **_said(passage, recipients, rule, action)}
        )


def _lambda(
    passage: _Passage, settings: Mapping[str, Any], recipients: list[str], rule: Mapping[str, Any]
) -> Iterator[str]:
    arn, kind = settings["FunctionArn"], settings.get("InvocationType", "Event")
    action = {"type": "Lambda", "functionArn": arn, "invocationType": kind}
    record = {"eventSource": "aws:ses", "eventVersion": "1.0", "ses": _said(passage, recipients, rule, action)}
    if arn.split(":")[6:7] == [FUNCTION]:
        WORLD.mail.add_job(passage.state.region, {"Records": [record]}, passage.now)
    yield f"Lambda: {arn.rpartition(':')[2]} called."


def _sns(
    passage: _Passage, settings: Mapping[str, Any], recipients: list[str], rule: Mapping[str, Any]
) -> Iterator[str]:
    topic = settings["TopicArn"]
    action = {"type": "SNS", "topicArn": topic}
    content = passage.raw.decode("utf-8", "replace")
    yield from _publish(
        passage, topic, {"notificationType": "Received", "content": content, **_said(passage, recipients, rule, action)}
    )


def _publish(passage: _Passage, topic: str, notification: Mapping[str, Any]) -> Iterator[str]:
    backend = sns_backends[passage.state.account_id][passage.state.region]
    if topic not in backend.topics:
        passage.failures += 1
        yield f"SNS: no topic {topic}. SES retries for 36 hours."
        return
    backend.publish(arn=topic, message=json.dumps(notification))
    yield f"SNS: {topic.rpartition(':')[2]} notified."


def _bounce(
    passage: _Passage, settings: Mapping[str, Any], recipients: list[str], rule: Mapping[str, Any]
) -> Iterator[str]:
    passage.refusal = passage.refusal or f"{settings['SmtpReplyCode']} {settings['Message']}"
    yield f"Bounce: {settings['SmtpReplyCode']} {settings['Message']}"


def _header(
    passage: _Passage, settings: Mapping[str, Any], recipients: list[str], rule: Mapping[str, Any]
) -> Iterator[str]:
    passage.raw = f"{settings['HeaderName']}: {settings['HeaderValue']}\r\n".encode() + passage.raw
    yield f"Header {settings['HeaderName']} added."


def _stop(
    passage: _Passage, settings: Mapping[str, Any], recipients: list[str], rule: Mapping[str, Any]
) -> Iterator[str]:
    passage.is_over = True
    yield "Stop: no further rules are applied."


_ACTIONS = {
    "S3Action": _s3,
    "LambdaAction": _lambda,
    "SNSAction": _sns,
    "BounceAction": _bounce,
    "AddHeaderAction": _header,
    "StopAction": _stop,
}


def _said(
    passage: _Passage, recipients: list[str], rule: Mapping[str, Any], action: Mapping[str, Any]
) -> dict[str, Any]:
    """Return `mail` and `receipt` as SES sends them to a function and a topic."""
    moment = f"{passage.now:%Y-%m-%dT%H:%M:%S}.{passage.now.microsecond // 1000:03}Z"
    scans = bool(rule.get("ScanEnabled"))
    return {
        "mail": {
            "timestamp": moment,
            "source": passage.envelope.sender,
            "messageId": passage.message_id,
            "destination": list(passage.envelope.recipients),
            "headers": _headers(passage.raw),
        },
        "receipt": {
            "timestamp": moment,
            "recipients": recipients,
            "spamVerdict": {"status": _verdict(passage.raw, SPAM, scans=scans)},
            "virusVerdict": {"status": _verdict(passage.raw, VIRUS, scans=scans)},
            "action": dict(action),
        },
    }


def _headers(raw: bytes) -> list[dict[str, str]]:
    """Return the headers; SES omits them if they are too large for a function."""
    top = email.message_from_bytes(raw.partition(b"\r\n\r\n")[0])
    found = [{"name": name, "value": str(value)} for name, value in top.items()]
    return found if sum(len(each["value"]) for each in found) < MOST_HEADERS else []


def _verdict(raw: bytes, sign: bytes, *, scans: bool) -> str:
    return "DISABLED" if not scans else "FAIL" if sign in raw else "PASS"
