"""Scheduled test messages: who gets one, when an alert opens and recovers, and which results prove nothing."""

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
from receipt_rules.models.probes import MailProbe, ProbeSchedule
from receipt_rules.models.runs import ActiveRuleSet
from receipt_rules.probes import services
from receipt_rules.probes.core import REPORT_TIMEOUT, ProbePace, ProbeVerdict
from receipt_rules.probes.selectors import ProbeTarget, schedule_of, target_of
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
    """Create a domain whose records say that mail for a@shop.com arrives."""
    domain = live_domain("shop.com", alices)
    make_address("a@shop.com", domain, endpoint=make_endpoint(alices), **LIVE)
    return domain


def live_domain(name: str, customer: Customer) -> Domain:
    facts = {"mx_facts": {name: MxFact.HERE.value}, "mail_rules": {name: RulesFact.CARRIED.value}}
    return make_verified(name, customer=customer, **facts)


def schedule_for(domain: Domain, pace: ProbePace = ProbePace.HOURLY) -> ProbeSchedule:
    schedule_probes(domain=domain, pace=pace, actor=make_member(domain.customer))
    return ProbeSchedule.objects.get(domain=domain)


def send_next(domain: Domain) -> MailProbe:
    """Run the schedule and send its next message through our mail server."""
    now = ProbeSchedule.objects.get(domain=domain).next_at
    assert run_due(now=now) == 1
    probe = MailProbe.objects.latest("asked_at")
    send_probe(probe_id=probe.pk)
    MailProbe.objects.filter(pk=probe.pk).update(sent_at=now)
    probe.refresh_from_db()
    return probe


def after_timeout(probe: MailProbe) -> datetime:
    return probe.asked_at + REPORT_TIMEOUT + timedelta(minutes=1)


def report(probe: MailProbe, at: datetime, **fields: Any) -> None:
    record_deliveries(reports=[make_report(probe.recipient, probe=probe.token, at=at, **fields)], now=at)


def get_alert() -> Alert:
    return Alert.objects.get(kind="domain.probe_missing")


def verdict_of(domain: Domain) -> str:
    return ProbeSchedule.objects.get(domain=domain).verdict


def test_an_unexpected_error_with_one_schedule_postpones_that_one_alone(
    shop: Domain, alices: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = live_domain("other.com", alices)
    make_address("a@other.com", other, endpoint=make_endpoint(alices, name="B"), **LIVE)
    schedules = [schedule_for(domain) for domain in (shop, other)]
    now = max(schedule.next_at for schedule in schedules)

    def failing_target_of(domain: Domain) -> ProbeTarget:
        if domain == shop:
            raise ValueError
        return target_of(domain)

    monkeypatch.setattr(services, "target_of", failing_target_of)
    assert run_due(now=now) == 1
    assert MailProbe.objects.get().domain == other
    schedules[0].refresh_from_db()
    assert schedules[0].next_at > now


def test_no_test_message_is_sent_without_a_schedule(shop: Domain) -> None:
    run_due(now=timezone.now() + timedelta(days=2))
    assert (MailProbe.objects.count(), schedule_of(shop)) == (0, None)


def test_a_test_message_is_sent_within_the_hour_and_then_at_its_interval(shop: Domain) -> None:
    schedule, now = schedule_for(shop, ProbePace.DAILY), timezone.now()
    assert now < schedule.next_at <= now + timedelta(hours=1, seconds=1)
    assert run_due(now=schedule.next_at - timedelta(seconds=1)) == 0
    probe = send_next(shop)
    assert (probe.recipient, probe.by, [each.to for each in mail.outbox]) == ("a@shop.com", None, [["a@shop.com"]])
    assert run_due(now=probe.asked_at) == 0
    schedule.refresh_from_db()
    assert probe.asked_at < schedule.next_at <= probe.asked_at + timedelta(days=1)


def test_no_test_message_is_sent_while_another_is_pending(shop: Domain) -> None:
    schedule_for(shop)
    probe = send_next(shop)
    ProbeSchedule.objects.update(next_at=probe.asked_at)
    assert run_due(now=probe.asked_at + timedelta(minutes=5)) == 0
    report(probe, probe.asked_at + timedelta(minutes=6))
    assert run_due(now=probe.asked_at + timedelta(minutes=7)) == 1


def test_a_delivered_test_message_opens_no_alert(shop: Domain) -> None:
    schedule_for(shop)
    probe = send_next(shop)
    report(probe, probe.asked_at)
    run_due(now=after_timeout(probe))
    assert verdict_of(shop) == ProbeVerdict.ARRIVED
    assert not Alert.objects.exists()


def test_a_missing_test_message_opens_one_alert_until_a_later_one_arrives(shop: Domain) -> None:
    schedule_for(shop)
    probe = send_next(shop)
    run_due(now=probe.asked_at + REPORT_TIMEOUT)
    assert not Alert.objects.exists()
    run_due(now=after_timeout(probe))
    run_due(now=after_timeout(probe) + timedelta(minutes=1))
    assert (get_alert().state, get_alert().customer_id, get_alert().object_id) == (
        AlertState.OPEN,
        shop.customer_id,
        shop.pk,
    )
    assert "The test message to a@shop.com didn't arrive. It stopped at “Handler”." in get_alert().why
    second = send_next(shop)
    assert get_alert().state == AlertState.OPEN
    report(second, second.asked_at)
    run_due(now=after_timeout(second))
    assert get_alert().state == AlertState.RECOVERED


def test_a_late_arrival_ends_the_alert(shop: Domain) -> None:
    schedule_for(shop)
    probe = send_next(shop)
    run_due(now=after_timeout(probe))
    report(probe, after_timeout(probe))
    run_due(now=after_timeout(probe) + timedelta(minutes=1))
    assert (get_alert().state, verdict_of(shop)) == (AlertState.RECOVERED, ProbeVerdict.ARRIVED)


def test_a_lost_alert_is_opened_again_by_the_next_check(shop: Domain) -> None:
    schedule_for(shop)
    probe = send_next(shop)
    run_due(now=after_timeout(probe))
    Alert.objects.all().delete()
    run_due(now=after_timeout(probe) + timedelta(minutes=1))
    assert get_alert().state == AlertState.OPEN


def test_a_message_that_the_endpoint_rejects_stopped_at_delivered(shop: Domain) -> None:
    schedule_for(shop)
    probe = send_next(shop)
    report(probe, probe.asked_at, outcome="failed", problem="It answered 500.")
    run_due(now=after_timeout(probe))
    assert "stopped at “Delivered”" in get_alert().why
    assert "It answered 500." in get_alert().why


def test_a_message_that_could_not_be_sent_changes_no_alert(shop: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> int:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")

    schedule_for(shop)
    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", down)
        probe = send_next(shop)
    run_due(now=after_timeout(probe))
    schedule = ProbeSchedule.objects.get()
    assert (schedule.verdict, Alert.objects.count()) == (ProbeVerdict.COULD_NOT_TELL, 0)
    assert "couldn't send the last test message, so we can't tell whether mail arrives" in schedule.sentence
    run_due(now=after_timeout(send_next(shop)))
    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", down)
        probe = send_next(shop)
    run_due(now=after_timeout(probe))
    assert (get_alert().state, verdict_of(shop)) == (AlertState.OPEN, ProbeVerdict.COULD_NOT_TELL)


def stop_receiving() -> None:
    now = timezone.now()
    ActiveRuleSet.objects.create(region=settings.AWS_REGION, name="", is_ours=False, changed_at=now, read_at=now)


def hold(domain: Domain) -> None:
    Domain.objects.filter(pk=domain.pk).update(held_at=timezone.now())


@pytest.mark.parametrize("disrupt", [lambda _: stop_receiving(), hold])
def test_while_receiving_is_disrupted_nothing_is_sent_or_proven(
    shop: Domain, disrupt: Callable[[Domain], None]
) -> None:
    schedule = schedule_for(shop)
    disrupt(shop)
    assert run_due(now=schedule.next_at) == 0
    ActiveRuleSet.objects.all().delete()
    Domain.objects.update(held_at=None)
    probe = send_next(shop)
    disrupt(shop)
    run_due(now=after_timeout(probe))
    assert (verdict_of(shop), Alert.objects.count()) == (ProbeVerdict.COULD_NOT_TELL, 0)


def test_without_a_live_address_the_schedule_says_why_and_retries_within_the_hour(shop: Domain) -> None:
    schedule = schedule_for(shop, ProbePace.DAILY)
    Domain.objects.update(mx_facts={"shop.com": MxFact.ELSEWHERE.value})
    assert run_due(now=schedule.next_at) == 0
    found = ProbeSchedule.objects.get()
    assert found.sentence.startswith("We can't send test messages yet. Mail for shop.com")
    assert found.next_at <= schedule.next_at + timedelta(hours=1)
    assert not MailProbe.objects.exists()
    Domain.objects.update(mx_facts={"shop.com": MxFact.HERE.value})
    assert send_next(shop).recipient == "a@shop.com"


def test_an_address_without_endpoint_is_skipped_and_the_catch_all_is_used(alices: Customer) -> None:
    domain = live_domain("home.com", alices)
    make_address("a@home.com", domain, **LIVE)
    schedule = schedule_for(domain)
    assert run_due(now=schedule.next_at) == 0
    assert "home.com has no address with an active endpoint" in ProbeSchedule.objects.get().sentence
    set_catch_all(domain=domain, actor=None, endpoint=make_endpoint(alices))
    CatchAll.objects.update(rules=RulesFact.CARRIED)
    Domain.objects.update(mail_rules={"home.com": RulesFact.CARRIED.value})
    assert send_next(domain).recipient == "test@home.com"


def test_a_pass_sends_a_limited_number_of_messages(alices: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_AT_ONCE", 2)
    endpoint = make_endpoint(alices)
    for name in ("one.com", "two.com", "three.com"):
        domain = live_domain(name, alices)
        make_address(f"a@{name}", domain, endpoint=endpoint, **LIVE)
        schedule_for(domain)
    now = timezone.now() + timedelta(hours=2)
    assert [run_due(now=now), run_due(now=now), run_due(now=now)] == [2, 1, 0]


def test_a_schedule_ends_with_a_transfer_and_the_new_owner_has_none(shop: Domain) -> None:
    schedule_for(shop)
    run_due(now=after_timeout(send_next(shop)))
    bobs = make_customer("Bob Ltd")
    Domain.objects.filter(pk=shop.pk).update(customer=bobs)
    shop.refresh_from_db()
    assert schedule_of(shop) is None
    run_due(now=timezone.now() + timedelta(days=2))
    assert (get_alert().state, ProbeSchedule.objects.count(), MailProbe.objects.count()) == (AlertState.RECOVERED, 0, 1)


def test_the_new_owner_can_schedule_before_the_previous_schedule_has_ended(shop: Domain) -> None:
    schedule_for(shop)
    run_due(now=after_timeout(send_next(shop)))
    Domain.objects.filter(pk=shop.pk).update(customer=make_customer("Bob Ltd"))
    shop.refresh_from_db()
    schedule = schedule_for(shop, ProbePace.DAILY)
    assert (schedule.customer, schedule.last_probe, schedule.verdict) == (shop.customer, None, "")
    assert get_alert().state == AlertState.RECOVERED


@pytest.mark.parametrize("change", [{"stage": Stage.DELETING}, {"receives": False}])
def test_a_schedule_ends_if_the_domain_is_deleted_or_set_to_send_only(shop: Domain, change: dict[str, object]) -> None:
    schedule_for(shop)
    run_due(now=after_timeout(send_next(shop)))
    Domain.objects.filter(pk=shop.pk).update(**change)
    run_due(now=timezone.now() + timedelta(days=2))
    assert (get_alert().state, ProbeSchedule.objects.count(), MailProbe.objects.count()) == (AlertState.RECOVERED, 0, 1)


def test_turning_a_schedule_off_ends_the_alert_and_repeated_choices_are_logged_once(shop: Domain) -> None:
    alice = make_member(shop.customer)
    for pace in (ProbePace.HOURLY, ProbePace.HOURLY, None, None):
        schedule_probes(domain=shop, pace=pace, actor=alice)
        if pace is not None and not MailProbe.objects.exists():
            run_due(now=after_timeout(send_next(shop)))
    assert (get_alert().state, schedule_of(shop)) == (AlertState.RECOVERED, None)
    fields = Change.objects.filter(what="probe.scheduled").order_by("pk").values_list("before", "after")
    assert list(fields) == [
        ({"test_messages": "off"}, {"test_messages": "hourly"}),
        ({"test_messages": "hourly"}, {"test_messages": "off"}),
    ]


def test_a_schedule_for_a_send_only_domain_is_refused(alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices, receives=False)
    with pytest.raises(Refused):
        schedule_probes(domain=domain, pace=ProbePace.HOURLY, actor=make_member(alices))
    schedule_probes(domain=domain, pace=None, actor=make_member(alices))
    assert not ProbeSchedule.objects.exists()
