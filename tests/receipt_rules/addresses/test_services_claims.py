"""The same address of two customers: at a domain that isn't proven it refuses nobody, and its owner learns nothing."""

from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer
from audit.models import Change
from domains.models.domains import Domain, Stage
from domains.overrides import services as overrides_services
from domains.ownership import services as ownership_services
from domains.receiving.core import RulesFact
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses import services as addresses_services
from receipt_rules.legacy_import.services import Import, StoredImport, import_address
from receipt_rules.models.addresses import Address
from receipt_rules.planner.services import read_desired_state
from receipt_rules.receiving import services as receiving_services
from receipt_rules.route_lookup.selectors import route_lookup
from sandbox.process import Sandbox
from tests.api_client import api_of
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import (
    live,
    make_address,
    make_endpoint,
    make_mail,
    make_verified,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db
INFO = "info@shop.com"


@pytest.fixture
def alice(sandbox: Sandbox) -> Customer:
    """The owner, who proves the name."""
    return make_customer("Alice")


@pytest.fixture
def squatter(sandbox: Sandbox) -> Customer:
    return make_customer("Bob")


@pytest.fixture
def squatted(squatter: Customer) -> Address:
    """Bob waits for the address at a domain that he hasn't proven."""
    domain = make_verified("shop.com", customer=squatter, verified_at=None, proven_at=None)
    endpoint = make_endpoint(squatter, s3_prefix="bob/")
    add = partial(addresses_services.add_address, text=INFO, customer=squatter, actor=None)
    assert domain.proven_at is None
    return add(endpoint=endpoint, may_wait=True)


def prove(customer: Customer, name: str = "shop.com") -> Domain:
    """Let the customer prove a name that somebody else has added."""
    domain = make_domain(name, customer=customer, stage=Stage.CLAIM, verified_at=None, proven_at=None)
    with transaction.atomic():
        ownership_services.prove(domain)
        domain.stage = Stage.READY
        domain.save()
    return domain


def add_info(customer: Customer, **more: Any) -> Address:
    return addresses_services.add_address(text=INFO, customer=customer, actor=None, **more)


def test_the_owner_adds_the_address_and_alone_receives_its_mail(alice: Customer, squatted: Address) -> None:
    prove(alice)
    hers = add_info(alice, endpoint=make_endpoint(alice, s3_prefix="alice/"))
    set_up_receiving()
    (delivery,) = read_desired_state().desired.entries.values()
    assert next(getattr(action, "prefix", "") for action in delivery.actions) == "alice/"
    (route,) = route_lookup([INFO])
    assert (route.owner, route.customer) == (hers.pk, alice.pk)
    (rule,) = live().ours
    assert rule.recipients == (INFO,)


def test_every_road_that_adds_it_is_as_open_as_without_the_squatter(alice: Customer, squatted: Address) -> None:
    domain, free = prove(alice), "free@shop.com"
    previews = addresses_services.preview_addresses(texts=[INFO, free], customer=alice)
    assert not any(isinstance(each, Refused) for each in previews)
    of = Import(customer=alice, actor=None, because="Moves in", bulk_id="chg_1")
    made, stored = import_address(text=INFO, endpoint=None, is_active=True, of=of)
    assert (stored, made.domain) == (StoredImport.NEW, domain)
    made.delete()
    api = api_of(make_member(alice), "read", "write")
    answers = [api.post("/api/v2/email-addresses", {"address": each, "domainId": domain.pk}) for each in (INFO, free)]
    assert [answer.status_code for answer in answers] == [201, 201]
    same = [{key for key, value in answer.json().items() if value} for answer in answers]
    assert same[0] == same[1]
    body = {"domain": "shop.com", "emailAddresses": [INFO]}
    assert api.post("/api/inbound/configure-email", body).json()["emailAddresses"][0]["address"] == INFO
    assert squatted in Address.objects.filter(domain__customer=squatted.domain.customer)


def test_nothing_of_the_squatter_changes_when_the_owner_adds_it(alice: Customer, squatted: Address) -> None:
    prove(alice)
    bobs = list(Change.objects.filter(customer_id=squatted.domain.customer_id).values_list("what", flat=True))
    add_info(alice)
    assert list(Change.objects.filter(customer_id=squatted.domain.customer_id).values_list("what", flat=True)) == bobs
    squatted.refresh_from_db()
    assert squatted.endpoint is not None


@pytest.mark.parametrize("is_active", [True, False])
def test_the_squatter_does_not_see_that_the_owner_receives_at_it(
    alice: Customer, squatted: Address, is_active: bool
) -> None:
    Address.objects.filter(pk=squatted.pk).update(is_active=is_active)
    prove(alice)
    hers = add_info(alice)
    set_up_receiving()
    receiving_services.record_live_rules(live(), is_ours=True)
    facts = dict(Address.objects.values_list("pk", "rules"))
    assert facts == {hers.pk: RulesFact.CARRIED, squatted.pk: RulesFact.WAITING}


def test_a_refusal_of_ses_is_stored_at_the_owners_address_only(alice: Customer, squatted: Address) -> None:
    prove(alice)
    hers = add_info(alice)
    assert addresses_services.record_refused(recipient=INFO, because="Invalid")
    assert list(Address.objects.exclude(refused_because="")) == [hers]


def test_a_refused_address_of_a_claim_sets_no_address_of_the_owner_aside(alice: Customer, squatted: Address) -> None:
    Address.objects.filter(pk=squatted.pk).update(refused_because="Invalid")
    prove(alice)
    add_info(alice)
    for customers in (None, frozenset({alice.pk}), frozenset({squatted.domain.customer_id})):
        desired = read_desired_state(customers=customers).desired
        assert list(desired.entries) == ([INFO] if customers is None or alice.pk in customers else [])
        assert not desired.refused


def test_a_refusal_at_a_name_that_nobody_holds_is_stored_nowhere(squatted: Address) -> None:
    assert not addresses_services.record_refused(recipient=INFO, because="Invalid")


def test_a_former_claim_that_is_proven_after_all_brings_its_own_addresses(alice: Customer, squatted: Address) -> None:
    hers = prove(alice)
    add_info(alice)
    addresses_services.remove_all(domain=hers, actor=None)
    hers.delete()
    bobs = Domain.objects.get(customer=squatted.domain.customer)
    with transaction.atomic():
        ownership_services.prove(bobs)
        bobs.stage = Stage.READY
        bobs.save()
    (route,) = route_lookup([INFO])
    assert (route.owner, route.customer) == (squatted.pk, bobs.customer_id)


def test_a_transfer_keeps_one_row_of_an_address_that_the_new_customer_has_too(alice: Customer) -> None:
    """Alice had it at the parent domain before Carol proved the subdomain; now she gets the subdomain."""
    shop, mine = make_verified("shop.com", customer=alice), make_endpoint(alice)
    addresses_services.add_address(text="a@eu.shop.com", customer=alice, actor=None, endpoint=mine)
    carol = make_customer("Carol")
    eu = make_verified("eu.shop.com", customer=carol)
    for name in "ab":
        text, endpoint = f"{name}@eu.shop.com", make_endpoint(carol)
        addresses_services.add_address(text=text, customer=carol, actor=None, endpoint=endpoint)
    overrides_services.transfer(domain=eu, to=alice, because="sold", actor=make_staff())
    rows = {(row.address, row.domain.name): row.own_endpoint for row in Address.objects.all()}
    assert rows == {("a@eu.shop.com", "eu.shop.com"): mine, ("b@eu.shop.com", "eu.shop.com"): None}
    gone = Change.objects.get(what="address.removed")
    assert (gone.customer_id, gone.before["address"]) == (alice.pk, "a@eu.shop.com")
    assert Change.objects.get(what="address.changed").after == {"endpoint": mine.name}
    assert "eu.shop.com" not in Domain.objects.get(pk=shop.pk).mail_rules


def test_staff_find_both_and_a_message_leads_to_that_of_its_customer(alice: Customer, squatted: Address) -> None:
    prove(alice)
    hers = add_info(alice)
    client = Client()
    client.force_login(make_staff())
    rows = client.get(reverse("receipt_rules:addresses"), {"q": INFO}).context["page"].object_list
    assert {row.pk for row in rows} == {hers.pk, squatted.pk}
    mail = make_mail(make_endpoint(alice), recipient=INFO)
    page = client.get(reverse("receipt_rules:received_message", args=[mail.pk])).text
    assert reverse("receipt_rules:address", args=[hers.pk]) in page
    assert squatted.pk not in page


def test_one_domain_has_an_address_once_also_in_the_database(squatted: Address, alice: Customer) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_address(INFO, squatted.domain)
    make_address(INFO, make_verified("shop.com", customer=alice, stage=Stage.CLAIM))
