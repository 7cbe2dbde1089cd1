"""Mail around the moment when a domain changes hands: while it is stored, by two rules, with a virus, undecided."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from accounts.models.people import Customer
from domains.models.domains import Domain, Stage
from domains.ownership_claims.services import approve_claim
from notifications.models.alerts import Alert
from receipt_rules import tasks
from receipt_rules.addresses.services import merge_addresses
from receipt_rules.models.addresses import Address, CatchAll, FormerHolder
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.received_mail import DeliveryOutcome
from receipt_rules.received_mail.core import VIRUS
from receipt_rules.received_mail.services import decide_owner, delete_expired, record_deliveries
from receipt_rules.route_lookup.selectors import route_lookup, stores_of
from receipt_rules.transfers import services as transfers_services
from sandbox.aws.state import WORLD
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_staff
from tests.receipt_rules.factories import make_endpoint, make_operator, make_report, make_verified
from tests.receipt_rules.received_mail.conftest import TO
from tests.receipt_rules.received_mail.test_handovers import attempt, move, only_row

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def test_mail_that_the_former_holders_rule_stored_after_a_transfer_is_found(
    shop: Domain, bobs: Customer, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    move(shop, bobs)
    Address.objects.update(endpoint=(bobs_desk := make_endpoint(bobs, s3_prefix="bob/")))
    clock.shift(60)
    route = attempt(timezone.now())
    assert (route.endpoint, [store.prefix for store in stores_of(route)]) == (bobs_desk, ["bob/", "alice/"])
    clock.shift(timedelta(days=2))
    assert [store.prefix for store in stores_of(attempt(timezone.now()))] == ["bob/"]


@pytest.fixture
def slow_transactions(clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what follows a change of hands take ten seconds: nobody else sees the change meanwhile."""

    def merge_slowly(domain: Domain) -> None:
        clock.shift(10)
        merge_addresses(domain)

    monkeypatch.setattr(transfers_services, "merge_addresses", merge_slowly)


@pytest.mark.usefixtures("slow_transactions")
def test_mail_that_comes_in_during_a_long_transfer_is_the_former_holders(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    came = timezone.now() + timedelta(seconds=5)
    move(shop, bobs)
    assert shop.proven_at == timezone.now() == FormerHolder.objects.get().until
    assert attempt(came, outcome="delivered").endpoint == desk
    assert only_row().customer == alices


@pytest.mark.usefixtures("slow_transactions")
def test_mail_that_comes_in_during_a_long_proof_is_the_former_holders(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, clock: time_machine.Traveller
) -> None:
    CatchAll.objects.create(domain=shop, subdomains=True, endpoint=desk)
    claimed = make_domain("track.shop.com", customer=bobs, stage=Stage.STARTING, proven_at=None)
    clock.shift(60)
    came = timezone.now() + timedelta(seconds=5)
    approve_claim(domain=claimed, actor=make_operator(), because="They showed the contract")
    claimed.refresh_from_db()
    assert claimed.proven_at == timezone.now()
    (route,) = route_lookup(["x@track.shop.com"], received_at=came)
    assert (route.customer, route.endpoint) == (alices.pk, desk)


def test_mail_that_comes_in_during_a_long_deletion_is_the_former_holders(
    shop: Domain, bobs: Customer, desk: Endpoint, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    CatchAll.objects.create(domain=shop, subdomains=True, endpoint=desk)
    track = make_verified("track.shop.com", customer=bobs)
    monkeypatch.setattr(transfers_services, "queue_customer_change", lambda *_, **__: clock.shift(10))
    clock.shift(60)
    came = timezone.now() + timedelta(seconds=5)
    track.delete()
    assert route_lookup(["x@track.shop.com"], received_at=came)[0].customer == bobs.pk


@pytest.mark.parametrize("is_of_parent", [False, True])
def test_a_message_that_two_rules_brought_is_still_claimed_after_the_name_changed_hands(
    shop: Domain, alices: Customer, bobs: Customer, clock: time_machine.Traveller, is_of_parent: bool
) -> None:
    track = make_verified("track.shop.com", customer=bobs)
    clock.shift(60)
    came = timezone.now()
    clock.shift(60)
    assert route_lookup(["x@track.shop.com"], received_at=came)[0].has_shared_name
    move(*((shop, bobs) if is_of_parent else (track, alices)))
    assert route_lookup(["x@track.shop.com"], received_at=came)[0].has_shared_name
    clock.shift(60)
    assert not route_lookup(["x@track.shop.com"], received_at=timezone.now())[0].has_shared_name


def test_a_message_with_a_virus_is_not_delivered_once_staff_decide(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, sandbox: Sandbox, clock: time_machine.Traveller
) -> None:
    clock.shift(60)
    came = timezone.now()
    move(shop, bobs)
    held = make_report(TO, outcome="held", problem=VIRUS, message="m", received_at=came, at=timezone.now())
    record_deliveries(reports=[held], now=timezone.now())
    assert only_row().is_undecided
    decide_owner(mail=only_row(), customer=alices, because="The sender says so", actor=make_staff())
    assert WORLD.mail.jobs[0].event["inboundAdmin"]["deliver"]["verdicts"] == {"virus": "FAIL"}
    assert (only_row().outcome, only_row().problem) == (DeliveryOutcome.HELD, VIRUS)


def test_the_alert_counts_all_undecided_messages(
    shop: Domain, bobs: Customer, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receipt_rules.received_mail.services.DECIDED_AT_ONCE", 2)
    clock.shift(60)
    move(shop, bobs)
    for number in range(5):
        now, to = timezone.now(), f"a{number % 4}@shop.com"
        report = make_report(to, outcome="unrouted", message=f"m{number}", received_at=now, at=now)
        record_deliveries(reports=[report], now=now)
    assert Alert.objects.get(kind="mail.undecided").why.startswith("5 messages came in")


@pytest.mark.parametrize("end", ["expired", "customer deleted"])
def test_the_alert_of_undecided_mail_ends_when_nobody_can_decide_any_more(
    shop: Domain, alices: Customer, bobs: Customer, desk: Endpoint, clock: time_machine.Traveller, end: str
) -> None:
    clock.shift(60)
    move(shop, bobs)
    attempt(timezone.now())
    alert = Alert.objects.get(kind="mail.undecided")
    assert alert.state == "open"
    if end == "expired":
        clock.shift(timedelta(days=100))
        assert delete_expired(now=timezone.now()) == 1
    else:
        Address.objects.update(endpoint=None)
        desk.delete()
        alices.delete()
    tasks.watch_deliveries(0)
    alert.refresh_from_db()
    assert alert.state == "recovered"
