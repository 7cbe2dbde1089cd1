"""AWS's events as SNS posts them to an HTTPS endpoint, signed with the sandbox's own key and certificate."""

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from urllib.parse import parse_qs, urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sandbox.aws.state import WORLD, RegionState, Tenant

CERTIFICATE_PATH = "/SimpleNotificationService-5a9db0c4.pem"
CONFIRM = "Action=ConfirmSubscription&"
HASHES = {"1": SHA1, "2": SHA256}


def event_about(state: RegionState, tenant: Tenant, detail_type: str, now: datetime) -> dict[str, object]:
    """Return EventBridge's event. Its detail may contain anything, since nobody should trust it."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": "aws.ses",
        "account": state.account_id,
        "time": stamp,
        "region": state.region,
        "resources": [tenant.arn],
        "detail": {"version": "1.0.0", "data": {"origin": "CUSTOMER_MANAGED"}},
    }


def notification(topic: str, event: Mapping[str, object], now: datetime, version: str) -> dict[str, str]:
    text = json.dumps(event)
    return _signed({"Type": "Notification", "Message": text}, topic, now, version)


def confirmation(topic: str, now: datetime, version: str) -> dict[str, str]:
    token = uuid.uuid4().hex * 4
    WORLD.sns_tokens[token] = topic
    asked = urlencode({"Action": "ConfirmSubscription", "TopicArn": topic, "Token": token})
    message = {
        "Type": "SubscriptionConfirmation",
        "Message": f"You have chosen to subscribe to the topic {topic}.",
        "Token": token,
        "SubscribeURL": f"https://{_host(topic)}/?{asked}",
    }
    return _signed(message, topic, now, version)


def confirm(query: str) -> tuple[str, bytes]:
    """Return status and body of the SubscribeURL; moto has no such call without a signature."""
    asked = {name: values[0] for name, values in parse_qs(query).items()}
    topic = WORLD.sns_tokens.get(asked.get("Token", ""))
    if topic is None or topic != asked.get("TopicArn"):
        return "400 Bad Request", b"<ErrorResponse><Error><Code>InvalidParameter</Code></Error></ErrorResponse>"
    WORLD.sns_confirmed.add(topic)
    subscription = f"<SubscriptionArn>{topic}:{uuid.uuid4()}</SubscriptionArn>"
    result = f"<ConfirmSubscriptionResult>{subscription}</ConfirmSubscriptionResult>"
    return "200 OK", f"<ConfirmSubscriptionResponse>{result}</ConfirmSubscriptionResponse>".encode()


def _signed(message: Mapping[str, str], topic: str, now: datetime, version: str) -> dict[str, str]:
    members = {
        **message,
        "MessageId": str(uuid.uuid4()),
        "TopicArn": topic,
        "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03}Z",
    }
    text = "".join(f"{name}\n{members[name]}\n" for name in sorted(members))
    signature = _key().sign(text.encode(), PKCS1v15(), HASHES[version]())
    return {
        **members,
        "SignatureVersion": version,
        "Signature": base64.b64encode(signature).decode(),
        "SigningCertURL": f"https://{_host(topic)}{CERTIFICATE_PATH}",
        "UnsubscribeURL": f"https://{_host(topic)}/?Action=Unsubscribe",
    }


def _host(topic: str) -> str:
    return f"sns.{topic.split(':')[3]}.amazonaws.com"


@cache
def _key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def certificate(now: datetime) -> bytes:
    """Return the certificate as PEM, valid for a year from yesterday."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(_key().public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
    )
    return made.sign(_key(), SHA256()).public_bytes(Encoding.PEM)
