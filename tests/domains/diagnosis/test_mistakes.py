"""Each mistake has a zone that shows it: the diagnosis finds its code and no other. Correct zones have no
findings.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from domains.diagnosis.core.codes import MISTAKES
from domains.diagnosis.core.findings import Diagnosis, DiagnosisFinding, LinkState, Severity
from domains.dns.core import SKIPPED
from domains.records.core import IdentityFacts, Record, records_for
from sandbox.dns.mistake import Mistake
from sandbox.dns.mistaken import RECORD_MISTAKES
from tests.domains import mistake_makers as made
from tests.domains.dns_host import DKIM, Host, facts_of, serving, wanted_record
from tests.domains.mistakes import SCENES, Scene, diagnose_scene
from tests.domains.right_zones import CORRECT_ZONES, CorrectZone, diagnose_zone, unexpected_codes

WORDS = 60
NUMBERS = {
    "name.doubled_zone": "M01",
    "value.appended_zone": "M02",
    "name.apex": "M04",
    "name.wrong_parent": "M05",
    "name.swapped": "M12",
    "value.quoted": "M09",
    "value.curly_quotes": "M09",
    "value.invisible": "M17",
    "value.cut": "M10",
    "value.mistyped": "M11",
    "value.lower_cased": "M14",
    "type.cname_as_txt": "M13",
    "type.mx_as_cname": "M13",
    "value.priority_inside": "M16",
    "value.other_region": "M28",
    "value.null_mx": "M30",
    "value.mx_to_ip": "M30",
    "rival.second_spf": "M18",
    "rival.better_mx": "M21",
    "rival.two_mx": "M22",
    "rival.proxied": "M25",
    "rival.wildcard": "M27",
    "rival.cname_beside": "M24",
    "spf.address": "M39",
    "spf.glued": "M39",
    "spf.comma": "M39",
    "spf.url": "M39",
    "spf.equals": "M52",
    "dmarc.version": "M42",
    "dmarc.backslash": "M42",
    "dmarc.space": "M42",
    "dmarc.order": "M42",
    "dmarc.mailto": "M42",
}
pytestmark = pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 12)])


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.id)
def test_each_mistake_is_found_and_no_other(scene: Scene) -> None:
    found = diagnose_scene(scene)
    codes = {finding.code for finding in found.findings}
    assert scene.code in codes, report(found)
    mistakes = {finding.mistake for finding in found.findings} - {""}
    assert mistakes == {scene.mistake}, report(found)
    assert all(words(finding) <= WORDS for finding in found.findings), report(found)
    assert found.asked <= 60


def test_every_mistake_of_the_catalogue_has_a_zone() -> None:
    assert {scene.mistake for scene in SCENES} == set(MISTAKES) == {f"M{number:02}" for number in range(1, 56)}


def words(finding: DiagnosisFinding) -> int:
    """Return the text before "More". Values to copy don't count."""
    return len(" ".join([finding.verdict, finding.why, *finding.steps, finding.then]).split())


def report(found: Diagnosis) -> str:
    lines = [f"{f.code} {f.record_key} {f.verdict} | {f.found} | {words(f)} words" for f in found.findings]
    return "\n".join([*lines, *found.transcript])


@pytest.mark.parametrize("right", CORRECT_ZONES, ids=lambda right: right.title)
def test_a_correct_zone_has_no_findings(right: CorrectZone) -> None:
    found = diagnose_zone(right)
    assert unexpected_codes(right, found) == (), report(found)
    assert {finding.record_key for finding in found.findings} == set(right.missing), report(found)
    assert {record.key for record in found.records if not record.is_right} == set(right.missing)
    assert found.asked <= 60


def catch_all(host: Host) -> None:
    """Publish a web site at every name, behind Cloudflare's proxy."""
    host.withdraw("dkim-1", "mail-from-mx", "mail-from-spf")
    host.add(f"*.{host.zone}", "A", "104.21.32.10")


def catch_all_text(host: Host) -> None:
    """Publish a TXT record at every unused name, including the names of our records."""
    host.withdraw("mail-from-spf")
    host.add(f"*.{host.zone}", "TXT", host.record("mail-from-spf").value)


@pytest.mark.parametrize(("make", "number"), [(catch_all, 3), (catch_all_text, 1)])
def test_a_wildcard_record_proves_no_mistake(make: Callable[[Host], None], number: int) -> None:
    found = diagnose_scene(Scene("", "dns.absent", make))
    assert [finding.code for finding in found.findings] == ["dns.absent"] * number, report(found)


def with_mx_of_the_parent(host: Host) -> None:
    """Let the parent domain receive through SES, and ours not yet."""
    host.withdraw("inbound-mx")
    host.add(host.zone, "MX", f"10 {host.record('inbound-mx').value}")


def test_the_parents_inbound_mx_is_not_called_misplaced() -> None:
    found = diagnose_scene(Scene("", "dns.absent", with_mx_of_the_parent, "shop.example.com"))
    assert [finding.code for finding in found.findings] == ["dns.absent"], report(found)


def with_bounces_of_the_parent(host: Host) -> None:
    """Make our name the parent's MAIL FROM domain, as SES suggests it ("mail")."""
    host.instead("inbound-mx", f"10 {host.record('mail-from-mx').value}")


def test_the_parents_mail_from_mx_is_kept_until_mailboxes_are_unused() -> None:
    found = diagnose_scene(Scene("M21", "dns.rival.mx", with_bounces_of_the_parent, "mail.example.com"))
    assert [finding.code for finding in found.findings] == ["dns.rival.mx"], report(found)
    assert found.findings[0].steps[0].startswith("If you use those mailboxes, keep the MX record")


def with_mail_of_the_child(host: Host) -> None:
    """Let another of our domains receive at our MAIL FROM name."""
    child = facts_of(host.facts.mail_from)
    host.instead("mail-from-mx", f"10 {host.record('inbound-mx').value}")
    host.history = replace(host.history, others=records_for(child))


def test_the_mx_at_which_another_domain_receives_is_kept() -> None:
    found = diagnose_scene(Scene("M23", "dns.rival.mail_from_in_use", with_mail_of_the_child))
    assert [finding.code for finding in found.findings] == ["dns.rival.mail_from_in_use"], report(found)
    assert found.findings[0].steps[0] == "Keep those records."


def doubled_by_its_name(host: Host) -> None:
    """Let another domain of ours have the doubled name."""
    host.mistake("mail-from-mx", "name.doubled_zone")
    host.history = replace(host.history, others=records_for(facts_of("example.com.example.com")))


def test_a_record_of_another_domain_is_never_misplaced() -> None:
    found = diagnose_scene(Scene("", "dns.absent", doubled_by_its_name))
    assert [finding.code for finding in found.findings] == ["dns.absent"], report(found)


def with_alias(host: Host) -> None:
    """Publish a website by a CNAME at the apex."""
    host.withdraw("inbound-mx")
    host.store.add_zone("web.example", ("ns.web.example",))
    host.store.add_record("web.example", "site.web.example", "A", "192.0.2.7")
    host.add(host.facts.domain.ascii, "CNAME", "site.web.example", force=True)


def test_the_cname_of_a_website_is_not_removed() -> None:
    found = diagnose_scene(Scene("M24", "dns.rival.cname", with_alias, "shop.example.com"))
    finding = next(finding for finding in found.findings if finding.code == "dns.rival.cname")
    assert finding.steps[0].startswith("Ask your website's host")
    assert "remove" not in " ".join(finding.steps).lower()


# With some records a mistake of the menu becomes another one, or none: an SPF record at the apex is not needed there,
# DMARC is inherited, the parent may receive through SES or have a MAIL FROM domain itself, and where other
# records are at the name, or below it, no wildcard answers (RFC 4592).
INSTEAD = {
    ("name.apex", "mail-from-spf"): {"M19", ""},
    ("name.apex", "apex-spf"): {""},
    ("name.apex", "inbound-mx"): {""},
    ("name.apex", "dmarc"): {"M29", ""},
    ("name.wrong_parent", "dmarc"): {""},
    ("name.wrong_parent", "mail-from-mx"): {""},
    ("name.wrong_parent", "mail-from-spf"): {""},
    ("rival.better_mx", "mail-from-mx"): {"M22"},
    ("rival.wildcard", "mail-from-mx"): {""},
    ("rival.wildcard", "mail-from-spf"): {""},
    ("rival.wildcard", "inbound-mx"): {""},
    ("rival.wildcard", "apex-spf"): {""},
}


@pytest.mark.parametrize("mistake", RECORD_MISTAKES, ids=lambda mistake: mistake.code)
@pytest.mark.parametrize("name", ["example.com", "shop.example.co.uk"])
def test_a_menu_mistake_has_one_number_with_every_record(mistake: Mistake, name: str) -> None:
    facts = facts_of(name, wants_apex_spf=name != "example.com")
    made = [record for record in records_for(facts) if mistake.applies_to(wanted_record(record), facts.domain.zone)]
    for record, found in menu_scenes(facts, made, mistake.code):
        numbers = {finding.mistake for finding in found.findings} or {""}
        allowed = INSTEAD.get((mistake.code, record.key), {NUMBERS[mistake.code]})
        assert len(numbers) == 1, f"{record.key}\n{report(found)}"
        assert numbers <= allowed, f"{record.key}\n{report(found)}"


def menu_scenes(facts: IdentityFacts, records: Sequence[Record], code: str) -> Iterator[tuple[Record, Diagnosis]]:
    """Return the diagnosis of a zone for each record with which the mistake can be made."""
    with serving() as (store, server, address):
        for record in records:
            store.reset()
            host = Host(store, facts)
            host.open()
            host.publish()
            host.mistake(record.key, code)
            yield record, host.diagnose(server, address)


@pytest.mark.parametrize("code", ["dns.delegation.ns_record", "dns.delegation.silent", "dns.alias.silent"])
def test_a_mistake_that_no_wait_mends_has_steps(code: str) -> None:
    for scene in (each for each in SCENES if each.code == code):
        findings = [each for each in diagnose_scene(scene).findings if each.code == code]
        assert findings
        for finding in findings:
            assert any(word in " ".join(finding.steps) for word in ("elete the NS record", "remove it"))
            assert "No action needed" not in finding.then
            assert finding.data_value("value") in finding.steps[0] + finding.steps[-1]


@pytest.mark.parametrize(("fault", "code"), [("silent", "dns.lookup_failed"), ("servfail", "dns.alias.silent")])
def test_a_target_that_did_not_answer_in_time_may_answer_later(fault: str, code: str) -> None:
    scene = Scene("", "", made.failing_alias("identity", fault), about=fault)
    (finding,) = (each for each in diagnose_scene(scene).findings if each.record_key == "identity")
    assert finding.code == code


@pytest.mark.parametrize("fault", ["silent", "servfail"])
def test_a_failure_without_a_delegation_is_only_waited_for(fault: str) -> None:
    """Nothing says that its cause lasts: the nameservers fail for one name."""

    def make(host: Host) -> None:
        host.store.set_fault(host.record("dkim-1").name, fault)

    (finding,) = diagnose_scene(Scene("", "", make, about=fault)).findings
    assert (finding.code, finding.steps) == ("dns.lookup_failed", ())
    assert "No action needed" in finding.then


def test_a_record_that_blocks_a_cname_is_deleted_first_and_its_value_shown() -> None:
    scene = Scene("M24", "dns.rival.other_type", made.text_at_key(f"https://{DKIM[0]}.dkim.amazonses.com"))
    finding = next(each for each in diagnose_scene(scene).findings if each.code == scene.code)
    assert "https://" in finding.steps[0]
    assert finding.steps[0].startswith("Delete the TXT record at")
    assert finding.steps[1].endswith(f": {DKIM[0]}.dkim.amazonses.com")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("gone.vendor.example", "nobody can send mail to example.com"),
        ("site.web.example", "mail servers of its target"),
    ],
)
def test_a_cname_at_the_apex_stops_mail_in_the_explanation(target: str, why: str) -> None:
    def make(host: Host) -> None:
        host.withdraw(*(record.key for record in host.records if record.name == host.zone))
        host.store.add_zone("web.example", ("ns.web.example",))
        host.store.add_record("web.example", "site.web.example", "A", "192.0.2.7")
        host.add(host.zone, "CNAME", target, force=True)

    findings = [
        each for each in diagnose_scene(Scene("M24", "", make)).findings if "alias" in each.code or "cname" in each.code
    ]
    assert findings
    for finding in findings:
        assert why in finding.why
        assert "Mail still flows" not in finding.why
        assert finding.severity is Severity.RED


def test_a_missing_optional_record_is_only_a_recommendation() -> None:
    found = diagnose_scene(Scene("", "dns.absent", lambda host: host.withdraw("dmarc", "apex-spf")))
    assert found.finding is None
    assert {each.code for each in found.further} == {"dns.absent"}
    assert [lane.state for lane in found.lanes] == [LinkState.OK] * 3
    assert found.links_with_notes == frozenset()


def test_a_mistake_in_an_optional_record_comes_first_with_a_warning() -> None:
    found = diagnose_scene(Scene("M29", "dns.rival.dmarc", made.two_dmarc))
    assert found.finding is not None
    assert found.finding.code == "dns.rival.dmarc"
    assert found.links_with_notes == {"rivals"}


def test_servers_of_a_delegation_that_were_not_asked_are_not_called_silent() -> None:
    """The lookup of their addresses failed, so nobody knows whether they answer."""

    def make(host: Host) -> None:
        made.dead_vendor(host)
        host.store.add_zone("gone-vendor.example", ("ns.vendor.example",))
        host.store.set_fault("gone-vendor.example", "servfail")

    found = diagnose_scene(Scene("", "", make, about="addresses"))
    codes = {each.code for each in found.findings if each.record_key.startswith("dkim")}
    assert codes == {"dns.lookup_failed"}


def test_a_delegation_is_not_called_silent_once_the_time_is_over() -> None:
    facts = facts_of("example.com")
    with serving() as (store, server, address):
        host = Host(store, facts)
        host.open()
        host.publish()
        made.failing_vendor("servfail")(host)
        seen = host.observe(server, address)
        skipped = replace(seen, host=tuple(replace(a, error=SKIPPED) if a.error else a for a in seen.host))
        codes = [{each.code for each in host.diagnosis_of(one).findings} for one in (seen, skipped)]
    assert "dns.delegation.silent" in codes[0]
    assert "dns.delegation.silent" not in codes[1]
    assert "dns.lookup_failed" in codes[1]
