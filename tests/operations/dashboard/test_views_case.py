"""The case page shows staff everything about a domain that support needs."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from audit import services as audit_services
from domains.domain_list.selectors import domain_subject
from domains.models.domains import Domain
from domains.models.record_checks import DiagnosisRequest
from tenants.customer_notices.core import NOBODY_SENDS
from tenants.models.tenants import SesAccount
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    customer = make_customer("Alice Ltd")
    make_member(customer, email="alice@alice.com")
    return make_domain("shop.com", customer=customer)


def page(client: Client, domain: Domain) -> str:
    return client.get(reverse("operations:case", args=[domain.pk])).content.decode()


def test_support_sees_customer_members_tenant_and_notes(client: Client, domain: Domain) -> None:
    audit_services.record("domain.note", about=domain_subject(domain), actor=None, because="Called us", for_staff=True)
    client.force_login(make_staff(Role.SUPPORT))
    text = page(client, domain)
    for part in ("Alice Ltd", "alice@alice.com", "No tenant", "Called us", "postmaster@shop.com"):
        assert part in text, part


def test_the_page_loads_the_diagnosis(client: Client, domain: Domain) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    assert f'hx-get="{reverse("domains:diagnosis", args=[domain.pk])}"' in page(client, domain)


def test_the_search_redirects_staff_to_the_case_and_customers_to_the_records(client: Client, domain: Domain) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    answer = client.get(reverse("operations:find"), {"q": "shop.com"})
    assert answer["Location"] == reverse("operations:case", args=[domain.pk])
    client.force_login(domain.customer.members.get())
    answer = client.get(reverse("operations:find"), {"q": "shop.com"})
    assert answer["Location"] == reverse("domains:detail", args=[domain.pk])


def test_the_case_shows_who_must_act_on_lost_mail(client: Client, domain: Domain) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    Domain.objects.filter(pk=domain.pk).update(
        stage="ready",
        state="verified",
        identity_status="SUCCESS",
        proven_at=timezone.now(),
        mail_rules={"shop.com": "stopped"},
        mx_facts={"shop.com": "here"},
    )
    text = page(client, domain)
    assert "Mail lost" in text
    assert "Senders get no bounce." in text
    assert "reject" not in text.partition("</main>")[0]
    assert "Our team" in text
    assert "don’t need to do anything" not in text


IN_ORDER = {"stage": "ready", "state": "verified", "identity_status": "SUCCESS", "verified_at": timezone.now()}


def test_the_reply_is_withheld_until_the_diagnosis_ends(client: Client, domain: Domain) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    Domain.objects.filter(pk=domain.pk).update(**IN_ORDER)
    text, url = page(client, domain), reverse("operations:case", args=[domain.pk])
    assert ("case-reply" in text, "comes with the diagnosis" in text) == (False, True)
    assert f'hx-get="{url}?diagnosed=1"' in text
    after = client.get(f"{url}?diagnosed=1").text
    assert ("case-reply" in after, f'hx-get="{url}?diagnosed=1"' in after) == (True, False)


def test_the_end_of_a_diagnosis_triggers_an_event_even_if_it_failed(client: Client, domain: Domain) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    url = reverse("domains:diagnosis", args=[domain.pk])
    begun = client.get(url, {"look": "1"}, headers={"HX-Request": "true"})
    assert "HX-Trigger" not in begun
    DiagnosisRequest.objects.filter(domain=domain).update(ended_at=timezone.now(), problem="It failed.")
    since = f"{timezone.now().timestamp() - 60:.3f}"
    failed = client.get(url, {"look": since}, headers={"HX-Request": "true"})
    assert ("It failed." in failed.text, failed.headers.get("HX-Trigger")) == (True, "diagnosed")


def test_a_suspension_is_the_headline_and_part_of_the_reply(client: Client, domain: Domain) -> None:
    make_tenant(domain.customer, standing="suspended", amazon_status="DISABLED")
    Domain.objects.filter(pk=domain.pk).update(**IN_ORDER)
    client.force_login(make_staff(Role.SUPPORT))
    text = client.get(reverse("operations:case", args=[domain.pk]), {"diagnosed": "1"}).text
    head = text[text.index('id="case"') : text.index('id="diagnosis-title"')]
    assert "Amazon SES has suspended sending for Alice Ltd" in head[: head.index("<dl")]
    assert "Suspended by AWS" in head
    assert "Only Amazon can lift a suspension" in head[head.index("<textarea") :]


@pytest.mark.parametrize("has_tenant", [False, True])
def test_the_reply_says_that_nobody_sends_while_the_account_is_stopped(
    client: Client, domain: Domain, has_tenant: bool
) -> None:
    """A customer that isn't migrated has no tenant, and reads the same in the banner."""
    if has_tenant:
        make_tenant(domain.customer)
    Domain.objects.filter(pk=domain.pk).update(**IN_ORDER)
    client.force_login(make_staff(Role.SUPPORT))
    url = reverse("operations:case", args=[domain.pk])
    account = SesAccount.objects.create(region="eu-west-1", enforcement="SHUTDOWN", sends=True)
    text = client.get(url, {"diagnosed": "1"}).text
    reply = text[text.index('id="case-reply"') : text.index("</textarea>")]
    assert (NOBODY_SENDS in reply, "don’t need to do anything" in reply) == (True, False)
    account.delete()
    text = client.get(url, {"diagnosed": "1"}).text
    assert NOBODY_SENDS not in text


def test_an_unverified_domain_cannot_send_yet(client: Client, domain: Domain) -> None:
    make_tenant(domain.customer)
    Domain.objects.filter(pk=domain.pk).update(**IN_ORDER | {"identity_status": "PENDING", "state": "waiting"})
    client.force_login(make_staff(Role.SUPPORT))
    text = page(client, domain)
    assert "Can’t send yet" in text[: text.index('id="diagnosis-title"')]
