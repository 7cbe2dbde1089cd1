"""What the diagnosis knows stands in every place: domain, API, share page, alert and the draft reply."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

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
from operations.dashboard.core import summary_of
from operations.dashboard.selectors import case_facts
from public_api.records.selectors import next_steps
from sandbox.process import Sandbox
from tests.domains.dns_host import NAMESERVERS
from tests.domains.factories import mark_as_receiving, publish, records_to_publish, set_up_domain, zone_of
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
    state: str
    summary: str
    steps: tuple[str, ...]
    shared: str
    alert: str
    who: str
    reply: str
    verdict: str
    diagnosis_steps: tuple[str, ...]
    code: str


def told(domain: Domain) -> Told:
    domain = Domain.objects.get(pk=domain.pk)
    found = diagnosis_services.gather(domain, now=timezone.now()).diagnosis()
    case = summary_of(case_facts(domain, found))
    first = found.findings[0] if found.findings else None
    link = sharing_services.create(domain=domain, actor=make_member(domain.customer), days=7)
    shared = Client().get(reverse("domains:shared", args=(sharing_selectors.token_of(link),))).text
    alert = Alert.objects.filter(object_id=domain.pk, kind="domain.at_risk").first()
    return Told(
        state=domain.state,
        summary=domain.headline,
        steps=tuple(next_steps(domain)),
        shared=shared,
        alert=f"{alert.state}: {alert.why}" if alert else "",
        who=f"{case.who} | {case.wrong}",
        reply=case.reply,
        verdict=first.verdict if first else "",
        diagnosis_steps=first.steps if first else (),
        code=", ".join(f"{f.code} {f.record_key}" for f in found.findings),
    )


def parked(sandbox: Sandbox, domain: Domain) -> None:
    sandbox.control.remove_zone(NAME)
    sandbox.control.add_zone(NAME, ("ns1.pendingrenewaldeletion.com", "ns2.pendingrenewaldeletion.com"))
    sandbox.control.add_record(NAME, f"*.{NAME}", "A", "203.0.113.9")
    sandbox.control.add_record(NAME, NAME, "A", "203.0.113.9")


def unsigned(sandbox: Sandbox, domain: Domain) -> None:
    sandbox.control.set_dns_fault(NAME, "bogus")


def lapsed(sandbox: Sandbox, domain: Domain) -> None:
    sandbox.control.remove_zone(NAME)


def silent(sandbox: Sandbox, domain: Domain) -> None:
    sandbox.control.set_dns_fault(NAME, "servfail")


def instead(sandbox: Sandbox, domain: Domain, key: str, kind: str, *values: str) -> None:
    record = next(r for r in domain.checked_records if r.key == key)
    for held in sandbox.control.records(NAME):
        if held.name == record.name and held.type in (record.type, kind) and held.type not in ("SOA", "NS"):
            if not (held.type == "TXT" and record.name == NAME):
                sandbox.control.remove_record(NAME, held.id)
    for value in values:
        sandbox.control.add_record(NAME, record.name, kind, value, force=True)


def dangling_key(sandbox: Sandbox, domain: Domain) -> None:
    instead(sandbox, domain, "dkim-1", "CNAME", "gone.shop.com.")


def dangling_identity(sandbox: Sandbox, domain: Domain) -> None:
    instead(sandbox, domain, "identity", "CNAME", "gone.shop.com.")


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


MISTAKES = (
    restored,
    parked,
    lapsed,
    unsigned,
    silent,
    dangling_key,
    dangling_identity,
    dangling_bounce,
    dangling_apex,
    mx_alias,
    mx_region,
)


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


@pytest.mark.parametrize("was_verified", [False, True], ids=["new", "verified"])
@pytest.mark.parametrize("make", MISTAKES)
def test_dump(sandbox: Sandbox, make: Callable[[Sandbox, Domain], None], was_verified: bool) -> None:
    domain = domain_with(sandbox, make, was_verified=was_verified)
    t = told(domain)
    import re

    main = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", t.shared[t.shared.find("<main") :]))
    with open("/tmp/dns2.txt", "a") as f:
        f.write(
            f"\n===== {make.__name__} {'verified' if was_verified else 'new'}\nCODE {t.code}\nVERDICT {t.verdict}\nDSTEPS {t.diagnosis_steps}\nSTATE {t.state}\nSUMMARY {t.summary}\nSTEPS\n  "
            + "\n  ".join(t.steps)
            + f"\nALERT {t.alert}\nWHO {t.who}\nREPLY {t.reply}\nSHARED {main[:900]}\n"
        )
