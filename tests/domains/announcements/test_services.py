"""Told when it is done: once, to who asked, by their channels, and never to who has lost access."""

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
from domains.models.domains import Domain
from domains.models.verified_notices import VerifiedNotice
from domains.overrides import services as overrides_services
from domains.preflight import services as preflight_services
from inbound_admin.lib.errors import Refused
from notifications.deliveries import services as deliveries_services
from notifications.email import services as email_services
from notifications.email.core import ByMail
from notifications.models.alerts import Alert, Notice
from notifications.models.preferences import NotificationPreference
from notifications.models.webhooks import Delivery, DeliveryState
from sandbox.process import Sandbox
from tests.api_client import api_of, never_waiting, ok
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
    look(domain)


def look(domain: Domain) -> None:
    domain.refresh_from_db()
    checking_services.check([domain], now=timezone.now())
    domain.refresh_from_db()


def mailed(after: timedelta = timedelta(seconds=1)) -> list[str]:
    email_services.send_due(now=timezone.now() + after)
    return [f"{mail.to[0]}: {mail.subject}" for mail in outbox.outbox]


TOLD = "alice@acme.example: shop.com: A domain you asked about is verified"


def test_who_added_it_is_told_once(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    domain = add(sandbox, alice, acme)
    look(domain)
    assert mailed() == []
    verify(sandbox, domain)
    assert domain.verified_at is not None
    assert mailed() == [TOLD]
    look(domain)
    domain.verified_at = None  # as if it had to come about a second time
    domain.save(update_fields=("verified_at",))
    look(domain)
    assert mailed() == [TOLD]
    assert "All required records are verified" in outbox.outbox[0].body
    assert "Since" not in outbox.outbox[0].body


def test_a_process_that_dies_over_it_tells_it_the_next_time(
    sandbox: Sandbox, alice: User, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice stands in the transaction of the state: both are there, or neither."""
    domain = add(sandbox, alice, acme)
    publish(sandbox, domain)
    sandbox.control.tick()
    with monkeypatch.context() as patched:
        patched.setattr(announcements_services, "announce_domain", _dies)
        with pytest.raises(KeyboardInterrupt):
            look(domain)
    domain.refresh_from_db()
    assert (domain.verified_at, Notice.objects.count()) == (None, 0)
    look(domain)
    assert mailed() == [TOLD]


def _dies(*_: Any) -> None:
    raise KeyboardInterrupt


def test_who_does_not_want_it_is_not_told(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    domain = add(sandbox, alice, acme, tell_when_verified=False)
    verify(sandbox, domain)
    assert mailed() == []


def test_a_kind_that_is_switched_off_is_not_told(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    NotificationPreference.objects.create(person=alice, unwanted=[announcements_services.NOTICE])
    verify(sandbox, add(sandbox, alice, acme))
    assert mailed() == []


def test_their_own_webhook_gets_it(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    make_target(person=alice)
    verify(sandbox, add(sandbox, alice, acme))
    told = [each.event.data["kind"] for each in Delivery.objects.filter(target__person=alice)]
    assert told == [announcements_services.NOTICE]


def test_the_customers_webhook_gets_its_own_event_as_well(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    make_target(customer_id=acme.pk)
    verify(sandbox, add(sandbox, alice, acme))
    assert [each.event.event for each in Delivery.objects.all()] == ["domain.verified"]


def test_who_left_before_it_was_verified_is_not_told(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    domain = add(sandbox, alice, acme)
    Membership.objects.filter(user=alice).delete()
    verify(sandbox, domain)
    assert (mailed(), Alert.objects.filter(person=alice).count()) == ([], 0)


def test_who_left_before_the_mail_went_out_is_not_told(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    NotificationPreference.objects.create(person=alice, by_mail=ByMail.DIGEST, digest_at=time(8))
    target = make_target(person=alice)
    verify(sandbox, add(sandbox, alice, acme))
    delivery = Delivery.objects.get(target=target)
    Membership.objects.filter(user=alice).delete()
    assert mailed(after=timedelta(days=1)) == []
    assert Notice.objects.filter(person=alice).count() == 0
    deliveries_services.attempt(delivery_id=delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts_made) == (DeliveryState.CANCELLED, 0)


def test_a_domain_that_changed_hands_is_told_to_nobody_of_before(sandbox: Sandbox, alice: User, acme: Customer) -> None:
    NotificationPreference.objects.create(person=alice, by_mail=ByMail.DIGEST, digest_at=time(8))
    domain = add(sandbox, alice, acme)
    verify(sandbox, domain)
    assert Notice.objects.filter(person=alice, sent_at=None).exists()
    overrides_services.transfer(domain=domain, to=make_customer("Other"), because="Sold", actor=make_staff())
    assert not Notice.objects.filter(person=alice, alert__kind=announcements_services.NOTICE).exists()
    assert not VerifiedNotice.objects.exists()


def test_anybody_who_sees_it_may_ask_and_stop(sandbox: Sandbox, alice: User, acme: Customer, client: Client) -> None:
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
    assert mailed() == ["mick@acme.example: shop.com: A domain you asked about is verified"]
    assert "verified-notice" not in client.get(page).text


def test_a_domain_that_is_verified_has_no_more_news() -> None:
    alice = make_member(customer := make_customer())
    domain = make_domain(customer=customer, verified_at=datetime(2026, 11, 1, tzinfo=UTC))
    with pytest.raises(Refused, match="already verified"):
        announcements_services.set_notice(domain=domain, person=alice, wanted=True)


@pytest.mark.parametrize(("asked", "told"), [({}, True), ({"tellWhenVerified": False}, False)])
def test_the_api_adds_with_it_unless_told_otherwise(
    sandbox: Sandbox, alice: User, monkeypatch: pytest.MonkeyPatch, asked: dict[str, bool], told: bool
) -> None:
    never_waiting(monkeypatch)
    api = api_of(alice)
    made = ok(api.post("/api/v2/domains", {"domain": "shop.com"} | asked), 201)
    where = f"/api/v2/domains/{made['id']}/verified-notice"
    assert ok(api.get(where)) == {"domainId": made["id"], "tellWhenVerified": told, "toldAt": None}
    assert ok(api.put(where, {"tellWhenVerified": not told}))["tellWhenVerified"] is not told


def test_the_form_to_add_a_domain_has_it_ticked_and_keeps_what_was_chosen(
    sandbox: Sandbox, alice: User, client: Client
) -> None:
    client.force_login(alice)
    add_url = reverse("domains:add")
    assert 'name="tell_when_verified"' in client.get(add_url).text
    assert 'id="id_tell_when_verified" checked' in client.get(add_url).text
    looked = client.post(add_url, {"name": "shop.com", "tell_when_verified": "on"}).text
    assert '<input type="hidden" name="tell_when_verified" value="on">' in looked
    client.post(add_url, {"name": "shop.com", "tell_when_verified": "on", "confirm": "1"})
    client.post(add_url, {"name": "quiet.com", "confirm": "1"})
    assert [row.domain.name for row in VerifiedNotice.objects.all()] == ["shop.com"]
