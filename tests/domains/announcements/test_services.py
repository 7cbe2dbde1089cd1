"""The notice that a domain is verified: sent once, to those who asked for it, and never after they lose access."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.core import mail as outbox
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, Membership, User
from audit.models import Change
from domains.announcements import services as announcements_services
from domains.checking import services as checking_services
from domains.identity import services as identity_services
from domains.models.domains import Domain, VerifiedNotice
from domains.overrides import services as overrides_services
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import Refused
from notifications.deliveries import services as deliveries_services
from notifications.email import services as email_services
from notifications.email.core import ByMail
from notifications.models.alerts import Alert, Notice, NotificationPreference
from notifications.models.webhooks import Delivery, DeliveryState
from sandbox.process import Sandbox
from tests.api_client import api_of, expire_waits, ok
from tests.domains.factories import make_domain, make_zone, publish
from tests.factories import make_customer, make_member, make_staff
from tests.notifications.factories import make_target

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Customer:
    return make_customer("Acme")


@pytest.fixture
def alice(acme: Customer) -> User:
    make_member(acme, email="owner@acme.example")  # so that Alice may leave
    return make_member(acme, email="alice@acme.example")


def add(sandbox: Sandbox, alice: User, acme: Customer, **more: Any) -> Domain:
    domain = preflight_services.add(text="shop.com", customer=acme, actor=alice, **more)
    make_zone(sandbox, domain)
    identity_services.set_up(domain_id=domain.id)
    domain.refresh_from_db()
    return domain


def verify(sandbox: Sandbox, domain: Domain) -> None:
    publish(sandbox, domain)
    sandbox.control.tick()
    check(domain)


def check(domain: Domain) -> None:
    domain.refresh_from_db()
    checking_services.check([domain], now=timezone.now())
    domain.refresh_from_db()


def sent_mails(after: timedelta = timedelta(seconds=1)) -> list[str]:
    email_services.send_due(now=timezone.now() + after)
    return [f"{mail.to[0]}: {mail.subject}" for mail in outbox.outbox]


VERIFIED_MAIL = "alice@acme.example: shop.com: A domain you asked about is verified"


def test_the_member_who_added_a_domain_is_notified_once(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    domain = add(sandbox, alice, acme)
    check(domain)
    assert sent_mails() == []
    verify(sandbox, domain)
    assert domain.verified_at is not None
    assert sent_mails() == [VERIFIED_MAIL]
    check(domain)
    domain.verified_at = None  # as if it were verified a second time
    domain.save(update_fields=("verified_at",))
    check(domain)
    assert sent_mails() == [VERIFIED_MAIL]
    assert "All required records are verified" in outbox.outbox[0].body
    assert "Since" not in outbox.outbox[0].body


def test_the_next_check_notifies_after_a_crash(
    sandbox: Sandbox, alice: User, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice and the state are stored in one transaction: both or neither."""
    domain = add(sandbox, alice, acme)
    publish(sandbox, domain)
    sandbox.control.tick()
    with monkeypatch.context() as patched:
        patched.setattr(announcements_services, "announce_domain", _crash)
        with pytest.raises(KeyboardInterrupt):
            check(domain)
    domain.refresh_from_db()
    assert (domain.verified_at, Notice.objects.count()) == (None, 0)
    check(domain)
    assert sent_mails() == [VERIFIED_MAIL]


def _crash(*_: Any) -> None:
    raise KeyboardInterrupt


def test_the_notice_is_not_sent_when_it_was_not_requested(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    domain = add(sandbox, alice, acme, tell_when_verified=False)
    verify(sandbox, domain)
    assert sent_mails() == []


def test_the_notice_is_not_sent_when_its_kind_is_switched_off(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    NotificationPreference.objects.create(person=alice, unwanted=[announcements_services.NOTICE])
    verify(sandbox, add(sandbox, alice, acme))
    assert sent_mails() == []


def test_the_members_own_webhook_receives_the_notice(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    make_target(person=alice)
    verify(sandbox, add(sandbox, alice, acme))
    notices = [each.event.data["kind"] for each in Delivery.objects.filter(target__person=alice)]
    assert notices == [announcements_services.NOTICE]


def test_the_customers_webhook_receives_domain_verified(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    make_target(customer_id=acme.pk)
    verify(sandbox, add(sandbox, alice, acme))
    assert [each.event.event for each in Delivery.objects.all()] == ["domain.verified"]


def test_a_member_who_left_before_verification_is_not_notified(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    domain = add(sandbox, alice, acme)
    Membership.objects.filter(user=alice).delete()
    verify(sandbox, domain)
    assert (sent_mails(), Alert.objects.filter(person=alice).count()) == ([], 0)


def test_a_member_who_left_before_sending_is_not_notified(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    NotificationPreference.objects.create(person=alice, by_mail=ByMail.DIGEST, digest_at=time(8))
    target = make_target(person=alice)
    verify(sandbox, add(sandbox, alice, acme))
    delivery = Delivery.objects.get(target=target)
    Membership.objects.filter(user=alice).delete()
    assert sent_mails(after=timedelta(days=1)) == []
    assert Notice.objects.filter(person=alice).count() == 0
    deliveries_services.attempt(delivery_id=delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts_made) == (DeliveryState.CANCELLED, 0)


def test_members_of_the_former_customer_are_not_notified_after_a_transfer(
    sandbox: Sandbox, alice: User, acme: Customer
) -> None:
    NotificationPreference.objects.create(person=alice, by_mail=ByMail.DIGEST, digest_at=time(8))
    domain = add(sandbox, alice, acme)
    verify(sandbox, domain)
    assert Notice.objects.filter(person=alice, sent_at=None).exists()
    overrides_services.transfer(domain=domain, to=make_customer("Other"), because="Sold", actor=make_staff())
    assert not Notice.objects.filter(person=alice, alert__kind=announcements_services.NOTICE).exists()
    assert not VerifiedNotice.objects.exists()


def test_any_member_can_turn_the_notice_on_and_off(
    sandbox: Sandbox, alice: User, acme: Customer, client: Client
) -> None:
    domain = add(sandbox, alice, acme)
    mick = make_member(acme, email="mick@acme.example", role="member")
    client.force_login(mick)
    page, switch = reverse("domains:detail", args=(domain.pk,)), reverse("domains:verified_notice", args=(domain.pk,))
    assert "Email me when it’s verified" in client.get(page).text
    assert "We’ll email you when it’s verified" in client.post(switch, {"tell": "on"}, follow=True).text
    client.post(switch, {"tell": "on"})
    assert Change.objects.filter(what="domain.verified_notice").count() == 1
    client.force_login(alice)
    assert "Email me when it’s verified" in client.post(switch, {"tell": "off"}, follow=True).text
    verify(sandbox, domain)
    assert sent_mails() == ["mick@acme.example: shop.com: A domain you asked about is verified"]
    assert "verified-notice" not in client.get(page).text


def test_a_verified_domain_refuses_the_notice() -> None:
    alice = make_member(customer := make_customer())
    domain = make_domain(customer=customer, verified_at=datetime(2026, 11, 1, tzinfo=UTC))
    with pytest.raises(Refused, match="already verified"):
        announcements_services.set_notice(domain=domain, person=alice, wanted=True)


@pytest.mark.parametrize(("choice", "notifies"), [({}, True), ({"tellWhenVerified": False}, False)])
def test_the_api_requests_the_notice_unless_the_request_declines_it(
    sandbox: Sandbox, alice: User, monkeypatch: pytest.MonkeyPatch, choice: dict[str, bool], notifies: bool
) -> None:
    expire_waits(monkeypatch)
    api = api_of(alice)
    made = ok(api.post("/api/v2/domains", {"domain": "shop.com"} | choice), 201)
    where = f"/api/v2/domains/{made['id']}/verified-notice"
    assert ok(api.get(where)) == {"domainId": made["id"], "tellWhenVerified": notifies, "toldAt": None}
    assert ok(api.put(where, {"tellWhenVerified": not notifies}))["tellWhenVerified"] is not notifies


def test_the_add_form_has_the_notice_ticked_and_keeps_the_choice(sandbox: Sandbox, alice: User, client: Client) -> None:
    client.force_login(alice)
    add_url = reverse("domains:add")
    assert 'name="tell_when_verified"' in client.get(add_url).text
    assert 'id="id_tell_when_verified" checked' in client.get(add_url).text
    preview = client.post(add_url, {"name": "shop.com", "tell_when_verified": "on"}).text
    assert '<input type="hidden" name="tell_when_verified" value="on">' in preview
    client.post(add_url, {"name": "shop.com", "tell_when_verified": "on", "confirm": "1"})
    client.post(add_url, {"name": "quiet.com", "confirm": "1"})
    assert [row.domain.name for row in VerifiedNotice.objects.all()] == ["shop.com"]


def test_many_domains_verified_in_turn_are_two_emails(alice: User, acme: Customer) -> None:
    now = timezone.now()
    for number in range(5):
        domain = make_domain(f"d{number}.com", customer=acme)
        VerifiedNotice.objects.create(domain=domain, person=alice)
        announcements_services.send_notices(domain, now=now + timedelta(minutes=number))
        email_services.send_due(now=now + timedelta(minutes=number))
    assert [mail.subject for mail in outbox.outbox] == ["d0.com: A domain you asked about is verified"]
    email_services.send_due(now=now + timedelta(minutes=11))
    (_, rest) = outbox.outbox
    assert rest.subject.endswith("4 notices")
    assert all(f"d{number}.com" in rest.body for number in range(1, 5))


def test_a_notice_can_be_requested_again_once_the_verification_is_lost(acme: Customer, alice: User) -> None:
    now = timezone.now()
    domain = make_domain(customer=acme)
    VerifiedNotice.objects.create(domain=domain, person=alice, told_at=now)
    assert not announcements_services.notice_choice(alice, domain).is_on
    announcements_services.set_notice(domain=domain, person=alice, wanted=False)
    assert not Change.objects.filter(what="domain.verified_notice").exists()
    announcements_services.set_notice(domain=domain, person=alice, wanted=True)
    announcements_services.send_notices(domain, now=now)
    assert len(sent_mails()) == 1
