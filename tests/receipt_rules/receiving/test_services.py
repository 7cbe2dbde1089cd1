"""From no address to mail that arrives: the MX is required last, and an MX without a rule behind it is red."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from time_machine import travel

from accounts.models.people import Customer
from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.models.domains import Domain, Stage
from domains.receiving.core import ReceivingState
from inbound_admin.lib import aws
from notifications.models.alerts import Alert
from receipt_rules.addresses import services as addresses_services
from receipt_rules.addresses.selectors import SHOWN
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.live import services as live_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.receiving import services as receiving_services
from sandbox.process import Sandbox
from tests.api_client import api_of
from tests.domains.factories import make_domain, make_zone, publish, set_up_domain
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_unmanaged_rule, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db
HERE = "inbound-smtp.eu-west-1.amazonaws.com"
GOOGLE = "aspmx.l.google.com"


def verified_domain(
    sandbox: Sandbox, name: str = "shop.com", *, mx: str = "", customer: Customer | None = None
) -> Domain:
    """Set up the domain, publish all required records, and let SES verify it."""
    domain = set_up_domain(sandbox, name, customer=customer)
    if mx:
        sandbox.control.add_record(make_zone(sandbox, domain), name, "MX", f"10 {mx}")
    publish(sandbox, domain)
    sandbox.control.tick()
    Domain.objects.filter(pk=domain.pk).update(routes_unchecked=False)
    return check_domain(domain)


def check_domain(domain: Domain) -> Domain:
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


def required_mx_names(domain: Domain) -> set[str]:
    return {record.name for record in domain.records if record.key.startswith("inbound-mx")}


def test_the_mx_is_required_only_once_a_rule_receives_the_mail(
    sandbox: Sandbox,
) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=GOOGLE)
    assert (domain.state, required_mx_names(domain)) == (State.VERIFIED, set())
    assert "add an address first" in domain.summary
    addresses_services.add_address(text="billing@shop.com", customer=domain.customer, actor=None)
    domain.refresh_from_db()
    assert (domain.receiving.state, required_mx_names(domain)) == (ReceivingState.APPLYING, set())
    auto_apply_services.work()
    domain = check_domain(domain)
    assert (domain.state, required_mx_names(domain)) == (State.WAITING, {"shop.com"})
    assert domain.receiving.state is ReceivingState.PUBLISH_MX
    move_mx(sandbox, domain, "shop.com", HERE)
    domain = check_domain(domain)
    assert (domain.state, domain.receiving.state) == (State.VERIFIED, ReceivingState.LIVE)
    assert domain.summary == "All required records verified."
    assert Address.objects.select_related("domain").get().receiving.is_live


def test_addresses_can_be_added_as_soon_as_ownership_is_proven(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = set_up_domain(sandbox, "shop.com")
    record = next(each for each in domain.records if each.key == "identity")
    sandbox.control.add_record(make_zone(sandbox, domain), record.name, "TXT", record.value)
    sandbox.control.tick()
    domain = check_domain(domain)
    assert (domain.is_proven, domain.verified_at) == (True, None)
    addresses_services.add_address(text="billing@shop.com", customer=domain.customer, actor=None)
    auto_apply_services.work()
    domain.refresh_from_db()
    assert Address.objects.get().is_served
    assert required_mx_names(domain) == {"shop.com"}


def test_an_mx_that_points_here_without_an_address_is_red_everywhere(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=HERE, customer=alices)
    sentence = "SES rejects all mail for shop.com: no address is on. Add one or turn one on."
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
    assert "1 domain isn&#x27;t getting its mail: SES rejects it" in overview
    assert sentence in overview


def test_removing_the_last_address_behind_the_mx_is_red_at_once(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=HERE)
    made = addresses_services.add_address(text="billing@shop.com", customer=domain.customer, actor=None)
    auto_apply_services.work()
    assert check_domain(domain).receiving.is_live
    addresses_services.remove_address(address=made, actor=None)
    domain.refresh_from_db()
    assert domain.receiving_state == ReceivingState.REJECTED
    assert domain.headline == "SES rejects all mail for shop.com: no address is on. Add one or turn one on."


def test_a_failed_lookup_is_never_reported_as_absent(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=HERE)
    addresses_services.add_address(text="billing@shop.com", customer=domain.customer, actor=None)
    auto_apply_services.work()
    assert check_domain(domain).receiving.is_live
    sandbox.control.set_dns_fault(make_zone(sandbox, domain), "servfail")
    domain = check_domain(domain)
    assert domain.receiving.state is ReceivingState.COULD_NOT_TELL
    assert required_mx_names(domain) == {"shop.com"}


def test_an_unmanaged_rule_that_catches_the_mail_is_not_live(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=HERE)
    make_unmanaged_rule("corp", ["shop.com"], rule_set="inbound-mail")
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


def test_a_catch_all_of_a_claim_is_not_served_by_the_rule_of_who_holds_the_name(sandbox: Sandbox) -> None:
    set_up_receiving()
    alices = make_verified("shop.com", customer=make_customer("Alice"))
    claim = make_domain("shop.com", customer=make_customer("Bob"), stage=Stage.CLAIM)
    addresses_services.set_catch_all(domain=alices, actor=None)
    bobs = CatchAll.objects.create(domain=claim)
    auto_apply_services.work()
    drift_services.check_drift()
    assert CatchAll.objects.get(domain=alices).is_served
    bobs.refresh_from_db()
    assert not bobs.is_served


def test_a_read_for_one_customer_leaves_the_alert_with_all_whom_a_foreign_rule_harms(sandbox: Sandbox) -> None:
    set_up_receiving()
    alices, bobs = (make_verified(f"{name}.com", customer=make_customer(name)) for name in ("alice", "bob"))
    for domain in (alices, bobs):
        make_address(f"a@{domain.name}", domain)
    make_unmanaged_rule("corp", ["alice.com", "bob.com"], rule_set="inbound-mail")
    drift_services.check_drift()
    alert = Alert.objects.get(kind="receiving.harmed")
    assert "2 recipients of 2 customers" in alert.why
    active = live_services.read_live().active
    receiving_services.record_live_rules(active, is_ours=True, customers=frozenset({alices.customer_id}))
    alert.refresh_from_db()
    assert "2 recipients of 2 customers" in alert.why


def test_an_address_at_a_subdomain_requires_its_own_mx(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=HERE)
    addresses_services.add_address(text="a@in.shop.com", customer=domain.customer, actor=None)
    addresses_services.set_catch_all(domain=domain, actor=None, subdomains=True)
    auto_apply_services.work()
    domain = check_domain(domain)
    assert required_mx_names(domain) == {"in.shop.com", "*.shop.com"}
    address = Address.objects.select_related("domain").get()
    assert not address.receiving.is_live
    api, at = api_of(make_member(domain.customer)), f"/api/v2/email-addresses/{address.pk}"
    assert api.get(at).json()["receiving"] == address.receiving.state
    move_mx(sandbox, domain, "in.shop.com", HERE)
    move_mx(sandbox, domain, "*.shop.com", HERE)
    domain = check_domain(domain)
    assert [each.is_live for each in domain.receiving_below] == [True, True]
    assert api.get(at).json()["receiving"] == "live"
    assert Address.objects.select_related("domain").get().receiving.is_live
    assert CatchAll.objects.select_related("domain").get().receiving.is_live


def test_an_mx_that_no_longer_points_here_ends_live(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=HERE)
    made = addresses_services.add_address(text="billing@shop.com", customer=domain.customer, actor=None)
    auto_apply_services.work()
    check_domain(domain)
    move_mx(sandbox, domain, "shop.com", GOOGLE)
    with travel(timezone.now(), tick=True):
        domain = check_domain(domain)
    assert domain.receiving.state is ReceivingState.PUBLISH_MX
    made.refresh_from_db()
    assert not made.receiving.is_live


def test_without_receiving_setup_an_alert_opens_and_customers_read_why(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    domain = verified_domain(sandbox, mx=GOOGLE, customer=alices)
    page = reverse("receipt_rules:domain", args=[domain.pk])
    answer = alice_client.post(page, {"do": "address", "address-address": "billing"}, follow=True).content.decode()
    assert "It takes effect once inbound mail is set up in this region." in answer
    assert "in a few seconds" not in answer
    auto_apply_services.work()
    alert = Alert.objects.get(kind="receiving.not_set_up")
    assert (alert.state, "Alice Ltd" in alert.why) == ("open", True)
    domain.refresh_from_db()
    assert domain.receiving.state is ReceivingState.NOT_SET_UP
    assert required_mx_names(domain) == set()
    set_up_receiving()
    alert.refresh_from_db()
    assert alert.state == "recovered"
    domain.refresh_from_db()
    assert required_mx_names(domain) == {"shop.com"}


def test_a_pending_change_is_shown_only_on_its_own_domain(
    sandbox: Sandbox, alice_client: Client, alices: Customer
) -> None:
    set_up_receiving()
    one, other = (verified_domain(sandbox, name, customer=alices) for name in ("shop.com", "books.com"))
    addresses_services.add_address(text="a@shop.com", customer=alices, actor=None)
    pages = [
        alice_client.get(reverse("receipt_rules:domain", args=[each.pk])).content.decode() for each in (one, other)
    ]
    assert ["Your last change is being applied." in page for page in pages] == [True, False]


def test_the_api_shows_the_receiving_status_of_domain_and_address(sandbox: Sandbox, alices: Customer) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=HERE, customer=alices)
    api = api_of(make_member(alices))
    found = api.get(f"/api/v2/domains/{domain.pk}").json()
    assert (found["receiving"], found["canReceiveEmails"], found["sendOnly"]) == ("rejected", False, False)
    assert found["receivingMessage"] == "SES rejects all mail for shop.com: no address is on. Add one or turn one on."
    made = addresses_services.add_address(text="a@shop.com", customer=alices, actor=None)
    auto_apply_services.work()
    check_domain(domain)
    found = api.get(f"/api/v2/domains/{domain.pk}").json()
    assert (found["receiving"], found["canReceiveEmails"]) == ("live", True)
    assert api.get(f"/api/v2/email-addresses/{made.pk}").json()["receiving"] == "live"


@pytest.mark.parametrize(
    ("mx", "show"),
    [(HERE, "live"), (GOOGLE, "waiting")],
)
def test_the_list_filters_addresses_by_the_status_that_is_shown(
    sandbox: Sandbox, alice_client: Client, alices: Customer, mx: str, show: str
) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=mx, customer=alices)
    made = addresses_services.add_address(text="a@shop.com", customer=alices, actor=None)
    auto_apply_services.work()
    check_domain(domain)
    made.refresh_from_db()
    for each in SHOWN:
        page = alice_client.get(reverse("receipt_rules:addresses"), {"show": each}).content.decode()
        assert (f'href="{reverse("receipt_rules:address", args=[made.pk])}"' in page) == (each == show), each
    assert made.receiving.is_live == (show == "live")


def test_the_api_filter_for_receiving_domains_agrees_with_each_row(sandbox: Sandbox, alices: Customer) -> None:
    set_up_receiving()
    for name, mx in (("arrives.com", HERE), ("waiting.com", GOOGLE)):
        domain = verified_domain(sandbox, name, mx=mx, customer=alices)
        addresses_services.add_address(text=f"a@{name}", customer=alices, actor=None)
        addresses_services.add_address(text=f"a@in.{name}", customer=alices, actor=None)
        auto_apply_services.work()
        check_domain(domain)
    api = api_of(make_member(alices))
    for expected, name in ((True, "arrives.com"), (False, "waiting.com")):
        got = api.get("/api/v2/domains", canReceive=str(expected).lower()).json()
        rows = got["data"]
        assert [(row["domain"], row["canReceiveEmails"]) for row in rows] == [(name, expected)]


def test_a_row_read_as_values_equals_its_model(alices: Customer) -> None:
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
        values = (row.recipient, row.mail_name, row.is_active, row.rules, row.domain_id, row.customer_id)
        assert values == (each.recipient, each.mail_name, each.is_active, each.rules, domain.pk, alices.pk)


def test_a_domain_is_checked_at_once_when_its_mail_is_no_longer_rejected_or_is_from_now_on(sandbox: Sandbox) -> None:
    set_up_receiving()
    domain = verified_domain(sandbox, mx=HERE)
    made = addresses_services.add_address(text="a@shop.com", customer=domain.customer, actor=None)
    assert (check_domain(domain).state, check_domain(domain).receiving.is_red) == (State.WRONG, True)
    Domain.objects.filter(pk=domain.pk).update(next_check_at=timezone.now() + timedelta(hours=6))
    auto_apply_services.work()
    domain.refresh_from_db()
    assert (domain.receiving.state, domain.state) == (ReceivingState.LIVE, State.WRONG)
    assert domain.next_check_at is not None
    assert domain.next_check_at <= timezone.now()
    domain = check_domain(domain)
    assert (domain.state, domain.next_check_at and domain.next_check_at > timezone.now()) == (State.VERIFIED, True)
    addresses_services.change_address(address=made, is_active=False, endpoint=None, actor=None)
    domain.refresh_from_db()
    assert domain.receiving.is_red
    assert domain.next_check_at is not None
    assert domain.next_check_at <= timezone.now()
