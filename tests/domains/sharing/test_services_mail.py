"""The records by email: to one address, in the terms of the DNS host, limited in number, and logged."""

from smtplib import SMTPException
from typing import Any

import pytest
from django.core import mail as outbox
from django.core.mail.backends import locmem
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, User
from audit.models import Change
from domains.checking import services as checking_services
from domains.models.domains import Domain, Stage
from domains.models.sharing import ShareLink
from domains.overrides import services as overrides_services
from domains.sharing import services
from domains.zone_causes.core import AT_OTHERS, MOVED
from inbound_admin.lib.errors import RateLimited, Refused
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, publish, set_up_domain
from tests.factories import make_customer, make_member, make_staff

pytestmark = pytest.mark.django_db
SITE = "https://ours.example/"
DAVE = "dave@dns.example"


@pytest.fixture
def acme() -> Customer:
    return make_customer("Acme Secret Holdings")


@pytest.fixture
def alice(acme: Customer) -> User:
    return make_member(acme, email="alice@acme.example", first_name="Alice")


@pytest.fixture
def shop(sandbox: Sandbox, acme: Customer) -> Domain:
    sandbox.control.add_zone("shop.com", ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com"))
    return set_up_domain(sandbox, "shop.com", customer=acme)


def send(shop: Domain, alice: User, to: str = DAVE, host: str = "") -> ShareLink:
    return services.mail_records(domain=shop, to=to, actor=alice, host=host, site_url=SITE)


def test_the_email_lists_every_open_record_and_a_working_link(shop: Domain, alice: User) -> None:
    link = send(shop, alice)
    (mail,) = outbox.outbox
    assert (mail.to, mail.subject, mail.reply_to) == ([DAVE], "DNS records for shop.com", ["alice@acme.example"])
    for record in shop.records:
        assert f" {record.value}\n" in mail.body
        assert record.name.removesuffix(".shop.com") in mail.body
    assert "at Cloudflare" in mail.body
    assert "Alice at Acme Secret Holdings asks you to change DNS records of shop.com: 8 records to add." in mail.body
    address = next(line for line in mail.body.splitlines() if line.startswith(SITE)).removeprefix(SITE[:-1])
    assert Client().get(address).status_code == 200
    assert (link.mailed_to, link.mailed_at is not None) == (DAVE, True)


def test_another_dns_host_has_other_terms(shop: Domain, alice: User) -> None:
    send(shop, alice, host="route53")
    (mail,) = outbox.outbox
    assert "Record name" in mail.body
    assert "10 feedback-smtp.eu-west-1.amazonses.com" in mail.body
    assert "   Type: MX\n" in mail.body  # one space, because a phone would break aligned lines


def test_the_change_log_has_sender_and_recipient(shop: Domain, alice: User) -> None:
    link = send(shop, alice)
    change = Change.objects.get(what="domain.records_mailed")
    assert (change.object_id, change.actor_id, change.after["to"]) == (shop.pk, str(alice.pk), DAVE)
    assert link.pk not in str(change.after)


def test_nothing_is_sent_when_no_record_is_open(sandbox: Sandbox, shop: Domain, alice: User) -> None:
    publish(sandbox, shop)
    checking_services.check_now(domain=shop)
    shop.refresh_from_db()
    with pytest.raises(Refused, match="nothing left"):
        send(shop, alice)
    assert (outbox.outbox, ShareLink.objects.count()) == ([], 0)


def test_a_zone_that_moved_is_named_before_the_records(shop: Domain, alice: User) -> None:
    cause = AT_OTHERS.format(zone="shop.com", servers="ns1.other.example")
    for record in shop.records:
        shop.record_checks.create(
            key=record.key, state="at_risk", code=MOVED, sentence=cause, found=[], checked_at=timezone.now()
        )
    send(shop, alice)
    (mail,) = outbox.outbox
    assert mail.subject == "DNS records for shop.com"
    assert mail.body.index(cause) < mail.body.index("This page shows") < mail.body.index("1. ")
    assert all(f" {record.value}\n" in mail.body for record in shop.records)


def test_values_from_dns_are_not_quoted(sandbox: Sandbox, shop: Domain, alice: User) -> None:
    shop.record_checks.create(
        key="dkim-1",
        state="wrong",
        found=["visit https://evil.example"],
        sentence="It says: visit evil.example",
        checked_at=timezone.now(),
    )
    send(shop, alice)
    (mail,) = outbox.outbox
    assert "evil" not in mail.body
    assert "This name already has records" in mail.body


def test_a_second_press_sends_no_second_email(shop: Domain, alice: User) -> None:
    send(shop, alice)
    with pytest.raises(RateLimited, match="a moment ago"):
        send(shop, alice, to=f"Dave <{DAVE.upper()}>")
    assert (len(outbox.outbox), ShareLink.objects.count()) == (1, 1)


def test_a_recipient_gets_a_limited_number_per_day(shop: Domain, alice: User, settings: Any) -> None:
    settings.UNSOLICITED_MAILS_PER_DAY = 1
    bob = make_member(email="bob@bob.example")
    send(make_domain(stage=Stage.CLAIM, claim_token="t", claim_reason="rival"), bob)
    with pytest.raises(RateLimited, match="daily limit"):
        send(shop, alice)
    assert (len(outbox.outbox), ShareLink.objects.filter(domain=shop).count()) == (1, 0)


def test_a_customer_sends_a_limited_number_per_hour(shop: Domain, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_IN_AN_HOUR", 2)
    for number in (1, 2):
        send(shop, alice, to=f"dave{number}@dns.example")
    with pytest.raises(RateLimited, match="emails an hour"):
        send(shop, make_member(shop.customer), to="dave3@dns.example")
    assert len(outbox.outbox) == 2


@pytest.mark.parametrize(
    "text", ["", "dave", "dave@dns.example, eve@dns.example", "dave@dns.example\nBcc: e@e.example"]
)
def test_text_that_is_not_one_address_is_refused(shop: Domain, alice: User, text: str) -> None:
    with pytest.raises(Refused, match="isn't an email address"):
        send(shop, alice, to=text)
    assert (outbox.outbox, ShareLink.objects.count()) == ([], 0)


class DeadServer(locmem.EmailBackend):
    def send_messages(self, messages: Any) -> int:
        raise SMTPException("451 try later")


def test_after_a_mail_failure_the_next_press_sends_the_same_link(shop: Domain, alice: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.{DeadServer.__name__}"
    with pytest.raises(services.MailNotSent):
        send(shop, alice)
    (link,) = ShareLink.objects.all()
    assert (link.mailed_to, link.mailed_at) == (DAVE, None)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert send(shop, alice).pk == link.pk
    assert len(outbox.outbox) == 1


def test_held_and_unready_domains_are_not_mailed(shop: Domain, alice: User) -> None:
    overrides_services.hold(domain=shop, because="Abuse", actor=make_staff())
    shop.refresh_from_db()
    for domain in (shop, make_domain(stage=Stage.DELETING), make_domain(stage=Stage.STARTING)):
        with pytest.raises(Refused):
            send(domain, alice)
    assert outbox.outbox == []


def test_a_name_that_contains_a_link_is_not_sent(shop: Domain, acme: Customer) -> None:
    mallory = make_member(acme, email="m@acme.example", first_name="Win at https://evil.example")
    send(shop, mallory)
    assert "evil.example" not in outbox.outbox[0].body


def test_the_page_previews_and_sends_the_text(shop: Domain, alice: User, client: Client) -> None:
    client.force_login(alice)
    address = reverse("domains:mail_records", args=(shop.pk,))
    page = client.get(address).text
    assert shop.records[0].value in page
    assert "Record name" in client.get(address, {"host": "route53"}, headers={"HX-Request": "true"}).text
    refused = client.post(address, {"to": "nobody"})
    assert (refused.status_code, outbox.outbox) == (422, [])
    sent = client.post(address, {"to": DAVE, "host": "route53"}, follow=True)
    assert f"Emailed to {DAVE}" in sent.text
    assert "Record name" in outbox.outbox[0].body


def test_the_page_says_why_there_is_nothing_to_mail(client: Client, alice: User, acme: Customer) -> None:
    client.force_login(alice)
    domain = make_domain(stage=Stage.STARTING, customer=acme)
    page = client.get(reverse("domains:mail_records", args=(domain.pk,)))
    assert "The records are being created" in page.text
    assert 'name="to"' not in page.text


def test_a_long_address_is_mailed_once_like_any_other(shop: Domain, alice: User) -> None:
    long = f"{'l' * 64}@{'d' * 60}.{'e' * 60}.{'f' * 50}.example"
    assert services.mail_records(domain=shop, to=long, actor=alice, site_url=SITE).mailed_to == long
    with pytest.raises(RateLimited, match="a moment ago"):
        services.mail_records(domain=shop, to=long, actor=alice, site_url=SITE)
    with pytest.raises(Refused, match="isn't an email address"):
        services.mail_records(domain=shop, to=f"{long}.too.long.for.mail", actor=alice, site_url=SITE)


def checked(shop: Domain) -> Domain:
    checking_services.check([Domain.objects.get(pk=shop.pk)], now=timezone.now())
    return Domain.objects.get(pk=shop.pk)


def test_records_whose_lookup_failed_are_not_called_published(sandbox: Sandbox, shop: Domain, alice: User) -> None:
    publish(sandbox, shop)
    checked(shop)
    sandbox.control.set_dns_fault("shop.com", "servfail")
    with pytest.raises(Refused, match="couldn't check .* found when last checked") as refused:
        send(checked(shop), alice)
    assert refused.value.code == "COULD_NOT_CHECK"
    assert outbox.outbox == []


def test_the_email_asks_nobody_to_add_what_could_not_be_checked(sandbox: Sandbox, shop: Domain, alice: User) -> None:
    publish(sandbox, shop)
    sandbox.control.set_dns_fault("shop.com", "servfail")
    send(checked(shop), alice)
    (mail,) = outbox.outbox
    assert "to add" not in mail.body
    assert mail.body.count("We couldn't check this record. Add it only if your DNS host doesn't list it.") >= 6


def test_the_email_says_which_record_replaces_another(sandbox: Sandbox, shop: Domain, alice: User) -> None:
    sandbox.control.add_record("shop.com", "shop.com", "TXT", "v=spf1 include:_spf.google.com ~all")
    sandbox.control.add_zone("google.com")
    sandbox.control.add_record("google.com", "_spf.google.com", "TXT", "v=spf1 ip4:192.0.2.0/24 ~all")
    send(checked(shop), alice)
    (mail,) = outbox.outbox
    assert "7 records to add and 1 to edit" in mail.body
    assert mail.body.count("Replace the present one, don't add a second.") == 1
    assert "Change them in the zone shop.com at Cloudflare" in mail.body
