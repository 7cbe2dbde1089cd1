"""An own DKIM key (BYODKIM) that was in SES before the customer held the domain: who made it can sign mail as it."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, User
from audit.models import Change
from domains.announcements import services as announcements_services
from domains.identity import services as identity_services
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.settings import services as settings_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import Refused
from notifications.models.alerts import LIVE, Alert
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_verified

pytestmark = pytest.mark.django_db
OWN_KEY = {"DomainSigningSelector": "former", "DomainSigningPrivateKey": "MIIE"}


def make_identity(**attributes: str) -> None:
    aws.client("sesv2").create_email_identity(EmailIdentity="shop.com", DkimSigningAttributes={**attributes})


def dkim_in_ses() -> Any:
    return aws.client("sesv2").get_email_identity(EmailIdentity="shop.com")["DkimAttributes"]


def own_key_domain(customer: Customer) -> Domain:
    """Return a domain whose owner gave SES a key of their own."""
    make_identity(**OWN_KEY)
    key = {"dkim_tokens": ["former"], "own_dkim_key": True, "dkim_origin": "EXTERNAL"}
    return make_verified("shop.com", customer=customer, **key)


@pytest.fixture
def bob(sandbox: Sandbox) -> User:
    return make_member(make_customer("Bob"))


@pytest.fixture
def bobs(bob: User) -> Domain:
    """Bob gets the domain that Alice's people set up with their own key."""
    domain = own_key_domain(make_customer("Alice"))
    overrides_services.transfer(domain=domain, to=bob.customers.get(), because="sold", actor=make_staff())
    return Domain.objects.get(pk=domain.pk)


def open_alerts() -> list[tuple[str, str]]:
    return list(Alert.objects.filter(kind="domain.former_key", state__in=LIVE).values_list("customer_id", "why"))


def rotate(domain: Domain, actor: User) -> Domain:
    settings_services.rotate_dkim(domain=domain, actor=actor, because="It was the former owner's.")
    settings_services.apply_settings(domain_id=domain.pk)
    return Domain.objects.get(pk=domain.pk)


def test_the_new_holder_is_told_which_record_to_remove_and_signing_goes_on(bobs: Domain) -> None:
    assert bobs.former_dkim_key
    ((customer, why),) = open_alerts()
    assert customer == bobs.customer_id
    assert "former._domainkey.shop.com" in why
    assert dkim_in_ses()["SigningAttributesOrigin"] == "EXTERNAL", "a switch would send mail unsigned without notice"


def test_a_transfer_with_keys_of_ses_asks_for_nothing(bob: User) -> None:
    make_identity()
    domain = make_verified("shop.com", dkim_tokens=["a", "b", "c"])
    overrides_services.transfer(domain=domain, to=bob.customers.get(), because="sold", actor=make_staff())
    assert not Domain.objects.get(pk=domain.pk).former_dkim_key
    assert open_alerts() == []


def test_the_new_holder_replaces_the_key_with_keys_of_ses(bobs: Domain, bob: User) -> None:
    domain = rotate(bobs, bob)
    found = dkim_in_ses()
    assert (found["SigningAttributesOrigin"], found["Tokens"]) == ("AWS_SES", domain.dkim_tokens)
    assert len(domain.dkim_tokens) == 3
    assert (domain.own_dkim_key, domain.former_dkim_key, domain.new_dkim_wanted) == (False, False, False)
    assert [record.type for record in domain.records if record.key.startswith("dkim-")] == ["CNAME"] * 3
    assert open_alerts() == []
    assert Change.objects.get(what="domain.new_dkim").before == {"dkim_tokens": ["former"]}


def test_a_lost_answer_to_the_replacement_is_read_the_next_time(bobs: Domain, bob: User, sandbox: Sandbox) -> None:
    settings_services.rotate_dkim(domain=bobs, actor=bob, because="It was the former owner's.")
    aws.client("sesv2").put_email_identity_dkim_signing_attributes(
        EmailIdentity="shop.com", SigningAttributesOrigin="AWS_SES"
    )
    sandbox.control.clear_calls()
    settings_services.apply_settings(domain_id=bobs.pk)
    domain = Domain.objects.get(pk=bobs.pk)
    assert "sesv2.PutEmailIdentityDkimSigningAttributes" not in sandbox.control.call_counts()
    assert (domain.own_dkim_key, domain.former_dkim_key) == (False, False)
    assert domain.dkim_tokens == dkim_in_ses()["Tokens"]


def test_a_key_that_the_owner_gave_ses_is_not_replaced(bob: User) -> None:
    domain = own_key_domain(bob.customers.get())
    with pytest.raises(Refused, match="BYODKIM"):
        settings_services.rotate_dkim(domain=domain, actor=bob, because="x")


def test_another_own_key_in_ses_ends_the_warning(bobs: Domain) -> None:
    aws.client("sesv2").put_email_identity_dkim_signing_attributes(
        EmailIdentity="shop.com",
        SigningAttributesOrigin="EXTERNAL",
        SigningAttributes={**OWN_KEY, "DomainSigningSelector": "mine"},
    )
    identity_status_services.read_statuses([bobs], now=timezone.now())
    bobs.refresh_from_db()
    assert (bobs.dkim_tokens, bobs.own_dkim_key, bobs.former_dkim_key) == (["mine"], True, False)
    assert open_alerts() == []


def test_a_wish_for_new_keys_does_not_replace_an_own_key_that_came_meanwhile(bob: User) -> None:
    make_identity()
    domain = make_verified("shop.com", customer=bob.customers.get(), dkim_tokens=dkim_in_ses()["Tokens"])
    settings_services.rotate_dkim(domain=domain, actor=bob, because="leaked")
    aws.client("sesv2").put_email_identity_dkim_signing_attributes(
        EmailIdentity="shop.com", SigningAttributesOrigin="EXTERNAL", SigningAttributes={**OWN_KEY}
    )
    settings_services.apply_settings(domain_id=domain.pk)
    assert dkim_in_ses()["SigningAttributesOrigin"] == "EXTERNAL"


@pytest.mark.parametrize("own", [True, False])
def test_the_key_of_an_identity_that_a_proof_adopts_is_a_former_owners(bob: User, own: bool) -> None:
    make_identity(**(OWN_KEY if own else {}))
    domain = make_domain("shop.com", customer=bob.customers.get(), stage=Stage.STARTING)
    Domain.objects.update(claim_proven_at=domain.proven_at)
    identity_services.set_up(domain_id=domain.pk)
    domain.refresh_from_db()
    assert (domain.adopted, domain.former_dkim_key) == (True, own)


def test_the_pages_say_it_and_offer_the_replacement(bobs: Domain, bob: User) -> None:
    client = Client()
    client.force_login(bob)
    assert "former._domainkey.shop.com" in client.get(reverse("domains:detail", args=[bobs.pk])).text
    assert "Replace DKIM key" in client.get(reverse("domains:settings", args=[bobs.pk])).text
    Domain.objects.update(former_dkim_key=False)
    assert "former._domainkey" not in client.get(reverse("domains:detail", args=[bobs.pk])).text
    card = client.get(reverse("domains:settings", args=[bobs.pk])).text.partition('id="keys"')[2]
    assert "<button" not in card.partition("</section>")[0]


def test_the_record_of_the_former_key_is_named_as_dns_has_it(client: Client) -> None:
    customer = make_customer("Bob")
    key = {"dkim_tokens": ["former"], "own_dkim_key": True, "former_dkim_key": True, "dkim_origin": "EXTERNAL"}
    domain = make_verified("xn--bcher-kva.de", customer=customer, **key)
    announcements_services.update_former_key_alert(domain)
    [(_, why)] = open_alerts()
    client.force_login(make_member(customer))
    for text in (why, client.get(reverse("domains:detail", args=[domain.pk])).text):
        assert "former._domainkey.xn--bcher-kva.de" in text
