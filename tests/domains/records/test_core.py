"""The records that a domain needs, and the merging of SPF records."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.names.core import DomainName
from domains.records.core import (
    NO_ZONE,
    USUAL_ZONE,
    IdentityFacts,
    Need,
    Purpose,
    inbound_host,
    mail_from_candidates,
    records_for,
)
from domains.spf.core import grammar, merger
from tests.domains.dns_host import all_found, nothing_published

DOMAIN = DomainName.from_stored("shop.example.co.uk")


def make_facts(**changes: object) -> IdentityFacts:
    facts: dict[str, object] = {
        "domain": DOMAIN,
        "region": "eu-west-1",
        "verification_token": "AbC=",
        "dkim_tokens": ("one", "two", "three"),
        "dkim_zone": "dkim.amazonses.com",
        "mail_from": "bounce.shop.example.co.uk",
        "receiving": True,
        "policies": nothing_published(DOMAIN.ascii),
    }
    return IdentityFacts(**{**facts, **changes})  # type: ignore[arg-type]


def keys(facts: IdentityFacts) -> list[str]:
    return [record.key for record in records_for(facts)]


def test_a_domain_that_receives_needs_seven_records() -> None:
    rows = [(r.key, r.type, r.name, r.value, r.priority) for r in records_for(make_facts())]
    d = "shop.example.co.uk"
    assert rows == [
        ("identity", "TXT", f"_amazonses.{d}", "AbC=", None),
        ("dkim-1", "CNAME", f"one._domainkey.{d}", "one.dkim.amazonses.com", None),
        ("dkim-2", "CNAME", f"two._domainkey.{d}", "two.dkim.amazonses.com", None),
        ("dkim-3", "CNAME", f"three._domainkey.{d}", "three.dkim.amazonses.com", None),
        ("mail-from-mx", "MX", f"bounce.{d}", "feedback-smtp.eu-west-1.amazonses.com", 10),
        ("mail-from-spf", "TXT", f"bounce.{d}", "v=spf1 include:amazonses.com ~all", None),
        ("inbound-mx", "MX", d, "inbound-smtp.eu-west-1.amazonaws.com", 10),
    ]


def test_records_are_sorted_by_purpose_and_need() -> None:
    records = records_for(make_facts(wants_dmarc=True, wants_apex_spf=True))
    order = [list(Purpose).index(record.purpose) for record in records]
    assert order == sorted(order)
    assert {r.need for r in records[:7]} == {Need.REQUIRED}
    assert [(r.key, r.need) for r in records[7:]] == [("apex-spf", Need.RECOMMENDED), ("dmarc", Need.RECOMMENDED)]


def test_a_record_with_unknown_value_is_left_out() -> None:
    assert keys(IdentityFacts(DOMAIN, "eu-west-1")) == []
    assert keys(make_facts(verification_token="")) == keys(make_facts())[1:]


@pytest.mark.parametrize("region", ["us-gov-west-1", "ap-south-2", "ca-west-1", "me-central-1", "moon-1", ""])
def test_a_region_without_receiving_has_no_inbound_mx(region: str) -> None:
    assert "inbound-mx" not in keys(make_facts(region=region))
    with pytest.raises(ValueError, match="can't receive"):
        inbound_host(region)


def test_the_dkim_zone_is_the_one_that_ses_returned() -> None:
    records = records_for(make_facts(dkim_zone="dkim.eu-south-1.amazonses.com"))
    assert records[1].value == "one.dkim.eu-south-1.amazonses.com"


@pytest.mark.parametrize(
    ("region", "zone"), [("eu-west-1", "dkim.amazonses.com"), ("eu-south-1", "dkim.eu-south-1.amazonses.com")]
)
def test_an_unknown_dkim_zone_falls_back_to_the_regions_with_a_note(region: str, zone: str) -> None:
    record = records_for(make_facts(region=region, dkim_zone=""))[1]
    assert (record.value, record.note, record.need) == (f"one.{zone}", USUAL_ZONE.format(region=region), "required")


def test_dkim_records_in_an_unknown_partition_are_withheld() -> None:
    record = records_for(make_facts(region="eusc-de-east-1", dkim_zone=""))[1]
    assert (record.value, record.withheld) == ("", NO_ZONE.format(region="eusc-de-east-1"))


def test_the_mail_from_mx_in_an_unknown_partition_is_withheld() -> None:
    records = {record.key: record for record in records_for(make_facts(region="eusc-de-east-1"))}
    assert (records["mail-from-mx"].value, "eusc-de-east-1" in records["mail-from-mx"].withheld) == ("", True)


def test_the_mail_from_candidates_exclude_mail() -> None:
    names = mail_from_candidates(DOMAIN)
    assert names[0] == "bounce.shop.example.co.uk"
    assert "mail.shop.example.co.uk" not in names


@pytest.mark.parametrize("reports", ["", "dmarc@example.co.uk"])
def test_the_dmarc_record_only_monitors_and_has_no_pct(reports: str) -> None:
    value = records_for(make_facts(wants_dmarc=True, dmarc_reports_to=reports))[-1].value
    assert value.startswith("v=DMARC1; p=none")
    assert "pct" not in value
    assert ("rua=mailto:dmarc@example.co.uk" in value) == bool(reports)


def test_names_and_values_have_no_final_dot_or_quotes() -> None:
    for record in records_for(make_facts(wants_dmarc=True, wants_apex_spf=True)):
        assert not record.name.endswith(".")
        assert not record.value.endswith(".")
        assert '"' not in record.value


@pytest.mark.parametrize(
    ("existing", "merged"),
    [
        ("", "v=spf1 include:amazonses.com ~all"),
        ("v=spf1 -all", "v=spf1 include:amazonses.com -all"),
        ("v=spf1", "v=spf1 include:amazonses.com"),
        ("v=spf1 include:_spf.google.com ~all", "v=spf1 include:_spf.google.com include:amazonses.com ~all"),
        ("v=spf1  mx   ip4:192.0.2.0/24  ?ALL", "v=spf1 mx ip4:192.0.2.0/24 include:amazonses.com ?ALL"),
        ("v=spf1 redirect=_spf.example.net", "v=spf1 include:amazonses.com redirect=_spf.example.net"),
        ("v=spf1 redirect=x.net -all", "v=spf1 redirect=x.net include:amazonses.com -all"),
        ("v=spf1 exp=why.x.net mx -all", "v=spf1 exp=why.x.net mx include:amazonses.com -all"),
        ("v=spf1 include:AmazonSES.com. -all", "v=spf1 include:AmazonSES.com. -all"),
        ("v=spf1 -all include:amazonses.com", "v=spf1 include:amazonses.com -all"),
        ("v=spf1 -include:amazonses.com ~all", "v=spf1 include:amazonses.com ~all"),
    ],
)
def test_amazonses_is_added_before_all_and_the_rest_is_kept(existing: str, merged: str) -> None:
    lines = (existing,) if existing else ()
    names = all_found(*lines)
    assert merger.add_include(existing, names=names).value == merged
    published = replace(nothing_published(DOMAIN.ascii), spf={DOMAIN.ascii: lines}, inside=names.lines)
    assert records_for(make_facts(wants_apex_spf=True, policies=published))[-1].value == merged


@pytest.mark.parametrize(
    ("text", "lookups"),
    [
        ("v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all", 0),
        ("v=spf1 a mx:b.net/24 ptr exists:%{i}.x.net include:c.net -all", 5),
        ("v=spf1 redirect=a.net", 1),
        ("v=spf1 redirect=a.net -all", 0),
        ("v=spf1 -all include:a.net", 0),
        ("v=spf1 exp=a.net a=b.net", 0),
    ],
)
def test_spf_lookups_of_a_record_are_counted(text: str, lookups: int) -> None:
    assert grammar.parse(text).lookups == lookups


def test_the_eleventh_lookup_is_refused() -> None:
    nine = "v=spf1 " + " ".join(f"include:s{n}.net" for n in range(9)) + " -all"
    ten = "v=spf1 " + " ".join(f"include:s{n}.net" for n in range(10)) + " -all"
    assert not merger.add_include(nine, names=all_found(nine)).withheld
    assert "11 DNS lookups" in merger.add_include(ten, names=all_found(ten)).withheld


@pytest.mark.parametrize("text", ["", "v=spf10 -all", "v=spf1include:a", "spf1", " v=spf1"])
def test_text_that_is_not_spf_is_refused(text: str) -> None:
    assert not grammar.is_spf(text)
    with pytest.raises(ValueError, match="not an SPF"):
        grammar.parse(text)


TERMS = st.sampled_from(
    [
        "a",
        "mx",
        "-all",
        "~all",
        "ALL",
        "+ip4:1.2.3.4",
        "include:x.net",
        "redirect=y.net",
        "exp=z.net",
        "include:amazonses.com",
    ]
)


@given(st.lists(TERMS, max_size=6))
def test_merging_authorises_ses_keeps_the_rest_and_is_idempotent(terms: list[str]) -> None:
    names = all_found("v=spf1 include:x.net redirect=y.net")
    once = merger.add_include(" ".join(["v=spf1", *terms]), names=names).value
    if max(terms.count("redirect=y.net"), terms.count("exp=z.net")) > 1:
        assert once == ""
        return
    if grammar.parse(" ".join(["v=spf1", *terms])).allows_anyone:
        assert once == ""
        return
    assert grammar.authorises(once)
    assert merger.add_include(once, names=names).value == once
    others = [term for term in terms if term != "include:amazonses.com"]
    assert [term for term in once.split()[1:] if term != "include:amazonses.com"] == others


def test_a_receiving_domain_gets_mta_sts_and_with_reports_tls_rpt() -> None:
    plain = make_facts(receiving=True, wants_mta_sts=True, dmarc_reports_to="")
    records = {record.key: record for record in records_for(plain)}
    assert (records["mta-sts"].name, records["mta-sts"].value) == ("_mta-sts.shop.example.co.uk", "v=STSv1; id=1")
    assert "https://mta-sts.shop.example.co.uk/.well-known/mta-sts.txt" in records["mta-sts"].note
    assert "mx: inbound-smtp.eu-west-1.amazonaws.com" in records["mta-sts"].note
    assert not records["mta-sts"].is_unnecessary
    assert "tls-rpt" not in records
    with_reports = {r.key: r for r in records_for(replace(plain, dmarc_reports_to="tls@example.com"))}
    assert with_reports["tls-rpt"].name == "_smtp._tls.shop.example.co.uk"
    assert with_reports["tls-rpt"].value == "v=TLSRPTv1; rua=mailto:tls@example.com"
    assert "mta-sts" not in {record.key for record in records_for(replace(plain, receiving=False))}
