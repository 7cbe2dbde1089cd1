"""Several mistakes at once: each is named with its steps, in an order that ends with a correct zone. No step endangers
what somebody else needs.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations

import pytest

from domains.diagnosis.core.findings import Diagnosis, DiagnosisFinding, Severity, as_reply
from domains.diagnosis.core.observations import NOTHING_KNOWN, UNUSED_LABEL, Observations
from domains.dns.core import Answer, LookupStatus, Question
from domains.records.core import Record
from tests.domains.diagnosis.test_core_failures import diagnosis_of
from tests.domains.diagnosis.worlds import SERVERS, World, seen_in, shown, world_of
from tests.domains.dns_host import DKIM, NAMESERVERS, Host, facts_of
from tests.domains.mistakes import Scene, diagnose_scene

pytestmark = pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 12)])
DOMAIN = "example.com"
INBOUND, FEEDBACK = "inbound-smtp.us-east-1.amazonaws.com", "feedback-smtp.us-east-1.amazonses.com"
GOOGLE = "1 aspmx.l.google.com"


def diagnosis_in(world: World) -> Diagnosis:
    return diagnosis_of(world, seen_in(world), NOTHING_KNOWN)


def codes_of(found: Diagnosis) -> list[tuple[str, str]]:
    return [(finding.code, finding.record_key) for finding in found.findings]


def steps_of(found: Diagnosis) -> str:
    return "\n".join(step for finding in found.findings for step in finding.steps)


def record_of(world: World, key: str) -> Record:
    return next(record for record in world.records if record.key == key)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ((f"10 {FEEDBACK}", f"20 {FEEDBACK}"), f"Delete 20 {FEEDBACK} and keep 10 {FEEDBACK}"),
        ((f"20 {FEEDBACK}", f"30 {FEEDBACK}"), f"Delete 30 {FEEDBACK} and keep 20 {FEEDBACK}"),
        ((f"5 {FEEDBACK}", f"10 {FEEDBACK}"), f"Delete 5 {FEEDBACK} and keep 10 {FEEDBACK}"),
        ((f"10 {FEEDBACK}", "10 mx.example.net"), f"Delete 10 mx.example.net and keep 10 {FEEDBACK}"),
        (
            (f"10 {FEEDBACK}", "10 mx.example.net", f"20 {FEEDBACK}"),
            f"Delete 10 mx.example.net, 20 {FEEDBACK} and keep 10 {FEEDBACK}",
        ),
    ],
)
def test_of_several_mail_from_mx_one_of_ours_is_kept(values: tuple[str, ...], step: str) -> None:
    [finding] = diagnosis_in(world_of(facts_of(DOMAIN), mail_from_mx=values)).findings
    assert (finding.code, finding.steps) == ("dns.rival.mail_from_mx", (step,))


def test_the_dname_is_named_by_its_owner_and_its_target() -> None:
    def make(host: Host) -> None:
        host.withdraw("dkim-1", "dkim-2", "dkim-3", "mail-from-spf", "mail-from-mx")
        host.store.add_zone("vendor.example", ("ns.vendor.example",))
        host.add(f"_domainkey.{host.zone}", "DNAME", "dk.vendor.example")
        host.add(f"{host.facts.mail_from}", "DNAME", "mf.vendor.example")

    found = diagnose_scene(Scene("M51", "dns.alias.dname", make))
    keys = [finding for finding in found.findings if finding.record_key == "dkim-1"]
    assert [finding.found for finding in keys] == [("_domainkey.example.com",)]
    assert f"at _domainkey.example.com redirects all subdomains, including {DKIM[0]}" in keys[0].verdict
    assert len(keys[0].steps) == 1
    assert keys[0].steps[0].startswith("Ask your DNS host to replace the DNAME")


def test_a_text_below_a_dname_can_be_added_at_the_target_which_is_named() -> None:
    def make(host: Host) -> None:
        host.withdraw("identity", "dmarc", "dkim-1", "dkim-2", "dkim-3", "mail-from-spf", "mail-from-mx")
        host.store.add_zone("vendor.example", ("ns.vendor.example",))
        host.add(host.facts.domain.ascii, "DNAME", "all.vendor.example")

    found = diagnose_scene(Scene("M51", "dns.alias.dname", make, "mail.example.com"))
    finding = next(each for each in found.findings if each.record_key == "identity")
    assert finding.found == ("mail.example.com",)
    assert "TXT record _amazonses.all.vendor.example: " in finding.steps[0]
    assert finding.steps[1].startswith("Or ask your DNS host")


def with_servers(seen: Observations, *errors: str) -> Observations:
    """Return the observations with the SOA lookups at the nameservers failed; "" for one that succeeded."""
    soas = [
        replace(soa, status=LookupStatus.FAILED, values=(), error=error, authoritative=False) if error else soa
        for soa, error in zip(seen.soas, errors, strict=True)
    ]
    return replace(seen, soas=tuple(soas))


SILENT, REFUSED, SERVFAIL = (
    "no answer within 2 seconds",
    "the resolver answered REFUSED",
    "the resolver answered SERVFAIL",
)


@pytest.mark.parametrize(
    ("errors", "codes"),
    [
        (("", SILENT), ["dns.server.late"]),
        (("", REFUSED), ["dns.server.lame"]),
        (("", SERVFAIL), ["dns.server.lame"]),
        ((SILENT, SILENT), ["dns.server.silent"]),
        ((REFUSED, REFUSED), ["dns.server.failing"]),
        ((SERVFAIL, SERVFAIL), ["dns.server.failing"]),
        ((SILENT, SERVFAIL), ["dns.server.failing"]),
    ],
)
def test_a_silent_nameserver_is_not_one_that_refuses(errors: tuple[str, ...], codes: list[str]) -> None:
    world = world_of(facts_of(DOMAIN))
    found = diagnosis_of(world, with_servers(seen_in(world), *errors), NOTHING_KNOWN)
    assert [finding.code for finding in found.findings] == codes
    assert "the resolver" not in str(found.findings)
    if SILENT in errors:
        assert "remove" not in steps_of(found).lower()
    assert ("don't answer" in found.findings[0].verdict) == (codes == ["dns.server.silent"])


@pytest.mark.parametrize("key", ["dkim-1", "identity", "mail-from-spf"])
@pytest.mark.parametrize("text", ["v=spf1 -all", "some-verification=1"])
def test_a_wildcard_text_is_never_to_be_deleted_at_our_name(key: str, text: str) -> None:
    world = world_of(facts_of(DOMAIN))
    own = [record.key for record in world.records if record.key.startswith(key.partition("-1")[0])]
    for record in world.records:
        if record.key in (*own, "mail-from-mx"):
            del world.held[Question(record.name, record.type)]
        world.wildcards[Question(f"*.{record.name.partition('.')[2]}", "TXT")] = (text,)
    found = [each for each in diagnosis_in(world).findings if each.record_key in own]
    assert {finding.code for finding in found} == {"dns.rival.wildcard"}
    assert "delete" not in " ".join(step for each in found for step in each.steps).lower()
    named = "(*)" if key == "dkim-1" else "(*.example.com)"
    assert all(named in finding.verdict for finding in found)


def test_a_text_at_the_name_of_a_key_is_deleted_if_the_lookup_of_the_wildcard_shows_another() -> None:
    world = world_of(facts_of(DOMAIN), dkim_1=())
    world.add(record_of(world, "dkim-1").name, "TXT", "foo")
    world.wildcards[Question(f"*._domainkey.{DOMAIN}", "TXT")] = ("v=spf1 -all",)
    assert codes_of(diagnosis_in(world)) == [("dns.rival.other_type", "dkim-1")]


def test_no_wildcard_and_no_deletion_is_claimed_if_its_lookup_failed() -> None:
    world = world_of(facts_of(DOMAIN), dkim_1=())
    world.add(record_of(world, "dkim-1").name, "TXT", "foo")
    asked = Question(f"{UNUSED_LABEL}._domainkey.{DOMAIN}", "TXT")
    seen = seen_in(world)
    host = tuple(Answer(a.question, a.resolver, LookupStatus.FAILED) if a.question == asked else a for a in seen.host)
    assert host != seen.host
    found = diagnosis_of(world, replace(seen, host=host), NOTHING_KNOWN)
    assert codes_of(found) == [("dns.absent", "dkim-1")]


def test_swapped_mx_records_are_both_named_with_their_steps() -> None:
    found = diagnosis_in(world_of(facts_of(DOMAIN), mail_from_mx=(f"10 {INBOUND}",), inbound_mx=(f"10 {FEEDBACK}",)))
    assert codes_of(found) == [
        ("dns.name.apex_mx", "mail-from-mx"),
        ("dns.value.amazon_other_host", "mail-from-mx"),
        ("dns.absent", "inbound-mx"),
    ]
    assert [finding.steps for finding in found.findings] == [
        (f"Remove the MX record {FEEDBACK} from example.com now.",),
        (f"Change the MX record at “bounce” to {FEEDBACK}",),
        (f"At your DNS host, add an MX record, name “@”, priority 10: {INBOUND}",),
    ]


@pytest.mark.parametrize(
    ("values", "codes", "share"),
    [
        ((f"10 {FEEDBACK}",), ["dns.name.apex_mx", "dns.absent"], "all mail"),
        ((f"5 {FEEDBACK}", "10 mx.example.net"), ["dns.name.apex_mx", "dns.rival.mx"], "all mail"),
        ((f"10 {FEEDBACK}", "10 mx.example.net"), ["dns.name.apex_mx", "dns.rival.mx"], "part of the mail"),
        ((GOOGLE, f"10 {FEEDBACK}"), ["dns.name.apex", "dns.rival.mx"], ""),
        ((f"5 {FEEDBACK}", f"10 {INBOUND}"), ["dns.name.apex_mx"], "all mail"),
        ((f"10 {FEEDBACK}", f"10 {INBOUND}"), ["dns.name.apex_mx"], "part of the mail"),
        ((f"10 {INBOUND}", f"20 {FEEDBACK}"), ["dns.name.apex"], ""),
    ],
)
def test_only_the_mx_with_the_best_priority_diverts_mail(values: tuple[str, ...], codes: list[str], share: str) -> None:
    found = diagnosis_in(world_of(facts_of(DOMAIN), mail_from_mx=(), inbound_mx=values))
    assert [finding.code for finding in found.findings] == codes
    assert found.finding is not None
    assert (found.finding.severity is Severity.RED) == bool(share)
    assert ("diverts" in found.finding.verdict) == bool(share)
    assert share in found.finding.verdict
    if GOOGLE in values:
        assert "Google Workspace (priority 1)" in found.findings[1].verdict


def test_an_mx_at_the_domain_is_only_removed_if_the_mail_from_domain_has_it_already() -> None:
    found = diagnosis_in(world_of(facts_of(DOMAIN), inbound_mx=(f"5 {FEEDBACK}", f"10 {INBOUND}")))
    assert codes_of(found) == [("dns.name.apex_mx", "mail-from-mx")]
    assert steps_of(found) == f"Remove the MX record {FEEDBACK} from example.com now."


def test_an_mx_at_the_domain_is_not_moved_beside_another_ones_mail_from_mx() -> None:
    found = diagnosis_in(world_of(facts_of(DOMAIN), mail_from_mx=("10 mx.example.net",), inbound_mx=(f"5 {FEEDBACK}",)))
    assert ("dns.rival.mail_from_in_use", "mail-from-mx") in codes_of(found)
    assert "Then add it" not in steps_of(found)
    assert "Keep those records." in steps_of(found)


PLACES: dict[str, Callable[[Record], str]] = {
    "dns.name.doubled_zone": lambda record: f"{record.name}.{DOMAIN}",
    "dns.name.underscore_forgotten": lambda record: record.name.replace("_", ""),
}
DAMAGE: dict[str, Callable[[str], str]] = {
    "dns.value.zone_appended": lambda value: f"{value}.{DOMAIN}",
    "dns.value.cut": lambda value: value[:-4],
    "dns.value.typo": lambda value: value[:12] + ("q" if value[12] != "q" else "p") + value[13:],
    "dns.value.spaces": lambda value: f"{value[:9]} {value[9:]}",
}


def pairs() -> Iterator[tuple[str, str, str]]:
    keys = ("identity", "dkim-1", "mail-from-mx", "inbound-mx")
    for key in keys:
        for place in PLACES:
            for damage in DAMAGE:
                if (key in keys[:2] or "doubled" in place) and not (key == "dkim-1" and damage.endswith("spaces")):
                    yield key, place, damage


@pytest.mark.parametrize(("key", "place", "damage"), list(pairs()))
def test_a_mistake_in_the_name_and_one_in_the_value_are_both_named(key: str, place: str, damage: str) -> None:
    world = world_of(facts_of(DOMAIN), **{key.replace("-", "_"): ()})
    record = record_of(world, key)
    world.add(PLACES[place](record), record.type, DAMAGE[damage](shown(record)))
    found = diagnosis_in(world)
    assert codes_of(found) == [(place, key), (damage, key)]
    assert all(finding.steps for finding in found.findings)
    assert all(finding.verdict in as_reply(found) for finding in found.findings)


ALONE: dict[str, tuple[str, Callable[[World, Record], None]]] = {
    "doubled": ("dns.name.doubled_zone", lambda world, r: world.add(f"{r.name}.{DOMAIN}", r.type, shown(r))),
    "appended": ("dns.value.zone_appended", lambda world, r: world.add(r.name, r.type, f"{shown(r)}.{DOMAIN}")),
    "cut": ("dns.value.cut", lambda world, r: world.add(r.name, r.type, shown(r)[:-4])),
    "absent": ("dns.absent", lambda world, r: None),
}


@pytest.mark.parametrize(("one", "other"), list(permutations(("identity", "dkim-1", "mail-from-mx", "inbound-mx"), 2)))
@pytest.mark.parametrize("first", ALONE)
@pytest.mark.parametrize("second", ALONE)
def test_a_mistake_is_found_whatever_is_wrong_with_another_record(
    one: str, other: str, first: str, second: str
) -> None:
    world = world_of(facts_of(DOMAIN), **{key.replace("-", "_"): () for key in (one, other)})
    for key, mistake in ((one, first), (other, second)):
        ALONE[mistake][1](world, record_of(world, key))
    found = diagnosis_in(world)
    assert set(codes_of(found)) == {(ALONE[first][0], one), (ALONE[second][0], other)}
    reply = as_reply(found)
    assert all(step in reply for finding in found.findings for step in finding.steps)


def test_a_wrong_value_and_ours_in_another_place_are_both_named_with_one_thing_to_publish() -> None:
    world = world_of(facts_of(DOMAIN), dkim_1=("ghs.example.net",))
    record = record_of(world, "dkim-1")
    world.add(f"{record.name}.{DOMAIN}", "CNAME", record.value)
    found = diagnosis_in(world)
    assert codes_of(found) == [("dns.name.doubled_zone", "dkim-1"), ("dns.value.differs", "dkim-1")]
    assert [finding.steps for finding in found.findings] == [
        (f"Delete the CNAME record {record.value} from {record.name}.{DOMAIN}.",),
        (f"Change the CNAME record at “{DKIM[0]}._domainkey” to {record.value}",),
    ]


@pytest.mark.parametrize(
    ("key", "beside", "step"),
    [
        ("mail-from-mx", ("CNAME", "www.example.net"), "Delete the CNAME record at “bounce”: www.example.net"),
        ("dkim-1", ("TXT", "hello"), f"Delete the TXT record at “{DKIM[0]}._domainkey”: hello"),
    ],
)
def test_the_record_to_delete_beside_a_correct_one_is_named_by_its_type(
    key: str, beside: tuple[str, str], step: str
) -> None:
    world = world_of(facts_of(DOMAIN))
    world.add(record_of(world, key).name, *beside)
    steps = {finding.steps for finding in diagnosis_in(world).findings if finding.code == "dns.rival.cname"}
    assert steps == {(step,)}


@pytest.mark.parametrize("receiving", [True, False])
def test_a_cname_at_the_domain_stops_only_a_domain_that_receives_here(receiving: bool) -> None:
    world = world_of(facts_of(DOMAIN, receiving=receiving, wants_apex_spf=True))
    world.add(DOMAIN, "CNAME", "shops.example.net")
    found = diagnosis_in(world)
    assert {finding.code for finding in found.findings} == {"dns.rival.cname"}
    assert found.is_right == (not receiving)
    assert "delete" not in steps_of(found).lower()


def own_zone(host: Host) -> None:
    """Delegate the subdomain, whose records are all at the host of the zone above."""
    host.store.add_zone(host.facts.domain.ascii, ("ns1.vendor.example",))


def test_a_subdomain_that_is_a_zone_of_its_own_is_found_out() -> None:
    found = diagnose_scene(Scene("M34", "dns.delegation.sub_zone", own_zone, "mail.example.com"))
    assert found.finding is not None
    required = {record.key for record in found.records if record.need == "required"}
    lost = {each.record_key: each for each in found.findings if each.code == "dns.delegation.sub_zone"}
    assert set(lost) == required
    finding: DiagnosisFinding = lost["identity"]
    assert "mail.example.com is a zone of its own, on the nameservers ns1.vendor.example." in finding.verdict
    assert finding.steps[0].startswith("In the zone mail.example.com, at the DNS host of those nameservers, add a TXT")
    assert "name “_amazonses”" in finding.steps[0]
    assert finding.why == "Records that you add for mail.example.com in the zone above it have no effect."


@pytest.mark.parametrize("nameservers", [NAMESERVERS, ("ns1.vendor.example",)])
def test_a_zone_between_the_subdomain_and_the_registered_domain_is_found_out(nameservers: tuple[str, ...]) -> None:
    def zone_between(host: Host) -> None:
        host.store.add_zone("mail.example.com", nameservers)

    found = diagnose_scene(Scene("M34", "dns.delegation.sub_zone", zone_between, "shop.mail.example.com"))
    assert found.zone == "mail.example.com"
    lost = {each.record_key: each for each in found.findings}
    assert "name “_amazonses.shop”" in lost["identity"].steps[0]


def test_a_delegated_part_names_the_record_relative_to_that_zone() -> None:
    def make(host: Host) -> None:
        host.withdraw("dkim-1", "dkim-2", "dkim-3")
        host.store.add_zone(f"_domainkey.{host.zone}", ("ns.vendor.example",))

    found = diagnose_scene(Scene("M34", "dns.delegation.sub_zone", make))
    finding = next(each for each in found.findings if each.record_key == "dkim-1")
    assert f"name “{DKIM[0]}”" in finding.steps[0]
    assert finding.data_value("name") == DKIM[0]


def test_the_reply_has_the_steps_of_every_problem_and_recommendations_by_title() -> None:
    spf = ("v=spf1 include:amazonses.com ~all", "v=spf1 mx -all")
    world = world_of(facts_of(DOMAIN), dkim_1=(), mail_from_spf=spf, dmarc=())
    record = record_of(world, "dkim-1")
    world.add(f"{record.name}.{DOMAIN}", "CNAME", record.value)
    found = diagnosis_in(world)
    reply = as_reply(found)
    steps = [step for each in found.findings if not each.is_recommendation for step in each.steps]
    assert len(steps) == 3
    assert all(step in reply for step in steps)
    assert "Recommended:\n- The DMARC record wasn't found." in reply


def test_a_name_that_both_servers_lack_is_absent_at_both() -> None:
    """The tests above rely on it: both servers of a world have the same content."""
    world = world_of(facts_of(DOMAIN), dkim_1=())
    servers = {answer.resolver for answer in seen_in(world).host}
    assert servers == set(SERVERS)
