"""SES events received by SNS: signed, from our topic, once, in time, and only as a trigger to read from SES."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from sandbox.process import Sandbox
from tenants.events import gateway as events_gateway
from tenants.events import services as events_services
from tenants.models.reputation import SesEvent
from tenants.models.tenants import Tenant
from tenants.reputation import selectors as reputation_selectors
from tests.tenants.factories import make_tenant, set_up_tenant

pytestmark = pytest.mark.django_db

TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses-events"
OPEN = "Advisor Recommendation Status Open"
DISABLED = "Sending Status Disabled"


@pytest.fixture(autouse=True)
def our_topic(settings: Settings) -> None:
    cache.clear()
    settings.SNS_TOPIC_ARNS = (TOPIC,)


@pytest.fixture
def tenant(sandbox: Sandbox) -> Tenant:
    made = set_up_tenant()
    ProcrastinateJob.objects.all().delete()
    return made


def _post(message: Any) -> Any:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    # SNS sends its JSON as text/plain
    return Client(enforce_csrf_checks=True).generic(
        "POST", reverse("tenants:events"), body, content_type="text/plain; charset=UTF-8"
    )


def _jobs() -> set[str]:
    return set(ProcrastinateJob.objects.values_list("task_name", flat=True))


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (OPEN, {"tenants.read", "tenants.find_out"}),
        ("Advisor Recommendation Status Resolved", {"tenants.read", "tenants.find_out"}),
        ("Advisor Recommendation Status Closed", {"tenants.read", "tenants.find_out"}),
        (DISABLED, {"tenants.read"}),
        ("Sending Status Enabled", {"tenants.read"}),
    ],
)
def test_an_event_triggers_a_read_and_sets_no_status(
    kind: str, expected: set[str], version: str, tenant: Tenant, sandbox: Sandbox
) -> None:
    answer = _post(sandbox.control.sns_event(TOPIC, tenant.name, kind, version))
    assert answer.status_code == 200
    assert _jobs() == expected
    event = SesEvent.objects.get()
    assert (event.kind, event.about, event.tenant, event.effect) == (
        kind,
        tenant.name,
        tenant,
        "triggered a read from SES",
    )
    after = Tenant.objects.get(pk=tenant.pk)
    assert (after.aggregate, after.standing, after.open_high) == (tenant.aggregate, tenant.standing, 0)


def test_a_duplicate_message_does_nothing(tenant: Tenant, sandbox: Sandbox) -> None:
    message = sandbox.control.sns_event(TOPIC, tenant.name, OPEN)
    _post(message)
    ProcrastinateJob.objects.all().delete()
    answer = _post(message)
    assert (answer.status_code, answer.text) == (200, "duplicate\n")
    assert not _jobs()


@pytest.mark.parametrize("away", [timedelta(hours=1, minutes=1), timedelta(minutes=-10)])
def test_a_message_that_is_too_old_or_from_the_future_does_nothing(
    away: timedelta, tenant: Tenant, sandbox: Sandbox
) -> None:
    message = sandbox.control.sns_event(TOPIC, tenant.name, OPEN)
    effect = events_services.receive_message(json.dumps(message).encode(), now=timezone.now() + away)
    assert effect == events_services.EventEffect.OLD
    assert not _jobs()
    assert not SesEvent.objects.exists()


def _changed(name: str, value: str) -> Callable[[dict[str, str]], None]:
    return lambda message: message.update({name: value})


FORGED = {
    "another text": _changed("Message", "{}"),
    "another time": _changed("Timestamp", "2026-11-24T12:00:00.000Z"),
    "another id": _changed("MessageId", "00000000-0000-0000-0000-000000000000"),
    "an unsigned subject": _changed("Subject", "Hello"),
    "no signature": _changed("Signature", ""),
    "a signature that isn't base64": _changed("Signature", "?"),
    "another signature": _changed("Signature", base64.b64encode(b"x" * 256).decode()),
    "an unknown version": _changed("SignatureVersion", "3"),
    "the other version": _changed("SignatureVersion", "1"),
    "another topic": _changed("TopicArn", "arn:aws:sns:eu-west-1:999999999999:ses-events"),
    "another type": _changed("Type", "Other"),
    "an id that is too long": _changed("MessageId", "x" * 101),
    "no time": _changed("Timestamp", "yesterday"),
    "a signature of other letters": _changed("Signature", "é"),
    "half a letter": _changed("Message", "\ud800"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_message_without_a_valid_sns_signature_is_refused(what: str, tenant: Tenant, sandbox: Sandbox) -> None:
    message = sandbox.control.sns_event(TOPIC, tenant.name, OPEN)
    FORGED[what](message)
    assert _post(message).status_code == 403
    assert not _jobs()
    assert not SesEvent.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/SimpleNotificationService-5a9db0c4.pem",
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-5a9db0c4.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-5a9db0c4.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-5a9db0c4.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-5a9db0c4.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-5a9db0c4.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-5a9db0c4.pem",
        "https://sns.eu-west-1.amazonaws.com/anything-else.pem",
        "https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-5a9db0c4.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-5a9db0c4.pem?\ud800",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-5a9d\nb0c4.pem",
        "file:///etc/passwd",
        "https://[",
        "",
    ],
)
def test_a_certificate_is_only_fetched_from_sns(
    url: str, tenant: Tenant, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(events_gateway, "fetch_certificate", fetched.append)
    message = {**sandbox.control.sns_event(TOPIC, tenant.name, OPEN), "SigningCertURL": url}
    assert _post(message).status_code == 403
    assert fetched == []


def test_a_certificate_is_fetched_once_and_fetches_are_rate_limited(tenant: Tenant, sandbox: Sandbox) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(events_services.FETCHES_A_MINUTE + 2):
            assert _post(sandbox.control.sns_event(TOPIC, tenant.name, DISABLED)).status_code == 200
        assert cache.get(f"sns-certificates-fetched:{timezone.now():%Y%m%d%H%M}") == 1
        answers = [
            _post(_message_with_certificate(sandbox, tenant, number)).status_code
            for number in range(events_services.FETCHES_A_MINUTE)
        ]
        assert answers[-1] == 429
        assert 200 not in answers
        clock.shift(timedelta(minutes=1))
        assert _post(_message_with_certificate(sandbox, tenant, 99)).status_code != 429


def _message_with_certificate(sandbox: Sandbox, tenant: Tenant, number: int) -> dict[str, str]:
    """Return a signed message that names another certificate than the signer's."""
    url = f"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{number}.pem"
    return {**sandbox.control.sns_event(TOPIC, tenant.name, DISABLED), "SigningCertURL": url}


def test_sns_is_asked_to_retry_if_the_certificate_cannot_be_fetched(
    tenant: Tenant, sandbox: Sandbox, settings: Settings
) -> None:
    message = sandbox.control.sns_event(TOPIC, tenant.name, OPEN)
    endpoint, settings.AWS_ENDPOINT_URL = settings.AWS_ENDPOINT_URL, "http://127.0.0.1:9"
    assert _post(message).status_code == 503
    assert not SesEvent.objects.exists()
    settings.AWS_ENDPOINT_URL = endpoint
    assert _post(message).status_code == 200
    assert _jobs()


def test_every_message_is_refused_if_no_topic_is_configured(
    tenant: Tenant, sandbox: Sandbox, settings: Settings
) -> None:
    settings.SNS_TOPIC_ARNS = ()
    assert _post(sandbox.control.sns_event(TOPIC, tenant.name, OPEN)).status_code == 403


def test_a_subscription_to_our_topic_is_confirmed_once(sandbox: Sandbox) -> None:
    message = sandbox.control.sns_confirmation(TOPIC)
    assert _post(message).text == "confirmed\n"
    assert sandbox.control.sns_confirmed() == (TOPIC,)
    assert _post(message).text == "duplicate\n"


def test_a_subscription_to_another_topic_is_not_confirmed(sandbox: Sandbox) -> None:
    assert _post(sandbox.control.sns_confirmation(TOPIC.replace("ses-events", "theirs"))).status_code == 403
    assert sandbox.control.sns_confirmed() == ()


def test_a_failed_confirmation_is_repeated_when_sns_retries(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    message = sandbox.control.sns_confirmation(TOPIC)
    topics = dict(_tokens())
    _tokens().clear()
    assert _post(message).status_code == 503
    _tokens().update(topics)
    assert _post(message).text == "confirmed\n"


def _tokens() -> dict[str, str]:
    from sandbox.aws.state import WORLD

    return WORLD.sns_tokens


def test_a_subscribe_url_at_another_host_is_not_called(sandbox: Sandbox) -> None:
    message = {**sandbox.control.sns_confirmation(TOPIC), "SubscribeURL": "https://evil.example/?Token=1"}
    assert _post(message).status_code == 403


def test_an_event_for_an_unknown_tenant_is_stored_and_triggers_nothing(tenant: Tenant, sandbox: Sandbox) -> None:
    message = sandbox.control.sns_event(TOPIC, tenant.name, OPEN)
    Tenant.objects.filter(pk=tenant.pk).update(region="us-east-1")
    assert _post(message).status_code == 200
    assert SesEvent.objects.get().effect == "unknown tenant"
    assert not _jobs()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"[" * 60_000, b"\xff\xfe", b'{"Type": 3}'])
def test_a_malformed_body_is_refused(body: bytes) -> None:
    assert _post(body).status_code == 403


def test_a_body_that_is_too_large_is_refused() -> None:
    assert _post(b"x" * (512 * 1024 + 1)).status_code == 413


def test_a_get_request_is_redirected() -> None:
    answer: HttpResponse = Client().get(reverse("tenants:events"))  # type: ignore[assignment]  # the client's own
    assert answer.status_code == 302


def test_tenants_are_found_by_the_names_in_an_event(sandbox: Sandbox, tenant: Tenant) -> None:
    other = make_tenant()
    found = reputation_selectors.named([tenant.name, other.name, "nobody"])
    assert set(found) == {tenant, other}
