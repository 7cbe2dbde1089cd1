"""Domain Connect: discovered by DNS and the host's API, offered only for absent records, and signed."""

from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from domains.checking import services as checking_services
from domains.domain_connect import core, services
from domains.models.domains import Domain
from domains.records.selectors import records_page
from domains.sharing import services as sharing_services
from domains.sharing.selectors import token_of
from inbound_admin.checks import domain_connect_can_sign
from sandbox.process import Sandbox
from tests.domains.factories import set_up_domain, zone_of
from tests.factories import make_member

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts(["127.0.0.1"])]
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


@pytest.fixture(autouse=True)
def connect_settings(settings: Settings, sandbox: Sandbox) -> None:
    settings.DOMAIN_CONNECT_PROVIDER, settings.DOMAIN_CONNECT_KEY = "panel.example", PEM
    settings.DOMAIN_CONNECT_MAY_BE_PRIVATE = True
    identity = services.connect_identity()
    assert identity is not None
    sandbox.control.add_zone("panel.example")
    for name, value in core.key_records(identity):
        sandbox.control.add_record("panel.example", name, "TXT", value)


def domain_at_host(sandbox: Sandbox, mode: str = "supported", name: str = "shop.com") -> Domain:
    """Return a checked domain whose DNS host is in that mode, and whose support was discovered."""
    domain = set_up_domain(sandbox, name)
    zone = zone_of(domain)
    place = f"{urlsplit(sandbox.aws_url).netloc}/_connect/{mode}"
    sandbox.control.add_record(zone, f"_domainconnect.{zone}", "TXT", place)
    return check_and_discover(domain)


def check_and_discover(domain: Domain) -> Domain:
    checking_services.check([domain], now=timezone.now())
    services.discover(domain_id=domain.pk)
    return Domain.objects.get(pk=domain.pk)


def link_of(domain: Domain) -> core.ConnectLink | None:
    return services.link_for(domain, records_page(domain, can_check_in=0))


@pytest.mark.parametrize("name", ["shop.com", "xn--bcher-kva.com", "eu.firma.co.uk"])
def test_the_hosts_page_adds_exactly_the_missing_records(sandbox: Sandbox, name: str) -> None:
    domain = domain_at_host(sandbox, name=name)
    link = link_of(domain)
    assert link is not None
    assert link.host == "Sandbox DNS"
    wanted = {record.key for record in domain.records if record.value}
    assert set(link.keys) == wanted
    with urlopen(link.url) as page:  # noqa: S310  # the sandbox's own address
        assert "Add to" in page.read().decode()
    with urlopen(Request(link.url, method="POST", data=b"")) as done:  # noqa: S310
        assert "Added" in done.read().decode()
    checking_services.check([domain], now=timezone.now())
    seen = {check.key: str(check.state) for check in domain.record_checks.all()}
    assert {key: seen[key] for key in wanted} == dict.fromkeys(wanted, "verified"), seen
    assert link_of(Domain.objects.get(pk=domain.pk)) is None


def test_a_changed_link_is_403(sandbox: Sandbox) -> None:
    link = link_of(domain_at_host(sandbox))
    assert link is not None
    with pytest.raises(HTTPError, match="403") as refused:
        urlopen(link.url.replace("verification=", "verification=x"))  # noqa: S310
    refused.value.close()  # otherwise the open socket would fail another test


MODES = ("no_template", "unknown_domain", "down", "huge", "wrong_json", "redirect", "script", "no_page")


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_shown_without_support(sandbox: Sandbox, mode: str, client: Client) -> None:
    domain = domain_at_host(sandbox, mode)
    assert (domain.domain_connect, link_of(domain)) == ({}, None)
    client.force_login(make_member(domain.customer))
    assert "domain-connect" not in client.get(reverse("domains:detail", args=(domain.pk,))).text


def test_a_host_without_the_discovery_record_is_not_queried(sandbox: Sandbox) -> None:
    assert check_and_discover(set_up_domain(sandbox)).domain_connect == {}


@pytest.mark.parametrize("fault", ["servfail", "silent"])
def test_a_failed_discovery_keeps_the_known_settings(sandbox: Sandbox, fault: str, settings: Settings) -> None:
    settings.DNS_TIMEOUT_SECONDS = 0.2
    domain = domain_at_host(sandbox)
    sandbox.control.set_dns_fault("_domainconnect.shop.com", fault)
    services.discover(domain_id=domain.pk)
    assert Domain.objects.get(pk=domain.pk).domain_connect == domain.domain_connect != {}
    sandbox.control.clear_dns_faults()
    sandbox.control.add_record(
        "shop.com", "_domainconnect.shop.com", "TXT", f"{urlsplit(sandbox.aws_url).netloc}/_connect/down"
    )


def test_records_that_exist_are_never_offered(sandbox: Sandbox) -> None:
    """If applied, our MX record would replace the customer's mail service."""
    domain = set_up_domain(sandbox, "shop.com")
    zone = zone_of(domain)
    sandbox.control.add_record(zone, "shop.com", "MX", "1 aspmx.l.google.com")
    sandbox.control.add_record(zone, "shop.com", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    sandbox.control.add_record(zone, "_dmarc.shop.com", "TXT", "v=DMARC1; p=rejct")
    sandbox.control.add_record(zone, "bounce.shop.com", "MX", "10 mx.other.net")
    place = f"{urlsplit(sandbox.aws_url).netloc}/_connect/supported"
    sandbox.control.add_record(zone, f"_domainconnect.{zone}", "TXT", place)
    Domain.objects.filter(pk=domain.pk).update(
        proven_at=timezone.now(), identity_status="Success", routes_unchecked=False, mail_rules={"shop.com": "carried"}
    )
    link = link_of(check_and_discover(Domain.objects.get(pk=domain.pk)))
    assert link is not None
    assert not set(link.keys) & {"inbound-mx", "apex-spf", "dmarc", "mail-from-mx"}
    assert {"dkim-1", "dkim-2", "dkim-3"} <= set(link.keys)


def test_a_record_whose_check_failed_is_not_offered(sandbox: Sandbox) -> None:
    domain = domain_at_host(sandbox)
    domain.record_checks.filter(key="dkim-1").update(state="could_not_check", found=[])
    link = link_of(domain)
    assert link is not None
    assert "dkim-1" not in link.keys


def test_the_page_and_the_share_link_offer_it_and_discovery_is_queued_once(sandbox: Sandbox, client: Client) -> None:
    domain = domain_at_host(sandbox)
    alice = make_member(domain.customer)
    client.force_login(alice)
    assert "Set up at Sandbox DNS" in client.get(reverse("domains:detail", args=(domain.pk,))).text
    link = sharing_services.create(domain=domain, actor=alice)
    assert "Set up at Sandbox DNS" in Client().get(reverse("domains:shared", args=(token_of(link),))).text
    client.get(reverse("domains:detail", args=(domain.pk,)))
    assert ProcrastinateJob.objects.filter(task_name="domains.discover").count() == 1


def test_without_a_key_nothing_is_queried_or_shown(sandbox: Sandbox, settings: Settings) -> None:
    domain = domain_at_host(sandbox)
    settings.DOMAIN_CONNECT_KEY = ""
    assert link_of(domain) is None
    services.discover_if_due(domain)
    assert not ProcrastinateJob.objects.filter(task_name="domains.discover").exists()


def test_the_template_has_the_shape_of_the_public_repository() -> None:
    assert set(core.TEMPLATE) <= {
        *("providerId", "providerName", "serviceId", "serviceName", "version", "logoUrl", "description"),
        *("variableDescription", "syncBlock", "shared", "syncRedirectDomain", "syncPubKeyDomain", "multiInstance"),
        *("warnPhishing", "hostRequired", "records"),
    }
    needed = {"CNAME": {"pointsTo"}, "TXT": {"data"}, "MX": {"pointsTo", "priority"}, "SPFM": {"spfRules"}}
    for record in core.TEMPLATE["records"]:
        assert {"type", "host", *needed[record["type"]]} <= set(record)
        assert record["type"] == "SPFM" or isinstance(record["ttl"], int)


def test_the_command_prints_the_template_and_the_key(capsys: pytest.CaptureFixture[str], settings: Settings) -> None:
    call_command("domain_connect")
    output = capsys.readouterr().out
    assert "panel.example.mail.json" in output
    assert '_dck1.panel.example. TXT "p=1,a=RS256,d=' in output
    settings.DOMAIN_CONNECT_KEY = ""
    with pytest.raises(CommandError, match="DOMAIN_CONNECT"):
        call_command("domain_connect")


@pytest.mark.parametrize(
    ("provider", "key", "why"),
    [
        ("", "", ""),
        ("a.example", PEM.replace("\n", "\\n"), ""),
        ("", PEM, "Set both"),
        ("a.example", "x", "PEM"),
    ],
)
def test_the_system_check_names_the_problem_with_the_key(settings: Settings, provider: str, key: str, why: str) -> None:
    settings.DOMAIN_CONNECT_PROVIDER, settings.DOMAIN_CONNECT_KEY = provider, key
    found = domain_connect_can_sign()
    assert [why in str(each.msg) for each in found] == ([True] if why else [])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("domainconnect.godaddy.example", "domainconnect.godaddy.example"),
        ('"api.cloud.example/client/v4/dns/domainconnect/"', "api.cloud.example/client/v4/dns/domainconnect"),
        ("https://api.example", ""),
        ("user@api.example", ""),
        ("api.example/x?y=1", ""),
        ("api.example/" + "x" * 300, ""),
        ("", ""),
    ],
)
def test_the_discovery_record_is_a_host_and_a_path(text: str, place: str) -> None:
    assert core.settings_host([text]) == place


def test_an_older_discovery_does_not_replace_a_newer_one(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    domain, find = domain_at_host(sandbox), services._find_host
    known = domain.domain_connect
    assert known

    def slowly(zone: str, ours: core.ConnectIdentity) -> dict[str, str] | None:
        """Read nothing; a newer discovery reads the host's settings before this one stores."""
        monkeypatch.setattr(services, "_find_host", find)
        Domain.objects.update(domain_connect={})
        services.discover(domain_id=domain.pk)
        return {}

    monkeypatch.setattr(services, "_find_host", slowly)
    services.discover(domain_id=domain.pk)
    assert Domain.objects.get(pk=domain.pk).domain_connect == known
