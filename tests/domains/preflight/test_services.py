"""Adding a domain, from the pasted text to the identity in the sandbox's SES."""

import pytest

from domains.checking import services as checking_services
from domains.identity import services as identity_services
from domains.models.domains import Stage
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import Refused
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, publish, set_up_domain
from tests.factories import make_customer

pytestmark = pytest.mark.django_db


def test_setup_takes_at_most_four_calls(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox, "shop.example.co.uk")
    assert domain.stage == Stage.READY
    assert [record.key for record in domain.records] == [
        "identity",
        "dkim-1",
        "dkim-2",
        "dkim-3",
        "mail-from-mx",
        "mail-from-spf",
        "apex-spf",
        "dmarc",
    ]
    assert domain.ses_mail_from == "bounce.shop.example.co.uk"
    assert sum(sandbox.control.call_counts().values()) <= 4


def test_a_domain_is_verified_once_its_records_are_published(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    publish(sandbox, domain)
    sandbox.control.tick()
    checking_services.check_now(domain=domain)
    domain.refresh_from_db()
    assert domain.state == "verified", domain.summary


def test_another_customers_domain_is_refused_without_naming_them(sandbox: Sandbox) -> None:
    held = make_domain("shop.com", customer=make_customer("Alice Ltd"))
    with pytest.raises(Refused) as refused:
        preflight_services.add(text=held.name, customer=make_customer("Bob Ltd"), actor=None)
    assert "Alice" not in str(refused.value)
    assert refused.value.code == "DOMAIN_ALREADY_REGISTERED"


@pytest.mark.parametrize("name", ["shop.alice.com", "deep.shop.alice.com"])
def test_a_name_below_another_customers_domain_must_be_proven(sandbox: Sandbox, name: str) -> None:
    make_domain("alice.com", customer=make_customer("Alice Ltd"))
    domain = preflight_services.add(text=name, customer=make_customer("Bob Ltd"), actor=None)
    assert domain.stage == Stage.CLAIM
    identity_services.set_up(domain_id=domain.id)
    assert sandbox.control.write_calls() == ()


def test_an_existing_identity_must_be_proven(sandbox: Sandbox) -> None:
    from inbound_admin.lib import aws

    aws.client("sesv2").create_email_identity(EmailIdentity="old.com")
    domain = set_up_domain(sandbox, "old.com")
    assert domain.stage == Stage.CLAIM
    assert domain.dkim_tokens == []
