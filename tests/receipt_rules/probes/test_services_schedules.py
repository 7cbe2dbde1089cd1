"""Scheduled test messages: who is sent one, when an alert begins and ends, and what proves nothing."""

import smtplib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone

from accounts.models.people import Customer
from audit.models import Change
from domains.models.domains import Domain, Stage
from domains.receiving.core import MxFact, RulesFact
from inbound_admin.lib.errors import Refused
from notifications.alerts.core import AlertState
from notifications.models.alerts import Alert
from receipt_rules.addresses.services import set_catch_all
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.live import ActiveRuleSet
from receipt_rules.models.probes import MailProbe, ProbeSchedule
from receipt_rules.probes import services
from receipt_rules.probes.core import REPORT_TIMEOUT, ProbePace, ProbeVerdict
from receipt_rules.probes.selectors import schedule_of
from receipt_rules.probes.services import run_due, schedule_probes, send_probe
from receipt_rules.received_mail.services import record_deliveries
from tests.factories import make_customer, make_member
from tests.receipt_rules.factories import make_address, make_endpoint, make_report, make_verified

pytestmark = pytest.mark.django_db
LIVE = {"rules": RulesFact.CARRIED}


@pytest.fixture
def alices() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def shop(alices: Customer) -> Domain:
    """Mail for a@shop.com arrives, as far as the records say."""
    domain = live_domain("shop.com", alices)
    make_address("a@shop.com", domain, endpoint=make_endpoint(alices), **LIVE)
    return domain


def live_domain(name: str, customer: Customer) -> Domain:
    facts = {"mx_facts": {name: MxFact.HERE.value}, "mail_rules": {name: RulesFact.CARRIED.value}}
    return make_verified(name, customer=customer, **facts)


def scheduled(domain: Domain, pace: ProbePace = ProbePace.HOURLY) -> ProbeSchedule:
    schedule_probes(domain=domain, pace=pace, actor=make_member(domain.customer))
    return ProbeSchedule.objects.get(domain=domain)


def sent(domain: Domain) -> MailProbe:
    """The schedule's next message, out of our mail server."""
    now = ProbeSchedule.objects.get(domain=domain).next_at
    assert run_due(now=now) == 1
    probe = MailProbe.objects.latest("asked_at")
    send_probe(probe_id=probe.pk)
    MailProbe.objects.filter(pk=probe.pk).update(sent_at=now)
    probe.refresh_from_db()
    return probe


def late(probe: MailProbe) -> datetime:
    return probe.asked_at + REPORT_TIMEOUT + timedelta(minutes=1)


def reported(probe: MailProbe, at: datetime, **told: Any) -> None:
    record_deliveries(reports=[make_report(probe.recipient, probe=probe.token, at=at, **told)], now=at)


def alert() -> Alert:
    return Alert.objects.get(kind="domain.probe_missing")


def verdict(domain: Domain) -> str:
    return ProbeSchedule.objects.get(domain=domain).verdict


def test_none_is_sent_until_somebody_chooses(shop: Domain) -> None:
    run_due(now=timezone.now() + timedelta(days=2))
    assert (MailProbe.objects.count(), schedule_of(shop)) == (0, None)


def test_it_goes_out_within_the_hour_once_and_again_at_its_pace(shop: Domain) -> None:
    schedule, now = scheduled(shop, ProbePace.DAILY), timezone.now()
    assert now < schedule.next_at <= now + timedelta(hours=1, seconds=1)
    assert run_due(now=schedule.next_at - timedelta(seconds=1)) == 0
    probe = sent(shop)
    assert (probe.recipient, probe.by, [each.to for each in mail.outbox]) == ("a@shop.com", None, [["a@shop.com"]])
    assert run_due(now=probe.asked_at) == 0
    schedule.refresh_from_db()
    assert probe.asked_at < schedule.next_at <= probe.asked_at + timedelta(days=1)


def test_another_waits_while_one_is_on_its_way(shop: Domain) -> None:
    scheduled(shop)
    probe = sent(shop)
    ProbeSchedule.objects.update(next_at=probe.asked_at)
    assert run_due(now=probe.asked_at + timedelta(minutes=5)) == 0
    reported(probe, probe.asked_at + timedelta(minutes=6))
    assert run_due(now=probe.asked_at + timedelta(minutes=7)) == 1


def test_one_that_arrives_alerts_nobody(shop: Domain) -> None:
    scheduled(shop)
    probe = sent(shop)
    reported(probe, probe.asked_at)
    run_due(now=late(probe))
    assert verdict(shop) == ProbeVerdict.ARRIVED
    assert not Alert.objects.exists()


def test_one_that_does_not_arrive_alerts_once_with_its_stage_until_a_later_one_arrives(shop: Domain) -> None:
    scheduled(shop)
    probe = sent(shop)
    run_due(now=probe.asked_at + REPORT_TIMEOUT)
    assert not Alert.objects.exists()
    run_due(now=late(probe))
    run_due(now=late(probe) + timedelta(minutes=1))
    assert (alert().state, alert().customer_id, alert().object_id) == (AlertState.OPEN, shop.customer_id, shop.pk)
    assert "The test message to a@shop.com didn't arrive. It stopped at “Handler”." in alert().why
    second = sent(shop)
    assert alert().state == AlertState.OPEN
    reported(second, second.asked_at)
    run_due(now=late(second))
    assert alert().state == AlertState.RECOVERED


def test_one_that_arrives_late_ends_the_alert(shop: Domain) -> None:
    scheduled(shop)
    probe = sent(shop)
    run_due(now=late(probe))
    reported(probe, late(probe))
    run_due(now=late(probe) + timedelta(minutes=1))
    assert (alert().state, verdict(shop)) == (AlertState.RECOVERED, ProbeVerdict.ARRIVED)


def test_an_alert_that_was_lost_is_raised_at_the_next_look(shop: Domain) -> None:
    scheduled(shop)
    probe = sent(shop)
    run_due(now=late(probe))
    Alert.objects.all().delete()
    run_due(now=late(probe) + timedelta(minutes=1))
    assert alert().state == AlertState.OPEN


def test_what_the_endpoint_did_not_take_stopped_at_delivered(shop: Domain) -> None:
    scheduled(shop)
    probe = sent(shop)
    reported(probe, probe.asked_at, outcome="failed", problem="It answered 500.")
    run_due(now=late(probe))
    assert "stopped at “Delivered”" in alert().why
    assert "It answered 500." in alert().why


def test_what_the_mail_server_did_not_take_is_could_not_tell_and_changes_no_alert(
    shop: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> int:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")

    scheduled(shop)
    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", down)
        probe = sent(shop)
    run_due(now=late(probe))
    schedule = ProbeSchedule.objects.get()
    assert (schedule.verdict, Alert.objects.count()) == (ProbeVerdict.COULD_NOT_TELL, 0)
    assert "couldn't send the last test message, so we can't tell whether mail arrives" in schedule.sentence
    run_due(now=late(sent(shop)))
    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", down)
        probe = sent(shop)
    run_due(now=late(probe))
    assert (alert().state, verdict(shop)) == (AlertState.OPEN, ProbeVerdict.COULD_NOT_TELL)


def stop_receiving() -> None:
    now = timezone.now()
    ActiveRuleSet.objects.create(region=settings.AWS_REGION, name="", is_ours=False, changed_at=now, read_at=now)


def hold(domain: Domain) -> None:
    Domain.objects.filter(pk=domain.pk).update(held_at=timezone.now())


@pytest.mark.parametrize("disrupt", [lambda _: stop_receiving(), hold])
def test_while_receiving_is_disrupted_nothing_is_sent_and_nothing_proven(
    shop: Domain, disrupt: Callable[[Domain], None]
) -> None:
    schedule = scheduled(shop)
    disrupt(shop)
    assert run_due(now=schedule.next_at) == 0
    ActiveRuleSet.objects.all().delete()
    Domain.objects.update(held_at=None)
    probe = sent(shop)
    disrupt(shop)
    run_due(now=late(probe))
    assert (verdict(shop), Alert.objects.count()) == (ProbeVerdict.COULD_NOT_TELL, 0)


def test_where_no_address_is_live_it_says_why_and_is_tried_again_within_the_hour(shop: Domain) -> None:
    schedule = scheduled(shop, ProbePace.DAILY)
    Domain.objects.update(mx_facts={"shop.com": MxFact.ELSEWHERE.value})
    assert run_due(now=schedule.next_at) == 0
    found = ProbeSchedule.objects.get()
    assert found.sentence.startswith("We can't send test messages yet. Mail for shop.com")
    assert found.next_at <= schedule.next_at + timedelta(hours=1)
    assert not MailProbe.objects.exists()
    Domain.objects.update(mx_facts={"shop.com": MxFact.HERE.value})
    assert sent(shop).recipient == "a@shop.com"


def test_an_address_without_an_endpoint_is_passed_over_and_the_catch_all_is_taken(alices: Customer) -> None:
    domain = live_domain("home.com", alices)
    make_address("a@home.com", domain, **LIVE)
    schedule = scheduled(domain)
    assert run_due(now=schedule.next_at) == 0
    assert "home.com has no address with an active endpoint" in ProbeSchedule.objects.get().sentence
    set_catch_all(domain=domain, actor=None, endpoint=make_endpoint(alices))
    CatchAll.objects.update(rules=RulesFact.CARRIED)
    Domain.objects.update(mail_rules={"home.com": RulesFact.CARRIED.value})
    assert sent(domain).recipient == "test@home.com"


def test_a_pass_has_an_end(alices: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_AT_ONCE", 2)
    endpoint = make_endpoint(alices)
    for name in ("one.com", "two.com", "three.com"):
        domain = live_domain(name, alices)
        make_address(f"a@{name}", domain, endpoint=endpoint, **LIVE)
        scheduled(domain)
    now = timezone.now() + timedelta(hours=2)
    assert [run_due(now=now), run_due(now=now), run_due(now=now)] == [2, 1, 0]


def test_it_ends_with_a_transfer_without_a_word_and_the_next_holder_begins_at_off(shop: Domain) -> None:
    scheduled(shop)
    run_due(now=late(sent(shop)))
    bobs = make_customer("Bob Ltd")
    Domain.objects.filter(pk=shop.pk).update(customer=bobs)
    shop.refresh_from_db()
    assert schedule_of(shop) is None
    run_due(now=timezone.now() + timedelta(days=2))
    assert (alert().state, ProbeSchedule.objects.count(), MailProbe.objects.count()) == (AlertState.RECOVERED, 0, 1)


def test_the_next_holder_may_choose_before_the_former_schedule_has_ended(shop: Domain) -> None:
    scheduled(shop)
    run_due(now=late(sent(shop)))
    Domain.objects.filter(pk=shop.pk).update(customer=make_customer("Bob Ltd"))
    shop.refresh_from_db()
    schedule = scheduled(shop, ProbePace.DAILY)
    assert (schedule.customer, schedule.last_probe, schedule.verdict) == (shop.customer, None, "")
    assert alert().state == AlertState.RECOVERED


@pytest.mark.parametrize("change", [{"stage": Stage.DELETING}, {"receives": False}])
def test_it_ends_with_the_domain_and_with_send_only(shop: Domain, change: dict[str, object]) -> None:
    scheduled(shop)
    run_due(now=late(sent(shop)))
    Domain.objects.filter(pk=shop.pk).update(**change)
    run_due(now=timezone.now() + timedelta(days=2))
    assert (alert().state, ProbeSchedule.objects.count(), MailProbe.objects.count()) == (AlertState.RECOVERED, 0, 1)


def test_switching_it_off_ends_the_alert_and_choosing_twice_is_choosing_once(shop: Domain) -> None:
    alice = make_member(shop.customer)
    for pace in (ProbePace.HOURLY, ProbePace.HOURLY, None, None):
        schedule_probes(domain=shop, pace=pace, actor=alice)
        if pace is not None and not MailProbe.objects.exists():
            run_due(now=late(sent(shop)))
    assert (alert().state, schedule_of(shop)) == (AlertState.RECOVERED, None)
    told = Change.objects.filter(what="probe.scheduled").order_by("pk").values_list("before", "after")
    assert list(told) == [
        ({"test_messages": "off"}, {"test_messages": "hourly"}),
        ({"test_messages": "hourly"}, {"test_messages": "off"}),
    ]


def test_where_nothing_may_be_received_it_is_refused(alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices, receives=False)
    with pytest.raises(Refused):
        schedule_probes(domain=domain, pace=ProbePace.HOURLY, actor=make_member(alices))
    schedule_probes(domain=domain, pace=None, actor=make_member(alices))
    assert not ProbeSchedule.objects.exists()
