"""Mail of a domain that changes hands: it stays its owner's, in one row that says what happened, and nobody else's."""

import random
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer
from domains.models.domains import Domain
from domains.overrides.services import transfer
from inbound_admin.lib.errors import Refused
from notifications.models.alerts import Alert
from receipt_rules.addresses.services import remove_all
from receipt_rules.endpoints.services import remove_endpoint
from receipt_rules.models.addresses import Address
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.received_mail import DeliveryOutcome, ReceivedMail
from receipt_rules.models.runs import ReceivingStop
from receipt_rules.received_mail.selectors import received_for, retried_mail
from receipt_rules.received_mail.services import decide_owner, record_deliveries, redelivery_endpoint
from receipt_rules.route_lookup.core import CLOCKS_DIFFER
from receipt_rules.route_lookup.selectors import Route, possible_owners, route_lookup, stores_of
from sandbox.aws.state import WORLD
from sandbox.process import Sandbox
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_address, make_endpoint, make_operator, make_report, make_verified
from tests.receipt_rules.received_mail.conftest import NOON, TO

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
_reports = count()  # a later report is newer, also while the clock stands still


def move(domain: Domain, to: Customer) -> None:
    transfer(domain=domain, to=to, because="sold", actor=make_operator())
    domain.refresh_from_db()


def attempt(came: datetime, message: str = "m", outcome: str = "failed") -> Route:
    """Do as the function does: look the message up, try to deliver it, and report."""
    (route,) = route_lookup([TO], received_at=came)
    known: dict[str, Any] = {
        "message": message,
        "received_at": came,
        "at": timezone.now() + timedelta(microseconds=next(_reports)),
    }
    outcome = outcome if route.endpoint else "unrouted"
    record_deliveries(reports=[make_report(TO, endpoint=route.endpoint, outcome=outcome, **known)], now=timezone.now())
    return route


def only_row() -> ReceivedMail:
    return ReceivedMail.objects.get()


def test_mail_that_is_retried_goes_to_the_former_holders_endpoint_and_stays_in_its_row(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    came = timezone.now()
    attempt(came)
    clock.shift(60)
    assert retried_mail("shop.com", alices.pk).count() == 1
    move(shop, bobs)
    Address.objects.update(endpoint=make_endpoint(bobs))
    clock.shift(60)
    route = attempt(came, outcome="delivered")
    assert (route.endpoint, stores_of(route)[0].prefix) == (desk, "alice/")
    row = only_row()
    assert (row.customer, row.endpoint, row.outcome, row.tries) == (alices, desk, DeliveryOutcome.DELIVERED, 2)
    assert not received_for(make_member(bobs)).exists()


def test_mail_that_was_not_looked_up_yet_is_the_former_holders(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    came = timezone.now()
    clock.shift(3)
    move(shop, bobs)
    assert attempt(came, outcome="delivered").endpoint == desk
    assert only_row().customer == alices


@pytest.mark.parametrize("loss", ["deleted", "inactive"])
def test_a_former_holder_without_the_endpoint_reads_what_happened_and_is_told_once_a_day(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, clock: time_machine.Traveller, loss: str
) -> None:
    owner = make_member(alices)
    clock.shift(60)
    came = timezone.now()
    attempt(came)
    clock.shift(60)
    move(shop, bobs)
    Address.objects.update(endpoint=None)
    if loss == "deleted":
        desk.delete()
    else:
        Endpoint.objects.update(is_active=False)
    clock.shift(60)
    assert attempt(came).endpoint is None
    row = only_row()
    assert (row.customer, row.outcome) == (alices, DeliveryOutcome.UNROUTED)
    assert row.problem.startswith("The domain changed hands or was deleted since, and the endpoint of that time")
    attempt(came + timedelta(milliseconds=1), "another")
    alert = Alert.objects.get(kind="mail.ended")
    assert (alert.person, row.problem in alert.why) == (owner, True)
    with pytest.raises(Refused, match="the endpoint of that time is inactive or deleted"):
        redelivery_endpoint(row)


@pytest.mark.parametrize("loss", ["transferred", "deleted"])
def test_an_endpoint_stays_while_mail_of_a_lost_domain_can_go_nowhere_else(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, clock: time_machine.Traveller, loss: str
) -> None:
    clock.shift(60)
    came = timezone.now()
    attempt(came)
    clock.shift(60)
    if loss == "transferred":
        move(shop, bobs)
    else:
        remove_all(domain=shop, actor=None)
        shop.delete()
    with pytest.raises(Refused, match="1 message isn’t delivered yet"):
        remove_endpoint(endpoint=desk, actor=None)
    assert attempt(came).endpoint == desk
    client = Client()
    client.force_login(make_member(alices))
    page = client.get(reverse("receipt_rules:endpoint", args=[desk.pk])).text
    assert "1 message isn’t delivered yet" in page
    assert 'value="remove"' not in page
    assert attempt(came, outcome="delivered").endpoint == desk
    remove_endpoint(endpoint=desk, actor=None)


def test_an_endpoint_whose_failed_mail_goes_to_the_addresss_new_endpoint_can_be_removed(
    shop: Domain, alices: Customer, desk: Endpoint, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    came = timezone.now()
    attempt(came)
    Address.objects.update(endpoint=(other := make_endpoint(alices)))
    remove_endpoint(endpoint=desk, actor=None)
    assert attempt(came).endpoint == other


def test_a_former_holder_whose_receiving_is_stopped_gets_nothing(
    shop: Domain, alices: Customer, bobs: Customer, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    ReceivingStop.objects.create(customer=alices, is_stopped=True, asked_at=timezone.now())
    clock.shift(60)
    came = timezone.now()
    clock.shift(60)
    move(shop, bobs)
    route = attempt(came)
    assert (route.endpoint, route.because, only_row().customer) == (None, "stopped", alices)
    assert only_row().problem == "Our team has turned off inbound mail."


def test_mail_of_a_deleted_customer_is_nobody_elses(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    came = timezone.now()
    clock.shift(60)
    move(shop, bobs)
    Address.objects.update(endpoint=make_endpoint(bobs))
    desk.delete()
    alices.delete()
    assert attempt(came).endpoint is None
    assert (only_row().customer, possible_owners([(TO, came)])) == (None, [frozenset()])


def test_a_domain_that_its_customer_deletes_and_adds_again_keeps_its_mail(
    shop: Domain, alices: Customer, desk: Endpoint, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    came = timezone.now()
    attempt(came)
    clock.shift(60)
    remove_all(domain=shop, actor=None)
    assert attempt(came).endpoint == desk, "while the deletion waits"
    clock.shift(16)
    shop.delete()
    clock.shift(60)
    assert attempt(came).endpoint == desk, "while nobody holds it"
    again = make_verified("shop.com", customer=alices)
    assert attempt(came).endpoint == desk, "before the address is added"
    other = make_endpoint(alices)
    make_address(TO, again, endpoint=other)
    assert redelivery_endpoint(only_row()) == other
    assert attempt(came, outcome="delivered").endpoint == other
    assert (only_row().customer, only_row().outcome) == (alices, DeliveryOutcome.DELIVERED)


def test_a_transfer_there_and_back_keeps_the_mail_of_both(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    hers = timezone.now()
    attempt(hers)
    clock.shift(60)
    move(shop, bobs)
    bobs_desk = make_endpoint(bobs)
    Address.objects.update(endpoint=bobs_desk)
    clock.shift(60)
    his = timezone.now()
    attempt(his, "his")
    clock.shift(60)
    move(shop, alices)
    rows = {row.message_id: row for row in ReceivedMail.objects.all()}
    assert (redelivery_endpoint(rows["m"]), redelivery_endpoint(rows["his"])) == (desk, bobs_desk)
    assert (attempt(hers).endpoint, attempt(his, "his").endpoint) == (desk, bobs_desk)
    assert ReceivedMail.objects.count() == 2


@pytest.mark.parametrize("seconds", [-1.9, -0.05, 0, 0.05, 1.9])
def test_mail_at_the_moment_of_a_transfer_is_kept_until_staff_decide(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, sandbox: Sandbox, seconds: float
) -> None:
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        move(shop, bobs)
        came = timezone.now() + timedelta(seconds=seconds)
        Address.objects.update(endpoint=(bobs_desk := make_endpoint(bobs)))
        assert attempt(came).endpoint is None
        row = only_row()
        assert (row.customer, row.is_undecided, row.domain) == (None, True, shop)
        assert not received_for(make_member(alices)).exists()
        assert not received_for(make_member(bobs)).exists()
        alert = Alert.objects.get(kind="mail.undecided")
        assert (alert.state, alert.harmed) == ("open", 1)
        sam = make_staff()
        with pytest.raises(Refused, match="didn't hold"):
            decide_owner(mail=row, customer=make_customer(), because="x", actor=sam)
        with pytest.raises(Refused, match="reason"):
            decide_owner(mail=row, customer=bobs, because=" ", actor=sam)
        decide_owner(mail=row, customer=bobs, because="The sender says so", actor=sam)
        assert WORLD.mail.jobs[0].event["inboundAdmin"]["deliver"]["recipients"] == [TO]
        assert attempt(came, outcome="delivered").endpoint == bobs_desk
        row = only_row()
        assert (row.customer, row.outcome, row.is_undecided) == (bobs, DeliveryOutcome.DELIVERED, False)
        alert.refresh_from_db()
        assert alert.state == "recovered"
        with pytest.raises(Refused, match="already"):
            decide_owner(mail=row, customer=alices, because="x", actor=sam)


def test_a_message_at_the_moment_of_a_transfer_that_was_looked_up_before_is_the_former_holders(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    came = timezone.now()
    attempt(came)
    clock.shift(1)
    move(shop, bobs)
    assert attempt(came, outcome="delivered").endpoint == desk
    assert only_row().customer == alices


def test_mail_just_before_a_proof_is_the_new_holders_if_nobody_held_the_name(
    bobs: Customer, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    domain = make_verified("shop.com", customer=bobs)
    make_address(TO, domain, endpoint=make_endpoint(bobs))
    assert attempt(timezone.now() - timedelta(seconds=1)).customer == bobs.pk
    assert attempt(timezone.now() - timedelta(seconds=3), "old").because == "earlier"
    orphan = ReceivedMail.objects.get(message_id="old")
    assert (orphan.customer, orphan.domain, orphan.is_undecided) == (None, domain, False)
    assert possible_owners([(TO, orphan.received_at)]) == [{bobs.pk}]


@pytest.mark.parametrize("seed", range(8))
def test_nobody_gets_mail_of_another_and_each_message_has_one_row_whatever_the_order(
    seed: int, alices: Customer, bobs: Customer, clock: time_machine.Traveller
) -> None:
    """SES's clock differs from ours by up to a second in each run."""
    chance = random.Random(seed)
    skew = timedelta(seconds=chance.uniform(-1, 1))
    endpoints = {each: make_endpoint(each) for each in (alices, bobs)}
    accepted: dict[str, tuple[datetime, Customer | None]] = {}
    domain: Domain | None = None
    for step in range(60):
        clock.shift(chance.choice([0.3, 0.7, 5, 60]))
        act = chance.choice(["hold", "delete", "accept", "accept", "try", "try", "try"])
        if act == "hold" and domain is None:
            holder = chance.choice([alices, bobs])
            domain = make_verified("shop.com", customer=holder)
            make_address(TO, domain, endpoint=endpoints[holder])
        elif act == "hold" and domain is not None:
            move(domain, bobs if domain.customer == alices else alices)
            Address.objects.update(endpoint=chance.choice([None, endpoints[domain.customer]]))
        elif act == "delete" and domain is not None:
            remove_all(domain=domain, actor=None)
            domain.delete()
            domain = None
        elif act == "accept":
            accepted[f"m{step}"] = (timezone.now() + skew, domain.customer if domain else None)
        elif accepted:
            message = chance.choice([*accepted])
            came, held_then = accepted[message]
            route = attempt(came, message, chance.choice(["failed", "delivered"]))
            assert route.endpoint is None or held_then is None or route.endpoint.customer == held_then
    assert CLOCKS_DIFFER > abs(skew)
    check_rows({message: held_then for message, (_, held_then) in accepted.items()})


def check_rows(accepted: dict[str, Customer | None]) -> None:
    """Check that each message has at most one row, of the customer who held the name then, which says the truth."""
    for message, held_then in accepted.items():
        rows = ReceivedMail.objects.filter(message_id=message)
        assert len(rows) <= 1
        for row in rows:
            assert row.customer in (held_then, None) or held_then is None
            assert row.problem or row.outcome != DeliveryOutcome.UNROUTED or row.customer is not None
            assert row.endpoint is None or row.endpoint.customer == row.customer
