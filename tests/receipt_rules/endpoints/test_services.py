"""Endpoints: what each type requires, and that none is removed while it is in use."""

from typing import Any

import pytest
from pytest_django import Settings
from standardwebhooks import Webhook

from audit.models import Change
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.selectors import used_by
from receipt_rules.endpoints import services as endpoints_services
from receipt_rules.endpoints.services import SesOptions
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.runs import PendingChange
from tests.factories import make_customer, make_member
from tests.notifications.factories import run_receiver
from tests.receipt_rules.factories import make_address, make_endpoint, make_operator, make_verified

pytestmark = pytest.mark.django_db
HOOK = {"url": "https://alice.example/mail?key=1"}


@pytest.mark.parametrize(
    ("kind", "config", "stored"),
    [
        ("webhook", {"url": " https://a.example/x ", "else": 1}, {"url": "https://a.example/x"}),
        ("email", {"address": " alice@a.example "}, {"address": "alice@a.example"}),
        (
            "email_group",
            {"addresses": "a@a.example, b@a.example\n\na@a.example"},
            {"addresses": ["a@a.example", "b@a.example"]},
        ),
    ],
)
def test_each_type_stores_only_its_own_settings(kind: str, config: dict[str, Any], stored: dict[str, Any]) -> None:
    made = endpoints_services.add_endpoint(customer=make_customer(), name="Desk", type=kind, config=config, actor=None)
    assert made.config == stored


def test_an_email_group_has_at_most_fifty_addresses() -> None:
    customer, members = make_customer(), [f"member{number}@a.example" for number in range(51)]

    def add(number: int) -> Endpoint:
        config = {"addresses": members[:number]}
        return endpoints_services.add_endpoint(
            customer=customer, name=f"{number}", type="email_group", config=config, actor=None
        )

    assert len(add(50).config["addresses"]) == 50
    with pytest.raises(Refused, match="between 1 and 50"):
        add(51)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("webhook", {}),
        ("webhook", {"url": "http://a.example"}),
        ("webhook", {"url": "https://user:secret@a.example"}),
        ("webhook", {"url": "https://"}),
        ("webhook", {"url": "https://a.example:99999/"}),
        ("webhook", {"url": "javascript:alert(1)"}),
        ("webhook", {"url": "https://127.1/"}),
        ("webhook", {"url": "https://2852039166/latest/meta-data"}),
        ("webhook", {"url": "https://[::ffff:169.254.169.254]/"}),
        ("webhook", {"url": "https://metadata.google.internal/"}),
        ("webhook", {"url": "https://localhost./"}),
        ("email", {"address": "nobody"}),
        ("email", {"address": f"a@{'é' * 60}.example"}),  # no label in DNS is so long
        ("email", {"address": "a@\ud83d.example"}),
        ("email_group", {"addresses": []}),
        ("email_group", {"addresses": ["a@a.example", "nobody"]}),
        ("pigeon", {}),
    ],
)
def test_an_invalid_endpoint_is_refused(kind: str, config: dict[str, Any], settings: Settings) -> None:
    settings.WEBHOOKS_MAY_BE_PRIVATE = False
    with pytest.raises(Refused):
        endpoints_services.add_endpoint(customer=make_customer(), name="Desk", type=kind, config=config, actor=None)
    assert not Endpoint.objects.exists()


def test_a_name_is_unique_within_a_customer_regardless_of_case() -> None:
    alice = make_customer("Alice")
    endpoints_services.add_endpoint(customer=alice, name="Desk", type="webhook", config=HOOK, actor=None)
    endpoints_services.add_endpoint(customer=make_customer("Bob"), name="Desk", type="webhook", config=HOOK, actor=None)
    with pytest.raises(Refused, match="already"):
        endpoints_services.add_endpoint(customer=alice, name=" desk ", type="webhook", config=HOOK, actor=None)


def test_a_change_log_entry_contains_only_the_changed_fields() -> None:
    row = make_endpoint()
    endpoints_services.change_endpoint(endpoint=row, actor=make_member(row.customer), config=HOOK, is_active=False)
    change = Change.objects.get(what="endpoint.changed")
    assert (change.before["is_active"], change.after["is_active"]) == (True, False)
    assert "name" not in change.after
    assert not PendingChange.objects.exists()  # the receipt rules don't depend on it


def test_an_endpoint_in_use_is_not_removed() -> None:
    domain = make_verified("shop.com")
    row = make_endpoint(domain.customer)
    address = make_address("a@shop.com", domain, endpoint=row)
    with pytest.raises(Refused, match=r"used by a@shop\.com"):
        endpoints_services.remove_endpoint(endpoint=row, actor=None)
    address.delete()
    endpoints_services.remove_endpoint(endpoint=row, actor=None)
    assert not Endpoint.objects.exists()
    assert Change.objects.get().what == "endpoint.removed"


def test_one_that_only_rows_of_a_former_domain_have_is_removed() -> None:
    domain = make_verified("shop.com")
    row = make_endpoint(domain.customer)
    address = make_address("a@shop.com", domain, endpoint=row)
    domain.customer = make_customer()
    domain.save()
    assert used_by(row) == ()
    endpoints_services.remove_endpoint(endpoint=row, actor=None)
    address.refresh_from_db()
    assert address.endpoint is None


def test_only_operators_can_change_the_storage_of_an_endpoint() -> None:
    row = make_endpoint()
    with pytest.raises(Refused, match="operators"):
        endpoints_services.change_endpoint(
            endpoint=row, actor=make_member(row.customer), ses=SesOptions(s3_bucket="another-bucket")
        )
    endpoints_services.change_endpoint(endpoint=row, actor=make_operator(), ses=SesOptions(s3_bucket="another-bucket"))
    row.refresh_from_db()
    assert row.s3_bucket == "another-bucket"
    assert PendingChange.objects.get().customer == row.customer


@pytest.mark.parametrize(
    "ses", [SesOptions(s3_bucket="No Bucket"), SesOptions(lambda_arn="arn:aws:sns:eu-west-1:123456789012:x")]
)
def test_settings_that_ses_would_refuse_are_refused_before_the_call(ses: SesOptions) -> None:
    with pytest.raises(Refused):
        endpoints_services.change_endpoint(endpoint=make_endpoint(), actor=make_operator(), ses=ses)


def test_a_test_message_is_signed_and_has_the_token_as_mail_does(settings: Settings) -> None:
    settings.WEBHOOKS_MAY_BE_PRIVATE = True
    secret, token = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "t0ken"
    with run_receiver() as receiver:
        config = {"url": receiver.url, "signing_secret": secret, "verification_token": token}
        endpoint = make_endpoint(make_customer(), config=config)
        assert endpoints_services.send_test(endpoint=endpoint, actor=None).is_good
        plain = make_endpoint(endpoint.customer, config={"url": receiver.url})
        endpoints_services.send_test(endpoint=plain, actor=None)
    signed, bare = receiver.received
    assert Webhook(secret).verify(signed.body, signed.headers)["test"] is True
    assert signed.headers["x-webhook-verification-token"] == token
    assert not {"webhook-signature", "x-webhook-verification-token"} & set(bare.headers)
    assert signed.headers["idempotency-key"] == signed.headers["webhook-id"] != bare.headers["idempotency-key"]


def test_a_test_message_with_a_signing_secret_that_was_never_valid_is_refused() -> None:
    endpoint = make_endpoint(make_customer(), config={**HOOK, "signing_secret": "not base64!"})
    with pytest.raises(Refused, match="signing secret isn't valid"):
        endpoints_services.send_test(endpoint=endpoint, actor=None)
