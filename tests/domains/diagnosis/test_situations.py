"""Situations that people reported in public: the diagnosis finds the cause and offers the value to publish."""

from dataclasses import dataclass

import pytest

from domains.diagnosis.core.findings import Diagnosis
from domains.diagnosis.core.observations import NOTHING_KNOWN
from tests.domains.diagnosis.test_core_failures import diagnosis_of
from tests.domains.diagnosis.worlds import seen_in, world_of
from tests.domains.dns_host import DKIM, TOKEN, facts_of

DOMAIN = "example.com"
INBOUND, FEEDBACK = "inbound-smtp.us-east-1.amazonaws.com", "feedback-smtp.us-east-1.amazonses.com"
KEY = f"{DKIM[0]}.dkim.amazonses.com"
SPF = "v=spf1 include:amazonses.com ~all"
VALID = ""


@dataclass(frozen=True)
class Situation:
    """`values` replace the record `key`, as type `kind` if it differs; `offered` None: any."""

    key: str
    values: tuple[str, ...]
    code: str
    offered: str | None = None
    kind: str = ""

    @property
    def id(self) -> str:
        return f"{self.key} {' + '.join(self.values)}"[:90]


def _spf(text: str, code: str = "dns.value.spf_syntax", offered: str | None = None) -> Situation:
    return Situation("mail-from-spf", (text,), code, offered)


def _dmarc(text: str, code: str = "dns.value.dmarc_syntax", offered: str | None = None) -> Situation:
    return Situation("dmarc", (text,), code, offered)


def _mx(code: str, *hosts: str) -> Situation:
    return Situation("inbound-mx", hosts, code)


def _bounces(code: str, *hosts: str) -> Situation:
    return Situation("mail-from-mx", hosts, code)


def _key(target: str, code: str, kind: str = "") -> Situation:
    return Situation("dkim-1", (target,), code, KEY, kind)


def _proof(text: str, code: str) -> Situation:
    return Situation("identity", (text,), code, TOKEN)


SPF_SITUATIONS = (
    *(
        _spf(f"v=spf1 include:amazonses.com {term} ~all", VALID)
        for term in (
            *("ptr", "ptr:example.com", "mx/24", "a:%{d2}.example.com/24//64", "exists:%{ir}.%{v}.arpa.example.com"),
            *("exp=why.example.com", "unknown=foo", "ip6:2001:db8::", "include:amazonses.com"),
        )
    ),
    *(
        _spf(text, VALID)
        for text in (
            *(
                "V=SPF1 INCLUDE:AMAZONSES.COM ~ALL",
                "v=spf1  include:amazonses.com  ~all ",
                "v=spf1 redirect=amazonses.com",
            ),
            *("v=spf1 include:amazonses.com", "v=spf1 +include:amazonses.com. ?all", f"{SPF} -all"),
        )
    ),
    *(
        _spf(f"v=spf1 include:amazonses.com {term} ~all", offered=SPF)  # it can't be merged, and the name is ours alone
        for term in (
            *("exp=a.example.com exp=b.example.com", "redirect=a.example.com redirect=b.example.com", "exists:%{i"),
            *("exp=%{x}.example.com", "ip4:192.0.2.1/", "ip6:2001:db8::/129", "ip4: 192.0.2.2", "ip:192.0.2.1"),
            *("mx:10 mail.example.com", "a:192.0.2.1", "/24", "(auto-created by wizard)", "foo:bar"),
        )
    ),
    *(
        _spf(text, offered=SPF)
        for text in (
            *(
                "v=spf1 include:amazonses.com~all",
                "v=spf1 include: amazonses.com ~all",
                "v=spf1 inlcude:amazonses.com ~all",
            ),
            *(
                "v=spf1 include:amazonses.com — all",
                "v=spf1 include:amazonses.com –all",
                "v=spf1 include:ama zonses.com ~all",
            ),
            *("v=spf1 include:https://amazonses.com ~all", "v=spf1 include:@amazonses.com ~all", f"TXT {SPF}"),
            *(
                f"bounce TXT {SPF}",
                "spf2.0/pra include:amazonses.com ~all",
                f'{SPF}" "',
                "v=spf1 redirect:amazonses.com",
            ),
        )
    ),
    _spf("v=spf1 include:amazonses.com,include:_spf.example.net ~all", offered=SPF),
    _spf("v=spf1 include:amazonses.comip4:192.0.2.1 ~all", offered=SPF),
    _spf(f"{SPF}.", "dns.value.dot", SPF),
    _spf(f"“{SPF}”", "dns.value.quoted", SPF),
    _spf("v=spf1\tinclude:amazonses.com\t~all", "dns.value.spaces", SPF),
    _spf("v=spf1include:amazonses.com ~all", "dns.value.spaces", SPF),  # two strings without a blank between them
    _spf("v=spf1 include:amazonse.com ~all", "dns.value.typo", SPF),
    _spf("v=spf1 -include:amazonses.com ~all", "dns.value.typo", SPF),
    _spf("v=spf1 include:us-east-1.amazonses.com ~all", "dns.value.spf_without_amazon", SPF),
    _spf("v=spf1 include:_spf.amazonses.com mx ~all", "dns.value.spf_without_amazon", f"v=spf1 mx {SPF[7:]}"),
    _spf("v=spf1 include:amazon.com ~all", "dns.value.spf_without_amazon", f"v=spf1 include:amazon.com {SPF[7:]}"),
    _spf("v=spf1 include:amazonses.com all", "dns.value.spf_open", SPF),
    _spf("v=spf1 include:amazonses.com redirect=_spf.example.net ~all", "dns.spf.ignored"),
    _spf("v=spf1 include:amazonses.com ~all v=spf1 include:spf.example.net ~all", "dns.spf.ignored"),
    _spf("v=spf1 include:amazonses.com all=~", "dns.spf.ignored"),
    Situation("mail-from-spf", (SPF, "v=spf1 mx -all"), "dns.rival.spf", f"v=spf1 mx {SPF[7:]}"),
    Situation("mail-from-spf", (SPF,), "dns.absent", SPF, kind="SPF"),  # type 99, which is obsolete
)
DMARC_SITUATIONS = (
    *(
        _dmarc(text, VALID)
        for text in (
            *("v=DMARC1; p=none; pct=0", "v=DMARC1; p=none; np=reject; t=y; psd=n", "v=DMARC1;; p=reject"),
            *("v=DMARC1; p=none; rua=mailto:a@example.com!10m", "v=DMARC1; p=none; fo=1:d:s", "v = DMARC1 ; p = none"),
            "v=DMARC1;p=none;rua=mailto:a@example.com;ruf=mailto:f@example.com;rf=afrf;pct=100;ri=86400;foo=bar",
        )
    ),
    *(
        _dmarc(f"v=DMARC1; p=reject; rua={reports}", offered="v=DMARC1; p=reject; rua=mailto:a@example.com")
        for reports in (
            *("a@example.com", "mailto:a@example.com!10mb", "mailto: a@example.com", "mailto://a@example.com"),
            *("mail:a@example.com", '"mailto:a@example.com"', "<mailto:a@example.com>", "mailto:a@example.com,"),
        )
    ),
    *(
        _dmarc(
            f"v=DMARC1; p=none; rua={reports}",
            offered="v=DMARC1; p=none; rua=mailto:a@example.com,mailto:b@example.com",
        )
        for reports in (
            *("mailto:a@example.com,b@example.com", "mailto:a@example.com mailto:b@example.com"),
            *("mailto:a@example.com; mailto:b@example.com", "mailto:a@example.com; rua=mailto:b@example.com"),
        )
    ),
    *(
        _dmarc(f"v=DMARC1; p=reject; {tag}", offered="v=DMARC1; p=reject")
        for tag in (
            *("pct=50%", "t=maybe", "p=none", "rua=", "rua=; ruf=", "fo=0,1", "fo:0", "0", "rf:afrf", "sp='none'"),
            *("rua=https://example.com/reports", "ri=1d", "sp="),
        )
    ),
    _dmarc("v=DMARC1; p=none; adkim=strict", offered="v=DMARC1; p=none; adkim=s"),
    _dmarc("v=DMARC1; sp=none; p=reject", offered="v=DMARC1; p=reject; sp=none"),
    _dmarc("p=reject", offered="v=DMARC1; p=reject"),
    _dmarc("_dmarc.example.com TXT v=DMARC1; p=reject", offered="v=DMARC1; p=reject"),
    _dmarc("v=DMARC1 p=reject", offered="v=DMARC1; p=reject"),
    _dmarc(
        "v=DMARC1; rua=mailto:a@example.com", "dns.value.dmarc_policy", "v=DMARC1; p=none; rua=mailto:a@example.com"
    ),
    _dmarc("v=DMARC1; p=quarantine sp=none", "dns.value.dmarc_policy", "v=DMARC1; p=quarantine; sp=none"),
    _dmarc(
        "v=DMARC1; p=reject rua=mailto:a@example.com",
        "dns.value.dmarc_policy",
        "v=DMARC1; p=reject; rua=mailto:a@example.com",
    ),
    _dmarc("v=DMARC1; policy=reject", "dns.value.dmarc_policy", "v=DMARC1; p=reject"),
    _dmarc("v=DMARC1; p=“reject”", "dns.value.dmarc_policy", "v=DMARC1; p=reject"),
    _dmarc("v=DMARC1; p=block", "dns.value.dmarc_policy", "v=DMARC1; p=none"),
    _dmarc("v=DMARC1: p=none", "dns.value.typo", "v=DMARC1; p=none"),
    _dmarc("v=DMARC1; p=none.", "dns.value.dot", "v=DMARC1; p=none"),
    _dmarc("v=spf1 -all", "dns.absent", "v=DMARC1; p=none"),
    Situation(
        "dmarc",
        ("v=DMARC1; p=none; rua=mailto:a@example.com", "v=DMARC1; p=reject"),
        "dns.rival.dmarc",
        "v=DMARC1; p=none; rua=mailto:a@example.com",
    ),
)
KEY_SITUATIONS = (
    _key(f"{KEY}.", VALID),
    _key(f"{KEY}..", VALID),
    _key(f"{KEY}.example.com.example.com", "dns.value.zone_appended"),
    _key(f"{DKIM[0]}.dkim.us-east-1.amazonses.com", "dns.value.other_region"),
    _key(f"{DKIM[0]}._domainkey.amazonses.com", "dns.value.typo"),
    _key(f"{KEY}.dkim.amazonses.com", "dns.value.typo"),
    _key(DKIM[0], "dns.value.cut"),
    _key(f"{KEY}\\226\\128\\139", "dns.value.spaces"),
    _key("s1.domainkey.u123.wl.sendgrid.net", "dns.value.differs"),
    _key("p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ", "dns.value.flattened", "TXT"),
    _key("v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ", "dns.value.pasted_key", "TXT"),
    _key(KEY, "dns.value.wrong_type", "TXT"),
    _key(f'"{KEY}."', "dns.value.wrong_type", "TXT"),
    _key(f"CNAME {KEY}", "dns.value.wrong_type", "TXT"),
    _key(f"{DKIM[0]}._domainkey.example.com. 300 IN CNAME {KEY}.", "dns.value.wrong_type", "TXT"),
    _key("104.16.1.1", "dns.rival.proxied", "A"),
)
MX_SITUATIONS = (
    _mx(VALID, f"65535 {INBOUND}"),
    _mx(VALID, f"10 {INBOUND}..", f"20 {FEEDBACK}"),
    _mx("dns.value.priority_inside", f"10 10\\032{INBOUND}"),
    _mx("dns.value.ip", "10 192.0.2.1"),
    _mx("dns.value.ip", "10 192.0.2.1.example.com"),
    _mx("dns.value.ip", "10 2001:db8::1"),
    _mx("dns.value.impossible_host", "10 10"),
    _mx("dns.value.impossible_host", "10 @.example.com"),
    _mx("dns.value.impossible_host", f"10 https://{INBOUND}"),
    _mx("dns.value.typo", f"10 {INBOUND}:25"),
    _mx("dns.value.typo", "10 inbound-smtp.us-east1.amazonaws.com"),
    _mx("dns.value.typo", "10 inbound-smtp.us-east-1.aws.com"),
    _mx("dns.value.typo", f"10 {INBOUND}.us-east-1.amazonaws.com"),
    _mx("dns.rival.mx", "10 example.com"),
    _mx("dns.rival.mx", "0 example-com.mail.protection.outlook.com", f"10 {INBOUND}"),
    _mx("dns.rival.mx_shared", "5 aspmx.l.google.com", f"5 {INBOUND}"),
    _bounces(VALID, f"20 {FEEDBACK}"),
    _bounces("dns.rival.mail_from_mx", f"10 {FEEDBACK}", f"10 {INBOUND}"),
    _bounces("dns.value.zone_appended", f"10 {FEEDBACK}.bounce.example.com"),
    _bounces("dns.value.typo", "10 us-east-1.amazonses.com"),
    _bounces("dns.value.ip", "10 192.0.2.1.example.com"),
    _bounces("dns.rival.mail_from_in_use", "10 example.com"),
)
PROOF_SITUATIONS = (
    _proof(f"{TOKEN} ", "dns.value.spaces"),
    _proof(f"{TOKEN};", "dns.value.typo"),
    _proof(TOKEN[:-1], "dns.value.cut"),
    _proof(TOKEN.swapcase(), "dns.value.case"),
    _proof(f"{TOKEN}.example.com", "dns.value.zone_appended"),
    _proof(f"TXT {TOKEN}", "dns.value.name_inside"),
    _proof(f'_amazonses.example.com. 300 IN TXT "{TOKEN}"', "dns.value.name_inside"),
    _proof(f"amazonses: {TOKEN}", "dns.value.name_inside"),
    _proof("google-site-verification=abc", "dns.value.differs"),
)
SITUATIONS = (*SPF_SITUATIONS, *DMARC_SITUATIONS, *KEY_SITUATIONS, *MX_SITUATIONS, *PROOF_SITUATIONS)


def diagnose_situation(situation: Situation) -> Diagnosis:
    """Diagnose a zone that is correct except for this record."""
    facts = facts_of(DOMAIN)
    if not situation.kind:
        world = world_of(facts, **{situation.key.replace("-", "_"): situation.values})
        return diagnosis_of(world, seen_in(world), NOTHING_KNOWN)
    world = world_of(facts, **{situation.key.replace("-", "_"): ()})
    name = next(record.name for record in world.records if record.key == situation.key)
    world.add(name, situation.kind, *situation.values)
    return diagnosis_of(world, seen_in(world), NOTHING_KNOWN)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.id)
def test_the_one_cause_is_found_with_the_value_that_fixes_it(situation: Situation) -> None:
    found = diagnose_situation(situation)
    found_codes = [(finding.code, finding.record_key) for finding in found.findings]
    assert found_codes == ([(situation.code, situation.key)] if situation.code else [])
    if situation.code and situation.offered is not None:
        assert dict(found.findings[0].data).get("value", "") == situation.offered


@pytest.mark.parametrize("situation", [each for each in SITUATIONS if each.offered], ids=lambda each: each.id)
def test_the_offered_value_has_no_finding_once_published(situation: Situation) -> None:
    corrected = Situation(situation.key, (situation.offered or "",), VALID)
    assert [finding.code for finding in diagnose_situation(corrected).findings] == []


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        ("v=DMARC1; p=none", "it asks for no reports"),
        ("v=DMARC1; p=none; rua=mailto:a@example.com", "its reports go to another address"),
    ],
)
def test_a_dmarc_record_without_reports_to_us_is_reported(published: str, expected: str) -> None:
    world = world_of(facts_of(DOMAIN, dmarc_reports_to="us@example.com"), dmarc=(published,))
    [finding] = diagnosis_of(world, seen_in(world), NOTHING_KNOWN).findings
    assert (finding.code, expected in finding.verdict) == ("dns.value.dmarc_reports", True)


def test_the_other_mx_with_the_best_priority_is_named() -> None:
    both = ("20 aspmx.l.google.com", "10 mail.example.net", f"30 {INBOUND}")
    [finding] = diagnose_situation(_mx("dns.rival.mx", *both)).findings
    assert finding.verdict == f"{DOMAIN} receives its mail at mail.example.net (priority 10), not here."
