"""What the diagnosis knows stands in every place: domain, API, share page, alert and the draft reply."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import unescape

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.checking import services as checking_services
from domains.diagnosis import services as diagnosis_services
from domains.models.domains import Domain
from domains.sharing import selectors as sharing_selectors
from domains.sharing import services as sharing_services
from notifications.models.alerts import Alert
from operations.dashboard.core import CUSTOMER, NONE, NOTHING, summary_of
from operations.dashboard.selectors import case_facts
from public_api.authentication.api import next_steps
from sandbox.process import Sandbox
from tests.domains.dns_host import NAMESERVERS
from tests.domains.factories import mark_as_receiving, publish, set_up_domain
from tests.factories import make_member

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 12)])]
NAME = "shop.com"


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@dataclass(frozen=True)
class Told:
    """What each place says of a domain. `verdict`, `code` and `key` are of the diagnosis."""

    state: str
    summary: str
    steps: tuple[str, ...]
    page: str
    shared: str
    alert: str
    who: str
    reply: str
    verdict: str
    code: str
    key: str

    @property
    def places(self) -> dict[str, str]:
        """Return the texts that people read; without an alert that isn't raised."""
        steps = "\n".join(self.steps)
        texts = {"steps": steps, "page": self.page, "shared": self.shared, "alert": self.alert, "reply": self.reply}
        return {place: text for place, text in texts.items() if text or place != "alert"}


def told(domain: Domain) -> Told:
    domain = Domain.objects.get(pk=domain.pk)
    found = diagnosis_services.gather(domain, now=timezone.now()).diagnosis()
    case, finding = summary_of(case_facts(domain, found)), found.finding
    alice = make_member(domain.customer)
    link = sharing_services.create(domain=domain, actor=alice, days=7)
    client = Client()
    client.force_login(alice)
    alert = Alert.objects.filter(object_id=domain.pk, kind="domain.at_risk").first()
    return Told(
        state=domain.state,
        summary=domain.headline,
        steps=tuple(next_steps(domain)),
        page=text_of(client, reverse("domains:detail", args=(domain.pk,))),
        shared=text_of(Client(), reverse("domains:shared", args=(sharing_selectors.token_of(link),))),
        alert=alert.told if alert else "",
        who=case.who,
        reply=case.reply,
        verdict=finding.verdict if finding else "",
        code=finding.code if finding else "",
        key=finding.record_key if finding else "",
    )


def letter_of(domain: Domain) -> str:
    """Return the email with the records to whoever runs the DNS, as it would be sent."""
    alice = make_member(domain.customer)
    return sharing_services.build_letter(domain=domain, sender=alice, link=None, site_url="https://ours.example/").text


def text_of(client: Client, url: str) -> str:
    """Return the text of a page without tags, with single spaces."""
    body = client.get(url).text.partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def parked(sandbox: Sandbox, domain: Domain) -> None:
    sandbox.control.remove_zone(NAME)
    sandbox.control.add_zone(NAME, ("ns1.pendingrenewaldeletion.com", "ns2.pendingrenewaldeletion.com"))
    sandbox.control.add_record(NAME, f"*.{NAME}", "A", "203.0.113.9")
    sandbox.control.add_record(NAME, NAME, "A", "203.0.113.9")


def unsigned(sandbox: Sandbox, domain: Domain) -> None:
    sandbox.control.set_dns_fault(NAME, "bogus")


def lapsed(sandbox: Sandbox, domain: Domain) -> None:
    sandbox.control.remove_zone(NAME)


def failing(sandbox: Sandbox, domain: Domain) -> None:
    sandbox.control.set_dns_fault(NAME, "servfail")


def instead(sandbox: Sandbox, domain: Domain, key: str, kind: str, *values: str) -> None:
    record = next(r for r in domain.checked_records if r.key == key)
    for held in sandbox.control.records(NAME):
        if held.name == record.name and held.type in (record.type, kind):
            sandbox.control.remove_record(NAME, held.id)
    for value in values:
        sandbox.control.add_record(NAME, record.name, kind, value, force=True)


def dangling_bounce(sandbox: Sandbox, domain: Domain) -> None:
    for key in ("mail-from-spf", "mail-from-mx"):
        instead(sandbox, domain, key, "CNAME")
    instead(sandbox, domain, "mail-from-mx", "CNAME", "gone.shop.com.")


def dangling_apex(sandbox: Sandbox, domain: Domain) -> None:
    for held in sandbox.control.records(NAME):
        if held.name == NAME and held.type not in ("SOA", "NS"):
            sandbox.control.remove_record(NAME, held.id)
    sandbox.control.add_record(NAME, NAME, "CNAME", "gone.example.net.", force=True)


def mx_alias(sandbox: Sandbox, domain: Domain) -> None:
    instead(sandbox, domain, "inbound-mx", "MX", "10 mail.shop.com.")
    sandbox.control.add_record(NAME, "mail.shop.com", "CNAME", "inbound-smtp.eu-west-1.amazonaws.com.")


def mx_region(sandbox: Sandbox, domain: Domain) -> None:
    instead(sandbox, domain, "inbound-mx", "MX", "10 inbound-smtp.us-east-1.amazonaws.com.")


def restored(sandbox: Sandbox, domain: Domain) -> None:
    record = next(r for r in domain.checked_records if r.key == "dkim-1")
    value = next(held.value for held in sandbox.control.records(NAME) if held.name == record.name)
    instead(sandbox, domain, "dkim-1", "CNAME")
    for minutes in (7, 4):
        checking_services.check([domain], now=timezone.now() - timedelta(minutes=minutes))
    domain.refresh_from_db()
    assert domain.state == "at_risk"
    diagnosis_services.cached_or_new_result(domain, now=timezone.now())
    instead(sandbox, domain, "dkim-1", "CNAME", value)


@dataclass(frozen=True)
class Mistaken:
    """`said` stands in every place; a reply may quote the diagnosis instead. `never`: in none."""

    make: Callable[[Sandbox, Domain], None]
    code: str
    said: str
    state: tuple[str, str] = ("wrong", "at_risk")  # of a new domain, and of one that was verified
    never: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.make.__name__


PUBLISH = ("Publish CNAME", "Please publish", "Publish 6", "records to add", "asks you to change", "try again shortly")
OF_THE_ZONE = (
    Mistaken(
        parked,
        "dns.domain.lapsed",
        "shop.com has expired or is on hold at its registrar.",
        state=("waiting", "at_risk"),
        never=(*PUBLISH, "moved to other nameservers"),
    ),
    Mistaken(
        unsigned,
        "dns.dnssec.broken",
        "DNSSEC of shop.com is broken",
        never=(*PUBLISH, "didn’t answer", "leave the records unchanged"),
    ),
    Mistaken(
        lapsed,
        "dns.domain.lapsed",
        "shop.com doesn't exist in DNS",
        state=("waiting", "at_risk"),
        never=PUBLISH,
    ),
)
OF_A_RECORD = (
    Mistaken(
        dangling_bounce,
        "dns.alias.dangling",
        "bounce.shop.com is a CNAME to gone.shop.com, which doesn't exist. Remove the CNAME",
        never=("set up the name it points to", "Publish MX"),
    ),
    Mistaken(
        dangling_apex,
        "dns.alias.dangling",
        "shop.com is a CNAME to gone.example.net, which doesn't exist. Remove the CNAME",
        never=("doesn't exist in DNS", "registrar"),
    ),
    Mistaken(
        mx_alias,
        "dns.value.mx_alias",
        "The inbound MX record points to mail.shop.com, a CNAME.",
        never=("mailboxes", "goes elsewhere"),
    ),
    Mistaken(
        mx_region,
        "dns.value.other_region",
        "The inbound MX record belongs to another AWS region",
        never=("mailboxes", "goes elsewhere"),
    ),
)
BOTH = pytest.mark.parametrize("was_verified", [False, True], ids=["new", "verified"])


def domain_with(sandbox: Sandbox, make: Callable[[Sandbox, Domain], None], *, was_verified: bool) -> Domain:
    sandbox.control.add_zone(NAME, NAMESERVERS)
    domain = mark_as_receiving(set_up_domain(sandbox, NAME))
    now = timezone.now() - timedelta(minutes=10)
    if was_verified:
        for step in range(3):
            publish(sandbox, domain)
            sandbox.control.tick()
            checking_services.check([domain], now=now + timedelta(minutes=step))
            domain.refresh_from_db()
        assert domain.state == "verified", domain.summary
    elif make not in (parked, lapsed):
        publish(sandbox, domain)
    make(sandbox, domain)
    for step in (8, 10):
        domain = Domain.objects.get(pk=domain.pk)
        checking_services.check([domain], now=now + timedelta(minutes=step))
    return domain


@BOTH
@pytest.mark.parametrize("case", OF_THE_ZONE, ids=lambda case: case.id)
def test_what_is_wrong_with_the_zone_stands_in_every_place(
    sandbox: Sandbox, case: Mistaken, was_verified: bool
) -> None:
    domain = domain_with(sandbox, case.make, was_verified=was_verified)
    seen = told(domain)
    assert seen.state == case.state[was_verified]
    assert seen.code == (case.code if was_verified or case.make is not lapsed else "dns.domain.no_such")
    assert seen.summary.startswith(case.said)
    assert [step.startswith(case.said) for step in seen.steps] == [True]
    assert bool(seen.alert) is was_verified
    assert seen.who == CUSTOMER
    assert seen.verdict in seen.reply
    agree(seen, case)
    letter = letter_of(domain)
    assert f"asks you to correct the DNS of shop.com.\n\nSomething else comes first. {case.said}" in letter
    assert [words for words in case.never if words in letter] == []
    alice = Client()
    alice.force_login(make_member(domain.customer))
    for page in ("exports", "print"):
        assert case.said in text_of(alice, reverse(f"domains:{page}", args=(domain.pk,)))
    for kind, mark in (("letter", "Note: "), ("zone", "; ")):
        text = alice.get(reverse("domains:export_file", args=(domain.pk, kind))).text
        assert text.startswith(f"{mark}{case.said}")


@pytest.mark.parametrize("case", OF_A_RECORD, ids=lambda case: case.id)
def test_what_is_wrong_with_a_record_stands_in_every_place(sandbox: Sandbox, case: Mistaken) -> None:
    seen = told(domain_with(sandbox, case.make, was_verified=True))
    assert seen.state == "at_risk"
    assert seen.code == case.code
    assert seen.who == CUSTOMER
    agree(seen, case)


def agree(seen: Told, case: Mistaken) -> None:
    for place, text in seen.places.items():
        said = seen.verdict if place == "reply" and seen.verdict in text else case.said
        assert said in text, (place, text)
        assert [words for words in case.never if words in text] == [], (place, text)


def test_a_record_that_was_restored_is_asked_for_nowhere(sandbox: Sandbox) -> None:
    seen = told(domain_with(sandbox, restored, was_verified=True))
    assert (seen.state, seen.code, seen.steps, seen.who) == ("verified", "", (), NONE)
    assert seen.alert.startswith("Before it was resolved: 1 of 6 records has changed or disappeared.")
    assert NOTHING in seen.reply
    assert "Restore" not in seen.page + seen.shared + seen.reply


def test_a_zone_that_works_again_is_verified_and_ends_the_alert(sandbox: Sandbox) -> None:
    domain = domain_with(sandbox, unsigned, was_verified=True)
    sandbox.control.clear_dns_faults()
    for minutes in (1, 4):
        checking_services.check([Domain.objects.get(pk=domain.pk)], now=timezone.now() + timedelta(minutes=minutes))
    seen = told(domain)
    assert (seen.state, seen.code, seen.steps, seen.who) == ("verified", "", (), NONE)
    assert seen.alert.startswith("Before it was resolved: DNSSEC of shop.com is broken")


@BOTH
def test_a_zone_that_nobody_can_read_is_not_said_to_have_broken_dnssec(sandbox: Sandbox, was_verified: bool) -> None:
    """The records may be fine. The reply says whom to ask, as the diagnosis does."""
    seen = told(domain_with(sandbox, failing, was_verified=was_verified))
    assert (seen.state, seen.code) == ("could_not_check", "dns.server.failing")
    assert "DNSSEC" not in "".join(seen.places.values())
    assert not seen.alert
    assert seen.verdict in seen.reply
