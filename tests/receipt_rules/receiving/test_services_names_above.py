"""Another customer proves a name below a subdomain catch-all: the catch-all continues, and each gets their own mail."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models.people import User
from accounts.people.selectors import Viewer
from domains.models.domains import Domain
from inbound_admin.lib.errors import Refused
from notifications.models.alerts import Alert
from receipt_rules.addresses import services as addresses_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.inbound_summary.selectors import inbound_summary
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.expectations import Expectation, Expected
from receipt_rules.models.received_mail import ReceivedMail
from receipt_rules.models.runs import ActiveRuleSet, ReceivingStop, Snapshot
from receipt_rules.planner.selectors import broken_expectations
from receipt_rules.planner.services import PlanRequest, plan_changes, read_desired_state
from receipt_rules.received_mail.selectors import received_for
from receipt_rules.received_mail.services import record_deliveries
from receipt_rules.receiving import services as receiving_services
from receipt_rules.route_lookup.selectors import route_lookup
from receipt_rules.route_lookup.services import note_function
from receipt_rules.simulator.services import own_simulations, simulate
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import (
    approve_and_run,
    live,
    make_address,
    make_endpoint,
    make_report,
    make_verified,
    rule_count,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db
ABOVE = "because of a subdomain catch-all above it, and nobody gets it"
MX_HERE = {"track.shop.com": "here"}


@pytest.fixture
def shop(sandbox: Sandbox, settings: Any) -> Domain:
    """Alice's shop.com, with a catch-all of its subdomains. Each recipient has a rule of its own."""
    settings.SES_RECIPIENTS_PER_RULE = 1
    shop = make_verified("shop.com", customer=make_customer("Alice"), mx_facts={"*.shop.com": "here"})
    addresses_services.set_catch_all(
        domain=shop, endpoint=make_endpoint(shop.customer, name="Alice's"), actor=None, subdomains=True
    )
    return shop


@pytest.fixture
def olga(shop: Domain) -> User:
    """Set up receiving; the function claims each message."""
    olga = set_up_receiving()
    record()
    note_function(key="key_1", now=timezone.now())
    return olga


@pytest.fixture
def track(olga: User) -> Domain:
    """Bob's track.shop.com, proven after that."""
    return make_verified("track.shop.com", customer=make_customer("Bob"), mx_facts=MX_HERE)


def record() -> None:
    receiving_services.record_live_rules(live(), is_ours=True)


def bobs_address(track: Domain, **fields: Any) -> Address:
    return make_address("bob@track.shop.com", track, endpoint=make_endpoint(track.customer, name="Bob's"), **fields)


def endpoints_of(*recipients: str, **fields: Any) -> list[str]:
    return [str(route.endpoint or "") for route in route_lookup(recipients, **fields)]


def sentence(domain: Domain) -> str:
    domain.refresh_from_db()
    return domain.receiving.sentence


def test_the_catch_all_continues_and_each_customer_gets_their_own_mail(shop: Domain, track: Domain, olga: User) -> None:
    bobs_address(track)
    Expectation.objects.create(address="bob@track.shop.com", expected=Expected.ONCE)
    assert [each.kind for each in plan_changes().consequences] == []
    approve_and_run(olga)
    record()
    assert broken_expectations(live()) == ()
    assert CatchAll.objects.get().rules == "carried"
    assert not Alert.objects.filter(kind="receiving.split").exists()
    assert (rule_count("any@other.shop.com"), rule_count("bob@track.shop.com")) == (1, 2)
    everybody = ("any@other.shop.com", "bob@track.shop.com", "any@track.shop.com", "any@deep.track.shop.com")
    assert endpoints_of(*everybody) == ["Alice's", "Bob's", "", ""]
    assert [each.has_shared_name for each in route_lookup(everybody)] == [False, True, True, True]
    assert not read_desired_state().desired.doubles


def test_the_other_customer_reads_that_mail_is_accepted_and_nobody_gets_it(
    shop: Domain, track: Domain, olga: User
) -> None:
    record()
    assert sentence(track) == f"SES accepts all mail for track.shop.com {ABOVE}: add an address or a catch-all."
    assert (track.receiving.state, track.mail_rules) == ("undelivered", {"track.shop.com": "accepted"})
    above = "is accepted because of a subdomain catch-all above, and nobody gets it."
    assert inbound_summary(track).sentence == f"All mail at track.shop.com {above}"
    address = bobs_address(track)
    approve_and_run(olga)
    track.refresh_from_db()
    assert track.receiving.is_live
    assert inbound_summary(track).sentence == f"bob@ goes to Bob's; all other mail {above}"
    addresses_services.remove_address(address=address, actor=None)
    auto_apply_services.work()
    assert sentence(track).startswith("SES accepts all mail for track.shop.com")
    assert track.mx_facts == MX_HERE


def test_the_other_customers_own_catch_alls_receive_their_mail(shop: Domain, track: Domain, olga: User) -> None:
    endpoint = make_endpoint(track.customer, name="Bob's")
    for subdomains in (False, True):
        addresses_services.set_catch_all(domain=track, endpoint=endpoint, actor=None, subdomains=subdomains)
    auto_apply_services.work()
    desired = read_desired_state().desired
    assert {".shop.com", "track.shop.com", ".track.shop.com"} == {*desired.entries}
    assert endpoints_of("a@track.shop.com", "a@deep.track.shop.com", "a@deep.shop.com") == ["Bob's", "Bob's", "Alice's"]
    track.refresh_from_db()
    assert track.receiving.is_live


def test_the_end_of_the_catch_all_changes_nothing_for_the_other_customer(
    shop: Domain, track: Domain, olga: User
) -> None:
    bobs_address(track)
    approve_and_run(olga)
    addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True, is_active=False)
    auto_apply_services.work()
    assert (rule_count("any@other.shop.com"), rule_count("bob@track.shop.com")) == (0, 1)
    assert Address.objects.get().rules == "carried"
    Address.objects.all().delete()
    record()
    assert sentence(track) == "SES rejects all mail for track.shop.com: no address is on. Add one or turn one on."


def test_a_catch_all_that_comes_or_goes_is_said_to_the_customers_below_at_once(
    shop: Domain, track: Domain, olga: User
) -> None:
    CatchAll.objects.update(is_active=False)
    approve_and_run(olga, typed="inbound-mail")
    assert sentence(track) == "SES rejects all mail for track.shop.com: no address is on. Add one or turn one on."
    CatchAll.objects.update(is_active=True)
    request = PlanRequest(scope=frozenset([".shop.com"]), customer=shop.customer_id)
    approve_and_run(olga, request)
    assert sentence(track).startswith("SES accepts all mail for track.shop.com")


def use_own_bucket(shop: Domain, track: Domain) -> None:
    CatchAll.objects.update(endpoint=make_endpoint(shop.customer, s3_bucket="alices-own"))


def use_special_address(shop: Domain, track: Domain) -> None:
    bobs_address(track, id="addr_special")
    Address.objects.update(endpoint=make_endpoint(track.customer, tls_required=True))


def use_special_catch_all(shop: Domain, track: Domain) -> None:
    endpoint = make_endpoint(track.customer, lambda_arn="arn:aws:lambda:us-east-1:1:function:bobs")
    CatchAll.objects.create(domain=track, endpoint=endpoint)


def use_old_function(shop: Domain, track: Domain) -> None:
    ActiveRuleSet.objects.update(claims_mail=False)


@pytest.mark.parametrize("use", [use_own_bucket, use_special_address, use_special_catch_all, use_old_function])
def test_a_catch_all_ends_where_mail_of_both_customers_has_not_one_destination(
    shop: Domain, track: Domain, use: Any
) -> None:
    assert ".shop.com" in read_desired_state().desired.entries
    use(shop, track)
    for customers in (None, frozenset([shop.customer_id])):
        assert ".shop.com" not in read_desired_state(customers=customers).desired.entries


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("RECEIVING_PREFIX_EACH_DOMAIN", True),
        ("RECEIVING_CATCH_ALL_PREFIX", "catchall/"),
        ("RECEIVING_FUNCTION", ""),
    ],
)
def test_a_catch_all_ends_where_mail_is_stored_apart_or_no_function_separates_it(
    track: Domain, settings: Any, setting: str, value: Any
) -> None:
    setattr(settings, setting, value)
    assert ".shop.com" not in read_desired_state().desired.entries


def test_the_endpoint_of_a_catch_all_that_continues_can_be_changed(shop: Domain, track: Domain) -> None:
    endpoint = make_endpoint(shop.customer, name="Alice's new")
    addresses_services.set_catch_all(domain=shop, endpoint=endpoint, actor=None, subdomains=True)
    assert endpoints_of("any@other.shop.com", "any@track.shop.com") == ["Alice's new", ""]
    addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True, is_active=False)
    with pytest.raises(Refused, match="set up as its own domain"):
        addresses_services.set_catch_all(domain=shop, actor=None, subdomains=True)


def test_a_function_that_begins_to_claim_messages_brings_an_ended_catch_all_back(shop: Domain) -> None:
    olga = set_up_receiving()
    make_verified("track.shop.com", customer=make_customer("Bob"))
    approve_and_run(olga, typed="inbound-mail")
    record()
    assert (CatchAll.objects.get().rules, rule_count("any@other.shop.com")) == ("split", 0)
    assert Alert.objects.filter(kind="receiving.split", state="open").exists()
    note_function(key="key_1", now=timezone.now())
    auto_apply_services.work()
    record()
    assert (CatchAll.objects.get().rules, rule_count("any@other.shop.com")) == ("carried", 1)
    assert not Alert.objects.filter(kind="receiving.split", state="open").exists()


def test_one_customer_may_hold_both_names(shop: Domain, olga: User) -> None:
    own = make_verified("eu.shop.com", customer=shop.customer, mx_facts={"eu.shop.com": "here"})
    make_address("a@eu.shop.com", own)
    approve_and_run(olga) if not plan_changes().is_empty else None
    record()
    assert rule_count("a@eu.shop.com") == 1  # the catch-all covers it
    assert not route_lookup(["a@eu.shop.com"])[0].has_shared_name
    own.refresh_from_db()
    assert own.receiving.is_live


def test_a_customer_whose_receiving_is_stopped_gets_nothing_by_another_customers_catch_all(
    shop: Domain, track: Domain, olga: User
) -> None:
    bobs_address(track)
    approve_and_run(olga)
    assert auto_apply_services.plan_to_stop(customer=track.customer).still_accepted == 1
    assert auto_apply_services.plan_to_stop(customer=shop.customer).still_accepted == 0
    asked = timezone.now()
    Domain.objects.update(proven_at=asked - timedelta(days=1))
    ReceivingStop.objects.create(customer=track.customer, asked_at=asked)
    approve_and_run(olga)
    record()
    assert rule_count("bob@track.shop.com") == 1  # Alice's catch-all
    assert sentence(track) == f"SES accepts all mail for track.shop.com {ABOVE}: our team has turned off inbound mail."
    assert Address.objects.get().rules == "muted"
    assert "our team has turned off inbound mail" in inbound_summary(track).sentence
    (route,) = route_lookup(["bob@track.shop.com"])
    assert (route.because, route.endpoint, route.customer) == ("stopped", None, track.customer_id)
    assert endpoints_of("any@other.shop.com", "bob@track.shop.com", received_at=asked) == ["Alice's", ""]
    assert endpoints_of("bob@track.shop.com", received_at=asked - timedelta(minutes=1)) == ["Bob's"]
    ReceivingStop.objects.update(is_stopped=False)
    assert endpoints_of("bob@track.shop.com") == ["Bob's"]


def test_a_send_only_domain_gets_nothing_by_another_customers_catch_all(
    shop: Domain, track: Domain, olga: User
) -> None:
    bobs_address(track)
    Domain.objects.filter(pk=track.pk).update(receives=False)
    record()
    why = "it's set to send only, but its MX record points here. Point the MX record to your mail service, or turn on "
    assert sentence(track) == f"SES accepts all mail for track.shop.com {ABOVE}: {why}inbound mail for the domain."
    assert track.receiving.state == "undelivered"
    assert endpoints_of("bob@track.shop.com", "any@other.shop.com") == ["", "Alice's"]


def test_a_rollback_keeps_the_catch_all_and_the_other_customers_mail(shop: Domain, track: Domain, olga: User) -> None:
    first = Snapshot.objects.latest("at")
    bobs_address(track)
    approve_and_run(olga)
    make_address("info@shop.com", shop)
    approve_and_run(olga)
    approve_and_run(olga, PlanRequest(snapshot=first.pk), typed="inbound-mail")
    assert rule_count("info@shop.com") == 0
    assert rule_count("any@other.shop.com") == 1
    assert rule_count("bob@track.shop.com") >= 1
    approve_and_run(olga, PlanRequest(snapshot=first.pk), typed="inbound-mail") if not plan_changes(
        PlanRequest(snapshot=first.pk)
    ).is_empty else None
    assert rule_count("any@other.shop.com") == 1


def test_a_deleted_domain_belongs_to_the_catch_all_again(shop: Domain, track: Domain, olga: User) -> None:
    before = timezone.now()
    track.delete()
    assert endpoints_of("any@track.shop.com") == ["Alice's"]
    assert plan_changes().is_empty
    assert endpoints_of("any@track.shop.com", "any@deep.track.shop.com", received_at=before) == ["", ""]
    assert endpoints_of("any@other.shop.com", received_at=before) == ["Alice's"]
    alice = make_member(shop.customer)
    failed = make_report("any@track.shop.com", outcome="failed", received_at=before)
    record_deliveries(reports=[failed], now=timezone.now())
    assert not received_for(alice).exists()  # it was Bob's


def test_the_same_customers_deleted_domain_keeps_its_earlier_mail(shop: Domain, olga: User) -> None:
    before = timezone.now()
    make_verified("eu.shop.com", customer=shop.customer).delete()
    assert endpoints_of("any@eu.shop.com", received_at=before) == ["Alice's"]


def test_only_the_holder_sees_mail_that_nobody_gets(shop: Domain, track: Domain) -> None:
    alice, bob = make_member(shop.customer), make_member(track.customer)
    later = timezone.now() + timedelta(minutes=1)  # not at the moment of the proof
    report = make_report("any@track.shop.com", "any@other.shop.com", outcome="unrouted", received_at=later)
    record_deliveries(reports=[report], now=timezone.now())

    def seen_by(viewer: Viewer) -> list[str]:
        return list(received_for(viewer).values_list("recipient", flat=True))

    assert (seen_by(alice), seen_by(bob)) == (["any@other.shop.com"], ["any@track.shop.com"])
    assert ReceivedMail.objects.count() == 2


def test_the_simulators_say_that_the_mail_is_accepted_and_delivered_once(
    shop: Domain, track: Domain, olga: User
) -> None:
    bobs_address(track)
    approve_and_run(olga)
    record()
    found = simulate(envelope=["bob@track.shop.com", "any@other.shop.com"], live=live())
    assert found.routing.stored_twice == ()
    bob = make_member(track.customer)
    drift_services.check_drift()
    nobodys, own = own_simulations(viewer=bob, asked=["any@track.shop.com", "bob@track.shop.com"])
    assert nobodys.receiving is not None
    assert "rejects" not in nobodys.receiving.sentence
    assert [hop.sentence for hop in nobodys.hops if hop.key == "rule"] == [
        "A subdomain catch-all above accepts the mail, and nobody gets it"
    ]
    assert own.route is not None
    assert str(own.route.endpoint) == "Bob's"
