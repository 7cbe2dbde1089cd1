"""A private URL is refused by every call that stores one, in any spelling, outside the sandbox."""

import pytest
from pytest_django import Settings

from notifications.models.webhooks import WebhookTarget
from receipt_rules.models.endpoints import Endpoint
from sandbox.process import Sandbox
from tests.api_client import api_of, ok, refused
from tests.api_rows import make_world
from tests.test_settings import print_settings

pytestmark = pytest.mark.django_db
METADATA = "169.254.169.254"
URLS = [
    f"https://{METADATA}/latest/meta-data/",
    f"http://{METADATA}/latest",
    "https://2852039166/latest",  # decimal
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",  # octal
    "https://169.254.43518/",  # short
    f"https://[::ffff:{METADATA}]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[::1]:8443/",
    "https://127.1/",
    "https://0/",
    "https://10.0.0.8/",
    "https://100.100.100.200/",  # of another cloud
    "https://localhost/",
    "https://LOCALHOST./",
    "https://metadata.google.internal/",
    "https://printer.local/",
    "https://①⑥⑨.254.169.254/",
]


def test_private_addresses_need_the_sandbox_or_a_setting() -> None:
    deployment = {"SANDBOX": "0", "DEBUG": "0", "SECRET_KEY": "of a test"}
    assert print_settings("s.WEBHOOKS_MAY_BE_PRIVATE", **deployment) == "False"
    assert print_settings("s.WEBHOOKS_MAY_BE_PRIVATE", **deployment, WEBHOOKS_MAY_BE_PRIVATE="1") == "True"


def test_no_call_stores_a_private_url(sandbox: Sandbox, settings: Settings) -> None:
    settings.WEBHOOKS_MAY_BE_PRIVATE, settings.API_CALLS_PER_MINUTE = False, 0
    world = make_world()
    alice = api_of(world.alice)
    made = ok(alice.post("/api/v2/webhooks", {"name": "public", "url": "https://hooks.example/"}), 201)
    before = list(WebhookTarget.objects.order_by("pk").values()), list(Endpoint.objects.order_by("pk").values())
    for url in URLS:
        refused(alice.post("/api/v2/webhooks", {"name": "new", "url": url}), 422, "WEBHOOK_URL")
        refused(alice.patch(f"/api/v2/webhooks/{made['id']}", {"url": url}), 422, "WEBHOOK_URL")
        for family in ("v2", "e2", "v1.1"):
            body = {"name": "new", "type": "webhook", "config": {"url": url}}
            refused(alice.post(f"/api/{family}/endpoints", body), 400, "ENDPOINT_CONFIG")
            path = f"/api/{family}/endpoints/{world.endpoint.pk}"
            refused(alice.put(path, {"config": {"url": url}}), 400, "ENDPOINT_CONFIG")
    after = list(WebhookTarget.objects.order_by("pk").values()), list(Endpoint.objects.order_by("pk").values())
    assert after == before
