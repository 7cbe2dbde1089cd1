"""From no address to mail that arrives: the MX is asked for last, and red wherever nothing stands behind it."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from time_machine import travel

from accounts.models.people import Customer
from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.models.domains import Domain
from domains.receiving.core import ReceivingState
from inbound_admin.lib import aws
from notifications.models.alerts import Alert
from receipt_rules.addresses import services as addresses_services
from receipt_rules.addresses.selectors import SHOWN
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.receiving import services as receiving_services
from sandbox.process import Sandbox
from tests.api_client import api_of
from tests.domains.factories import make_zone, publish, set_up_domain
from tests.factories import make_member
from tests.receipt_rules.factories import foreign_rule, make_address, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db
HERE = "inbound-smtp.eu-west-1.amazonaws.com"
GOOGLE = "aspmx.l.google.com"


def verified(sandbox: Sandbox, name: str = "shop.com", *, mx: str = "", customer: Customer | None = None) -> Domain:
    """Set up, all that is asked for is published, and Amazon has confirmed it."""
    domain = set_up_domain(sandbox, name, customer=customer)
    if mx:
        sandbox.control.add_record(make_zone(sandbox, domain), name, "MX", f"10 {mx}")
    publish(sandbox, domain)
    sandbox.control.tick()
    Domain.objects.filter(pk=domain.pk).update(routes_unchecked=False)
    return checked(domain)


def checked(domain: Domain) -> Domain:
    found = Domain.objects.select_related("customer").get(pk=domain.pk)
    checking_services.check([found], now=timezone.now())
    return Domain.objects.select_related("customer").get(pk=domain.pk)


def move_mx(sandbox: Sandbox, domain: Domain, name: str, to: str) -> None:
    zone = make_zone(sandbox, domain)
    for found in sandbox.control.records(zone):
        if (found.name, found.type) == (name, "MX"):
            sandbox.control.remove_record(zone, found.id)
    if to:
        sandbox.control.add_record(zone, name, "MX", f"10 {to}")


def asked(domain: Domain) -> set[str]:
    return {record.name for record in domain.records if record.key.startswith("inbound-mx")}


def test_a_customer_with_mail_elsewhere_is_asked_for_the_mx_only_when_something_takes_the_mail(
    sandbox: Sandbox,
) -> None:
    set_up_receiving()
    domain = verified(sandbox, mx=GOOGLE)
    assert (domain.state, asked(domain)) == (State.VERIFIED, set())
    assert "add an address first" in domain.summary
    addresses_services.add_address(text="billing@shop.com", customer=domain.customer, actor=None)
    domain.refresh_from_db()
    assert (domain.receiving.state, asked(domain)) == (ReceivingState.APPLYING, set())
    auto_apply_services.work()
    domain = checked(domain)
    assert (domain.state, asked(domain)) == (State.WAITING, {"shop.com"})
    assert domain.receiving.state is ReceivingState.PUBLISH_MX
    move_mx(sandbox, domain, "shop.com", HERE)
    domain = checked(domain)
    assert (domain.state, domain.receiving.state) == (State.VERIFIED, ReceivingState.LIVE)
    assert domain.summary == "All required records verified."
    assert Address.objects.select_related("domain").get().receiving.is_live


def test_addresses_may_be_added_as_soon_as_the_ownership_is_proven(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = set_up_domain(sandbox, "shop.com")
    record = next(each for each in domain.records if each.key == "identity")
    sandbox.control.add_record(make_zone(sandbox, domain), record.name, "TXT", record.value)
    sandbox.control.tick()
    domain = checked(domain)
    assert (domain.is_proven, domain.verified_at) == (True, None)
    addresses_services.add_address(text="billing@shop.com", customer=domain.customer, actor=None)
    auto_apply_services.work()
    domain.refresh_from_db()
    assert Address.objects.get().is_served
    assert asked(domain) == {"shop.com"}


def test_an_mx_that_leads_here_with_nothing_behind_it_is_red_everywhere(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    set_up_receiving()
    domain = verified(sandbox, mx=HERE, customer=alices)
    sentence = "SES rejects all mail for shop.com: add an address."
    assert domain.state == State.WRONG
    assert domain.summary == sentence
    assert Alert.objects.get(kind="domain.rejects_mail", state="open").why == sentence
    for page in (
        reverse("domains:detail", args=[domain.pk]),
        reverse("receipt_rules:domain", args=[domain.pk]),
        reverse("domains:list"),
    ):
        assert sentence in alice_client.get(page).content.decode(), page
    overview = alice_client.get(reverse("operations:overview")).content.decode()
    assert "1 domain is losing mail: SES rejects it" in overview
    assert sentence in overview


def test_removing_the_last_address_behind_the_mx_is_red_at_once(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = verified(sandbox, mx=HERE)
    made = addresses_services.add_address(text="billing@shop.com", customer=domain.customer, actor=None)
    auto_apply_services.work()
    assert checked(domain).receiving.is_live
    addresses_services.remove_address(address=made, actor=None)
    domain.refresh_from_db()
    assert domain.receiving_state == ReceivingState.REJECTED
    assert domain.headline == "SES rejects all mail for shop.com: add an address."


def test_a_lookup_that_fails_is_never_absent(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = verified(sandbox, mx=HERE)
    addresses_services.add_address(text="billing@shop.com", customer=domain.customer, actor=None)
    auto_apply_services.work()
    assert checked(domain).receiving.is_live
    sandbox.control.set_dns_fault(make_zone(sandbox, domain), "servfail")
    domain = checked(domain)
    assert domain.receiving.state is ReceivingState.COULD_NOT_TELL
    assert asked(domain) == {"shop.com"}


def test_a_foreign_rule_that_takes_the_mail_elsewhere_is_not_live(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = verified(sandbox, mx=HERE)
    foreign_rule("corp", ["shop.com"], rule_set="inbound-mail")
    drift_services.check_drift()
    domain.refresh_from_db()
    assert domain.receiving.word == "Managed elsewhere"
    addresses_services.set_catch_all(domain=domain, actor=None, is_active=True)
    client = aws.client("ses")
    drift_services.check_drift()
    domain.refresh_from_db()
    assert domain.receiving.word == "Caught by another rule"
    assert not CatchAll.objects.select_related("domain").get().receiving.is_live
    assert "shop.com" in Alert.objects.get(kind="receiving.harmed", state="open").why
    client.delete_receipt_rule(RuleSetName="inbound-mail", RuleName="corp")
    drift_services.check_drift()
    assert Alert.objects.get(kind="receiving.harmed").state == "recovered"


def test_an_address_below_the_domain_needs_an_mx_of_its_own(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = verified(sandbox, mx=HERE)
    addresses_services.add_address(text="a@in.shop.com", customer=domain.customer, actor=None)
    addresses_services.set_catch_all(domain=domain, actor=None, subdomains=True)
    auto_apply_services.work()
    domain = checked(domain)
    assert asked(domain) == {"in.shop.com", "*.shop.com"}
    address = Address.objects.select_related("domain").get()
    assert not address.receiving.is_live
    api, at = api_of(make_member(domain.customer)), f"/api/v2/email-addresses/{address.pk}"
    assert api.get(at).json()["receiving"] == address.receiving.state
    move_mx(sandbox, domain, "in.shop.com", HERE)
    move_mx(sandbox, domain, "*.shop.com", HERE)
    domain = checked(domain)
    assert [each.is_live for each in domain.receiving_below] == [True, True]
    assert api.get(at).json()["receiving"] == "live"
    assert Address.objects.select_related("domain").get().receiving.is_live
    assert CatchAll.objects.select_related("domain").get().receiving.is_live


def test_an_mx_that_leaves_again_ends_live(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = verified(sandbox, mx=HERE)
    made = addresses_services.add_address(text="billing@shop.com", customer=domain.customer, actor=None)
    auto_apply_services.work()
    checked(domain)
    move_mx(sandbox, domain, "shop.com", GOOGLE)
    with travel(timezone.now(), tick=True):
        domain = checked(domain)
    assert domain.receiving.state is ReceivingState.PUBLISH_MX
    made.refresh_from_db()
    assert not made.receiving.is_live


def test_where_receiving_is_not_set_up_staff_are_alarmed_and_customers_are_told_the_truth(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    domain = verified(sandbox, mx=GOOGLE, customer=alices)
    page = reverse("receipt_rules:domain", args=[domain.pk])
    answer = alice_client.post(page, {"do": "address", "address-address": "billing"}, follow=True).content.decode()
    assert "It takes effect once inbound mail is set up in this region." in answer
    assert "in a few seconds" not in answer
    auto_apply_services.work()
    alert = Alert.objects.get(kind="receiving.not_set_up")
    assert (alert.state, "Alice Ltd" in alert.why) == ("open", True)
    domain.refresh_from_db()
    assert domain.receiving.state is ReceivingState.NOT_SET_UP
    assert asked(domain) == set()
    set_up_receiving()
    alert.refresh_from_db()
    assert alert.state == "recovered"
    domain.refresh_from_db()
    assert asked(domain) == {"shop.com"}


def test_what_is_pending_is_shown_on_the_domain_that_it_concerns_alone(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    set_up_receiving()
    one, other = (verified(sandbox, name, customer=alices) for name in ("shop.com", "books.com"))
    addresses_services.add_address(text="a@shop.com", customer=alices, actor=None)
    pages = [
        alice_client.get(reverse("receipt_rules:domain", args=[each.pk])).content.decode() for each in (one, other)
    ]
    assert ["Your last change is being applied." in page for page in pages] == [True, False]


def test_the_api_says_the_same_of_domain_and_address(sandbox: Sandbox, alices: Customer) -> None:
    set_up_receiving()
    domain = verified(sandbox, mx=HERE, customer=alices)
    api = api_of(make_member(alices))
    found = api.get(f"/api/v2/domains/{domain.pk}").json()
    assert (found["receiving"], found["canReceiveEmails"], found["sendOnly"]) == ("rejected", False, False)
    assert found["receivingMessage"] == "SES rejects all mail for shop.com: add an address."
    made = addresses_services.add_address(text="a@shop.com", customer=alices, actor=None)
    auto_apply_services.work()
    checked(domain)
    found = api.get(f"/api/v2/domains/{domain.pk}").json()
    assert (found["receiving"], found["canReceiveEmails"]) == ("live", True)
    assert api.get(f"/api/v2/email-addresses/{made.pk}").json()["receiving"] == "live"


@pytest.mark.parametrize(
    ("mx", "show"),
    [(HERE, "live"), (GOOGLE, "waiting")],
)
def test_the_list_of_addresses_filters_by_the_judgement_that_its_labels_show(
    sandbox: Sandbox, alice_client: Client, alices: Customer, mx: str, show: str
) -> None:
    set_up_receiving()
    domain = verified(sandbox, mx=mx, customer=alices)
    made = addresses_services.add_address(text="a@shop.com", customer=alices, actor=None)
    auto_apply_services.work()
    checked(domain)
    made.refresh_from_db()
    for each in SHOWN:
        page = alice_client.get(reverse("receipt_rules:addresses"), {"show": each}).content.decode()
        assert (f'href="{reverse("receipt_rules:address", args=[made.pk])}"' in page) == (each == show), each
    assert made.receiving.is_live == (show == "live")


def test_the_api_lists_those_that_receive_by_what_each_answer_says(sandbox: Sandbox, alices: Customer) -> None:
    set_up_receiving()
    for name, mx in (("arrives.com", HERE), ("waiting.com", GOOGLE)):
        domain = verified(sandbox, name, mx=mx, customer=alices)
        addresses_services.add_address(text=f"a@{name}", customer=alices, actor=None)
        addresses_services.add_address(text=f"a@in.{name}", customer=alices, actor=None)
        auto_apply_services.work()
        checked(domain)
    api = api_of(make_member(alices))
    for wanted, name in ((True, "arrives.com"), (False, "waiting.com")):
        got = api.get("/api/v2/domains", canReceive=str(wanted).lower()).json()
        rows = got["data"]
        assert [(row["domain"], row["canReceiveEmails"]) for row in rows] == [(name, wanted)]


def test_a_row_that_is_read_without_its_model_says_what_the_model_says(alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices)
    made: list[Address | CatchAll] = [make_address("a@shop.com", domain)]
    made += [make_address("b@x.shop.com", domain, is_active=False)]
    made += [CatchAll.objects.create(domain=domain, subdomains=below) for below in (False, True)]
    make_address("c@bobs.com", make_verified("bobs.com"))
    own = frozenset([alices.pk])
    rows = (receiving_services._addresses(own), receiving_services._catch_alls(own))
    found = {row.pk: row for some in rows for row in some}
    assert found.keys() == {each.pk for each in made}
    for each in made:
        row = found[each.pk]
        said = (row.recipient, row.mail_name, row.is_active, row.rules, row.domain_id, row.customer_id)
        assert said == (each.recipient, each.mail_name, each.is_active, each.rules, domain.pk, alices.pk)
