"""The case page: everything about a domain that support needs, for staff alone."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from audit import services as audit_services
from domains.domain_list.selectors import domain_subject
from domains.models.domains import Domain
from tests.domains.making import make_domain
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    customer = make_customer("Alice Ltd")
    make_member(customer, email="alice@alice.com")
    return make_domain("shop.com", customer=customer)


def page(client: Client, domain: Domain) -> str:
    return client.get(reverse("operations:case", args=[domain.pk])).content.decode()


def test_support_sees_whose_it_is_and_what_happened(client: Client, domain: Domain) -> None:
    audit_services.record("domain.note", about=domain_subject(domain), actor=None, because="Called us", for_staff=True)
    client.force_login(make_staff(Role.SUPPORT))
    text = page(client, domain)
    for said in ("Alice Ltd", "alice@alice.com", "No tenant", "Called us", "postmaster@shop.com"):
        assert said in text, said


def test_the_diagnosis_comes_into_the_page_by_itself(client: Client, domain: Domain) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    assert f'hx-get="{reverse("domains:diagnosis", args=[domain.pk])}"' in page(client, domain)


def test_the_one_box_leads_staff_to_the_case_and_customers_to_the_records(client: Client, domain: Domain) -> None:
    client.force_login(make_staff(Role.SUPPORT))
    answer = client.get(reverse("operations:find"), {"q": "shop.com"})
    assert answer["Location"] == reverse("operations:case", args=[domain.pk])
    client.force_login(domain.customer.members.get())
    answer = client.get(reverse("operations:find"), {"q": "shop.com"})
    assert answer["Location"] == reverse("domains:detail", args=[domain.pk])


def test_who_acts_follows_the_judgement_of_receiving(client: Client, domain: Domain) -> None:
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
