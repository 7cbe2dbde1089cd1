"""A test message to a webhook: what came back, in words and in numbers."""

import json
import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from alerts.services import posting
from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import RateLimited, Refused
from receipt_rules.models import Endpoint, EndpointType

TEST_EVERY_SECONDS = 10


@dataclass(frozen=True)
class Tried:
    """`status` None: no answer came."""

    is_good: bool
    sentence: str
    milliseconds: int
    status: int | None = None


def send_test(*, endpoint: Endpoint) -> Tried:
    """Raises Refused (ENDPOINT_NOT_TESTABLE) for one that forwards mail: the operator's function does that.

    RateLimited for another within seconds: else it would be a way to make us knock at somebody's door without an end.
    """
    if endpoint.type != EndpointType.WEBHOOK:
        raise Refused(
            "Only a webhook can be tested from here: mail is forwarded by the function that receives it. "
            "Send a message to one of its addresses instead.",
            code="ENDPOINT_NOT_TESTABLE",
        )
    with slow_work.place(customer=endpoint.customer_id):
        return _send(endpoint)


def _send(endpoint: Endpoint) -> Tried:
    if not cache.add(f"endpoint-test:{endpoint.pk}", 1, TEST_EVERY_SECONDS):
        said = f"A test can be sent every {TEST_EVERY_SECONDS} seconds."
        raise RateLimited(said, retry_after=TEST_EVERY_SECONDS)
    begun = time.monotonic()
    try:
        reply = posting.post(str(endpoint.config["url"]), json.dumps(_body(endpoint)), _headers(endpoint))
    except posting.NotDelivered as problem:
        return Tried(is_good=False, sentence=str(problem), milliseconds=_since(begun))
    said = "took the test message" if reply.is_taken else "answered, but did not take the test message"
    return Tried(reply.is_taken, f"The webhook {said} ({reply.status}).", _since(begun), reply.status)


def _body(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "event": "email.received",
        "timestamp": timezone.now().isoformat(timespec="seconds"),
        "test": True,
        "endpoint": {"id": endpoint.pk, "name": endpoint.name, "type": endpoint.type},
    }


def _headers(endpoint: Endpoint) -> dict[str, str]:
    own = {str(name): str(value) for name, value in endpoint.config.get("headers", {}).items()}
    return own | {
        "Content-Type": "application/json",
        "User-Agent": f"{settings.SITE_NAME} webhooks",
        "X-Webhook-Event": "email.received",
        "X-Endpoint-ID": endpoint.pk,
    }


def _since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)
