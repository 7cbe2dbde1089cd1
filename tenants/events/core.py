"""Parses and verifies SNS messages over HTTPS, and parses EventBridge's events about tenants.

Signatures follow "Verifying the signatures of Amazon SNS messages" in the SNS developer guide: certain members, sorted,
each as "name, newline, value, newline", signed with RSA over SHA-1 (SignatureVersion 1) or SHA-256 (2).

An event only says which tenant to read. Its content is never taken as a status.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from inbound_admin.lib.partitions import dns_suffix

NOTIFICATION, CONFIRMATION, END = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
SIGNED: Mapping[str, tuple[str, ...]] = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    END: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
HASHES = {"1": SHA1, "2": SHA256}
LONGEST_ID = 100
LONGEST_AGE = timedelta(hours=1)  # as SNS's guide advises; the next poll finds what is lost by it
CLOCKS_DIFFER = timedelta(minutes=5)
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9a-zA-Z]{1,64}\.pem")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:(?P<region>[a-z0-9-]{1,32}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}")


class Untrusted(Exception):
    """The message isn't one that AWS signed for us. `str()` says what is wrong with it."""


@dataclass(frozen=True)
class Message:
    """A message of the right shape. Don't trust any field before `check_signature`."""

    id: str
    type: str
    topic: str
    text: str
    sent_at: datetime
    members: Mapping[str, str]

    @property
    def subscribe_url(self) -> str:
        return self.members.get("SubscribeURL", "")

    @property
    def certificate_url(self) -> str:
        return self.members.get("SigningCertURL", "")


def read_message(body: object) -> Message:
    """Parse the posted JSON. Raises Untrusted if it isn't an SNS message."""
    if not isinstance(body, dict):
        raise Untrusted("The body is not a JSON object.")
    members = {str(name): value for name, value in body.items() if isinstance(value, str)}
    kind = members.get("Type", "")
    if kind not in SIGNED or not members.get("MessageId"):
        raise Untrusted("The body is not an SNS message.")
    if len(members["MessageId"]) > LONGEST_ID:
        raise Untrusted("MessageId is too long.")
    topic, sent_at = members.get("TopicArn", ""), _time(members.get("Timestamp", ""))
    return Message(members["MessageId"], kind, topic, members.get("Message", ""), sent_at, members)


def is_old(message: Message, now: datetime) -> bool:
    """Return whether the message is older than `LONGEST_AGE`, or further than that in the future."""
    return not now - LONGEST_AGE <= message.sent_at <= now + CLOCKS_DIFFER


def check_urls(message: Message) -> None:
    """Check that the URLs to fetch are on SNS's own host in the topic's region. Raises Untrusted."""
    path = _of_sns(message.certificate_url, message.topic)
    if not _CERTIFICATE.fullmatch(path):
        raise Untrusted("SigningCertURL is not an SNS certificate URL.")
    if message.type != NOTIFICATION:
        _of_sns(message.subscribe_url, message.topic)


def check_signature(message: Message, certificate: bytes, now: datetime) -> None:
    """Verify the signature. `certificate`: PEM, from the URL that `check_urls` accepted. Raises Untrusted."""
    made_with = HASHES.get(message.members.get("SignatureVersion", ""))
    if made_with is None:
        raise Untrusted("SignatureVersion is not supported.")
    try:
        signature = base64.b64decode(message.members.get("Signature", ""), validate=True)
        _key(certificate, now).verify(signature, _signed_text(message), PKCS1v15(), made_with())
    except (ValueError, InvalidSignature) as problem:  # ValueError: invalid base64, or text that UTF-8 cannot encode
        raise Untrusted("The signature is not valid.") from problem


def _key(certificate: bytes, now: datetime) -> RSAPublicKey:
    try:
        held = x509.load_pem_x509_certificate(certificate)
    except ValueError as problem:
        raise Untrusted("The certificate can't be read.") from problem
    if not held.not_valid_before_utc <= now <= held.not_valid_after_utc:
        raise Untrusted("The certificate is not valid today.")
    key = held.public_key()
    if not isinstance(key, RSAPublicKey):
        raise Untrusted("The certificate has no RSA key.")
    return key


def _signed_text(message: Message) -> bytes:
    lines = [(name, message.members[name]) for name in SIGNED[message.type] if name in message.members]
    return "".join(f"{name}\n{value}\n" for name, value in lines).encode()


def _of_sns(url: str, topic: str) -> str:
    """Return what follows `https://` and the SNS host of the topic's region, without a port. Raises Untrusted.

    The comparison is literal, since parsers are lenient: Python's drops line breaks, so the fetched URL could differ
    from the parsed one.
    """
    found = _TOPIC.fullmatch(topic)
    if found is None:
        raise Untrusted("TopicArn is not an SNS topic ARN.")
    region = found["region"]
    suffix = dns_suffix(region)
    if not suffix:
        raise Untrusted(f"The host names of region {region} are unknown.")
    start = f"https://sns.{region}.{suffix}"
    if not url.startswith(f"{start}/"):
        raise Untrusted("A URL in the message does not point to Amazon SNS in the topic's region.")
    return url.removeprefix(start)


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise Untrusted("Timestamp is not valid.") from problem
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


SOURCE = "aws.ses"
STATUSES = frozenset({"Sending Status Enabled", "Sending Status Disabled"})
# SES's reference calls it Resolved, AWS's own blog Closed.
FINDINGS = frozenset(f"Advisor Recommendation Status {word}" for word in ("Open", "Resolved", "Closed"))
# The sample in AWS's blog lacks the account ID, so only the end is compared.
_TENANT = re.compile(r"arn:aws[a-z-]*:ses:(?P<region>[a-z0-9-]*):[0-9]*:tenant/(?P<name>[A-Za-z0-9_-]{1,64})(/.*)?")


@dataclass(frozen=True)
class TenantEvent:
    kind: str
    region: str
    names: tuple[str, ...]

    @property
    def is_of_findings(self) -> bool:
        return self.kind in FINDINGS


def read_event(text: str) -> TenantEvent | None:
    """Parse an event; None if it isn't about a tenant's status. Never raises, since a publisher can send anything."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("source") != SOURCE:
        return None
    kind, resources = event.get("detail-type"), event.get("resources")
    if not isinstance(kind, str) or kind not in STATUSES | FINDINGS or not isinstance(resources, list):
        return None
    found = [match for each in resources if isinstance(each, str) and (match := _TENANT.fullmatch(each))]
    region = next((match["region"] for match in found), "") or str(event.get("region", ""))
    return TenantEvent(kind, region, tuple(dict.fromkeys(match["name"] for match in found)))
