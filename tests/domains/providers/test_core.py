"""The values for the form of each DNS host produce exactly the intended record."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.names.core import DomainName
from domains.providers.core import (
    GENERIC,
    PROVIDERS,
    DnsProvider,
    form_values,
    provider_named,
    provider_of,
    provider_with_key,
)
from domains.records.core import IdentityFacts, Need, Purpose, Record, records_for
from tests.domains.dns_host import nothing_published
from tests.domains.providers.typed_boxes import parse_boxes

ZONE = "example.co.uk"
FACTS = IdentityFacts(
    DomainName("shop.example.co.uk", "shop.example.co.uk", ZONE),
    "eu-west-1",
    verification_token="Tok/en+1=",
    dkim_tokens=("abc", "def", "ghi"),
    dkim_zone="dkim.amazonses.com",
    mail_from="bounce.shop.example.co.uk",
    receiving=True,
    wants_apex_spf=True,
    policies=nothing_published("shop.example.co.uk"),
    wants_dmarc=True,
)
RECORDS = {record.key: record for record in records_for(FACTS)}
AT_APEX = Record("inbound-mx", Purpose.RECEIVING, Need.REQUIRED, "MX", ZONE, "inbound-smtp.eu-west-1.amazonaws.com", 10)
NAMESERVERS = {
    "ada.ns.cloudflare.com": "Cloudflare",
    "ns-1234.awsdns-12.co.uk": "Route 53",
    "ns57.domaincontrol.com": "GoDaddy",
    "dns1.registrar-servers.com": "Namecheap",
    "ns-cloud-a1.googledomains.com": "Squarespace Domains",
    "ns1.vercel-dns.com": "Vercel",
    "ns1.digitalocean.com": "DigitalOcean",
    "dns1.p01.nsone.net": "Netlify or NS1",
    "ns1.dnsimple.com": "DNSimple",
    "ns1.hover.com": "Hover",
    "curitiba.ns.porkbun.com": "Porkbun",
    "ns-12-a.gandi.net": "Gandi",
    "dns10.ovh.net": "OVHcloud",
    "ns1042.ui-dns.com": "IONOS",
    "hydrogen.ns.hetzner.com": "Hetzner",
    "ns1-01.azure-dns.com": "Azure DNS",
    "ns10.wixdns.net": "Wix",
    "ns1.example.net": "",
}
hosts = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.key)


@pytest.mark.parametrize(("nameserver", "company"), NAMESERVERS.items())
def test_a_provider_is_known_by_its_nameservers(nameserver: str, company: str) -> None:
    assert provider_of((nameserver,)) == company


def test_a_name_with_a_similar_ending_is_not_the_provider() -> None:
    assert provider_of(("ns1.nothover.com",)) == ""


def test_every_provider_with_a_row_is_found_by_its_name() -> None:
    for company in set(NAMESERVERS.values()) - {"Wix", ""}:
        assert provider_named(company).name == company
    assert provider_named("Wix") is provider_named("") is GENERIC


def test_provider_keys_are_unique() -> None:
    assert len({provider.key for provider in PROVIDERS}) == len(PROVIDERS) >= 17
    assert all(provider_with_key(provider.key) is provider for provider in PROVIDERS)
    assert provider_with_key("nonsense") is None


def test_nameserver_endings_are_valid_and_pages_are_https() -> None:
    for provider in PROVIDERS:
        assert all(re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", ending) for ending in provider.nameservers)
        assert provider.page == "" or provider.page.startswith("https://")
        assert set(provider.values) <= {"TXT", "CNAME", "MX"}


@hosts
@pytest.mark.parametrize("record", [*RECORDS.values(), AT_APEX], ids=lambda record: f"{record.key} {record.name}")
def test_the_entered_values_produce_the_record(provider: DnsProvider, record: Record) -> None:
    boxes = form_values(record, provider, ZONE)
    assert parse_boxes(boxes, ZONE) == (record.name, record.type, record.value, record.priority)
    assert boxes.name_label
    assert boxes.value_label
    assert bool(boxes.priority) == bool(boxes.priority_label)


@hosts
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=700))
def test_any_text_value_arrives_unchanged(provider: DnsProvider, text: str) -> None:
    record = Record("dmarc", Purpose.RECOMMENDED, Need.RECOMMENDED, "TXT", f"_dmarc.{ZONE}", text)
    assert parse_boxes(form_values(record, provider, ZONE), ZONE)[2] == text


@hosts
def test_quotation_marks_and_final_dots_follow_the_hosts_rules(provider: DnsProvider) -> None:
    for record in RECORDS.values():
        value = form_values(record, provider, ZONE).value
        assert ('"' in value) == (provider.quotes and record.type == "TXT")
        assert value.endswith(".") == (provider.dot and record.type != "TXT")


def test_names_follow_the_hosts_rules() -> None:
    cloudflare, route53, cpanel = (provider_with_key(key) for key in ("cloudflare", "route53", "cpanel"))
    assert cloudflare
    assert route53
    assert cpanel
    assert form_values(RECORDS["dkim-1"], cloudflare, ZONE).name == "abc._domainkey.shop"
    assert [form_values(AT_APEX, host, ZONE).name for host in (cloudflare, route53, cpanel)] == ["@", "", f"{ZONE}."]


def test_route_53_expects_priority_and_quotes_in_the_value() -> None:
    route53 = provider_with_key("route53")
    assert route53
    mx, spf = (form_values(RECORDS[key], route53, ZONE) for key in ("inbound-mx", "mail-from-spf"))
    assert (mx.priority, mx.value) == ("", "10 inbound-smtp.eu-west-1.amazonaws.com")
    assert spf.value == '"v=spf1 include:amazonses.com ~all"'


def test_a_warning_is_shown_only_for_the_records_concerned() -> None:
    cloudflare, namecheap = provider_with_key("cloudflare"), provider_with_key("namecheap")
    assert cloudflare
    assert namecheap
    assert any("DNS only" in warning for warning in form_values(RECORDS["dkim-1"], cloudflare, ZONE).warnings)
    assert not form_values(RECORDS["identity"], cloudflare, ZONE).warnings
    assert any("Custom MX" in warning for warning in form_values(RECORDS["inbound-mx"], namecheap, ZONE).warnings)


def test_the_zone_file_line_contains_the_record() -> None:
    assert form_values(RECORDS["inbound-mx"], GENERIC, ZONE).zone_file_line == (
        "shop.example.co.uk. MX 10 inbound-smtp.eu-west-1.amazonaws.com."
    )
    assert form_values(RECORDS["mail-from-spf"], GENERIC, ZONE).zone_file_line == (
        'bounce.shop.example.co.uk. TXT "v=spf1 include:amazonses.com ~all"'
    )


def test_a_record_of_another_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the zone"):
        form_values(AT_APEX, GENERIC, "example.com")


@hosts
def test_provider_pages_are_https_without_placeholders(provider: DnsProvider) -> None:
    page = provider.page_for(ZONE)
    assert "{" not in page
    assert not page or re.match(r"https://[a-z.]+(/|$)", page)
