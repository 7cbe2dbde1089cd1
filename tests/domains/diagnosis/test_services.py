"""The diagnosis of a domain: limited in queries and time, cached for a page, printed by the command, with history."""

import asyncio
import io
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dns.rcode
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from domains.checking import services as checking_services
from domains.diagnosis import services as diagnosis_services
from domains.diagnosis.core.findings import LinkState, Severity
from domains.dns import services as dns_services
from domains.dns.core import Answer, LookupStatus, Query, Question
from domains.dns.services import MOST_QUERIES, Network, QuerySession
from domains.identity_status import services as identity_status_services
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck
from sandbox.process import Sandbox
from tests.domains.dns.test_gateway import Scripted, reply
from tests.domains.dns_host import NAMESERVERS, Host, facts_of, serving
from tests.domains.factories import (
    make_domain,
    mark_as_receiving,
    publish,
    records_to_publish,
    second_resolver,
    set_up_domain,
    zone_of,
)
from tests.factories import make_customer

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 12)])]


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def verified(sandbox: Sandbox, name: str = "example.com") -> Domain:
    """Return a domain with everything published at two nameservers, and verified by SES."""
    sandbox.control.add_zone(name, NAMESERVERS)
    domain = set_up_domain(sandbox, name)
    publish(sandbox, domain)
    sandbox.control.tick()
    checking_services.check([domain], now=timezone.now())
    publish(sandbox, domain)  # the merged SPF is known only now
    domain.refresh_from_db()
    return domain


def test_a_correct_domain_is_ok_on_all_links(sandbox: Sandbox) -> None:
    found = diagnosis_services.diagnose(verified(sandbox), now=timezone.now())
    assert found.findings == ()
    assert found.is_right
    assert {link.state for link in found.links} == {LinkState.OK}
    assert {lane.state for lane in found.lanes} == {LinkState.OK}
    assert "Last checked" in " ".join(found.lanes[2].lines)


@pytest.mark.parametrize(("terms", "codes"), [(9, []), (10, ["dns.value.spf_lookups"])])
def test_the_eleventh_spf_lookup_is_a_finding(sandbox: Sandbox, terms: int, codes: list[str]) -> None:
    domain = verified(sandbox)
    (old,) = (
        row
        for row in sandbox.control.records("example.com")
        if row.name == "example.com" and row.value.strip('"').startswith("v=spf1")
    )
    line = f"v=spf1{' a' * terms} include:amazonses.com ~all"
    sandbox.control.replace_record("example.com", old.id, name=old.name, type="TXT", value=line)
    assert [finding.code for finding in diagnosis_services.diagnose(domain, now=timezone.now()).findings] == codes


def test_records_of_other_customers_domains_are_known(sandbox: Sandbox) -> None:
    """The MAIL FROM domain of the parent, which belongs to another customer."""
    above = verified(sandbox)
    domain = set_up_domain(sandbox, "orders.example.com", customer=above.customer)
    Domain.objects.filter(pk=above.pk).update(customer=make_customer("Somebody else"))
    result = diagnosis_services.gather(domain, now=timezone.now())
    at = f"bounce.{above.name}"
    assert {record.key for record in result.history.others if record.name == at} == {"mail-from-mx", "mail-from-spf"}
    assert {finding.code for finding in result.diagnosis().findings} == {"dns.absent"}


def test_the_soa_seen_by_ses_is_stored_and_shown(sandbox: Sandbox) -> None:
    domain = verified(sandbox)
    identity_status_services.read_statuses([domain], now=timezone.now())
    domain.refresh_from_db()
    assert domain.ses_soa
    assert (
        f"Version of the zone that SES saw (SOA record): {domain.ses_soa}"
        in diagnosis_services.gather(domain, now=timezone.now()).diagnosis().lanes[2].lines
    )


def test_ten_viewers_cause_one_diagnosis(sandbox: Sandbox) -> None:
    domain = verified(sandbox)
    before = sandbox.queries.total
    found = {diagnosis_services.diagnose(domain, now=timezone.now()) for _ in range(10)}
    assert len(found) == 1
    assert sandbox.queries.total - before == found.pop().asked


def test_a_second_viewer_waits_for_the_running_diagnosis(sandbox: Sandbox) -> None:
    domain = verified(sandbox)
    theirs = diagnosis_services.gather(domain, now=timezone.now())
    key = f"diagnosis-result:{domain.pk}:{diagnosis_services.hash_of(domain)}"
    cache.add(f"{key}:looking", 1)
    waited = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        cache.set(key, theirs)

    assert diagnosis_services.diagnose(domain, now=timezone.now(), wait=wait) == theirs.diagnosis()
    assert waited == [diagnosis_services.WAIT_EVERY]


def test_changed_records_cause_a_new_diagnosis(sandbox: Sandbox) -> None:
    domain = mark_as_receiving(verified(sandbox))
    before = diagnosis_services.diagnose(domain, now=timezone.now())
    domain.receives = False
    after = diagnosis_services.diagnose(domain, now=timezone.now())
    gone = {record.key for record in before.records} - {record.key for record in after.records}
    assert gone == {"inbound-mx", "mta-sts"}


@pytest.mark.parametrize("mistake", ["name.doubled_zone", "zone.disagree", "zone.bogus", "zone.servfail"])
def test_no_diagnosis_sends_more_than_sixty_queries(sandbox: Sandbox, mistake: str) -> None:
    domain = verified(sandbox)
    sandbox.control.make_mistake(zone_of(domain), records_to_publish(domain)[0], mistake)
    before = sandbox.queries.total
    found = diagnosis_services.gather(domain, now=timezone.now()).diagnosis()
    assert 0 < sandbox.queries.total - before <= MOST_QUERIES
    assert found.finding is not None


def test_a_domain_without_any_record_is_diagnosed_within_sixty_queries(sandbox: Sandbox, settings: Settings) -> None:
    sandbox.control.add_zone("example.com", (*NAMESERVERS, "ns3.host.example", "ns4.host.example"))
    sandbox.control.add_zone("com", ("a.registry.example",))
    domain = set_up_domain(sandbox, "example.com")
    before = sandbox.queries.total
    with second_resolver() as other:
        settings.DNS_RESOLVERS = (*settings.DNS_RESOLVERS, other)
        found = diagnosis_services.gather(domain, now=timezone.now()).diagnosis()
    assert sandbox.queries.total - before <= MOST_QUERIES
    assert {finding.code for finding in found.findings} == {"dns.absent"}
    assert len(found.findings) == len(domain.records)


def test_silent_nameservers_take_a_limited_time_and_are_unknown() -> None:
    with serving() as (store, server, address):
        host = Host(store, facts_of())
        host.open()
        host.publish()
        host.mistake("identity", "zone.silent")
        began = time.monotonic()
        found = host.diagnose(server, address, timeout=0.5, seconds=0.3)
        assert time.monotonic() - began < 1.5
    assert found.finding is not None
    assert (found.finding.code, found.finding.severity) == ("dns.server.silent", Severity.UNKNOWN)
    assert not found.is_right
    assert len(found.findings) == 1


def test_questions_over_the_budget_are_failed_as_skipped() -> None:
    with serving() as (store, _, (host, port)):
        store.add_zone("example.com")
        asker = QuerySession(timeout=0.5)
        queries = [Query(Question(f"n{at}.example.com", "TXT"), f"{host}:{port}", "r") for at in range(70)]
        answers = asyncio.run(asker.ask(queries))
    assert asker.asked == 57
    assert [answer.question for answer in answers] == [query.question for query in queries]
    assert [answer.status for answer in answers] == [LookupStatus.NO_NAME] * 57 + [LookupStatus.FAILED] * 13
    assert "skipped" in answers[-1].error


def test_the_dns_log_escapes_and_shortens_hostile_answers() -> None:
    with serving() as (store, server, address):
        host = Host(store, facts_of())
        host.open()
        host.publish()
        host.instead("identity", "\u202e\u200b<b>" + "x" * 3000)
        found = host.diagnose(server, address)
    assert any("\\u202e\\u200b<b>x" in line for line in found.transcript)
    assert all(line.isprintable() and len(line) < 1000 for line in found.transcript)


def test_a_lost_packet_is_sent_again_to_a_server_that_answers() -> None:
    lost = Question("lost.example.com", "TXT")
    packets = []

    def script(packet: bytes) -> list[bytes]:
        """Drop the first query for this name."""
        packets.append(packet)
        times = sum(b"lost" in earlier for earlier in packets)
        return [] if b"lost" in packet and times == 1 else [reply(packet, rcode=dns.rcode.NXDOMAIN)]

    async def scene() -> tuple[Answer, int]:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: Scripted(script), local_addr=("127.0.0.1", 0))
        host, port = transport.get_extra_info("sockname")
        asker = QuerySession(timeout=0.2)
        other = Question("other.example.com", "TXT")
        answers = await asker.ask([Query(question, f"{host}:{port}", "r") for question in (lost, other)])
        transport.close()
        return answers[0], asker.asked

    assert asyncio.run(scene()) == (Answer(lost, "r", LookupStatus.NO_NAME), 3)


def test_a_nameserver_in_a_private_network_is_not_queried(sandbox: Sandbox, settings: Settings) -> None:
    domain = verified(sandbox)
    settings.SANDBOX = False
    found = diagnosis_services.gather(domain, now=timezone.now()).diagnosis()
    assert not any("+norecurse" in line for line in found.transcript)
    assert found.links[1].state is LinkState.UNKNOWN
    assert found.finding is None


@pytest.mark.parametrize(
    "address",
    "127.0.0.1 10.0.0.1 169.254.169.254 192.88.99.1 224.0.0.1 100.100.100.200 ::1 fd00:ec2::254 64:ff9b::7f00:1 "
    "2002:a00:1::1 ::ffff:127.0.0.1 ns1.example.com".split(),
)
def test_a_nameserver_at_a_private_address_is_refused(address: str) -> None:
    assert dns_services.server_address(address, Network(("1.1.1.1:53",))) == ""


@pytest.mark.parametrize(
    ("address", "private", "at"),
    [
        ("8.8.8.8", False, "8.8.8.8:53"),
        ("2606:4700::1111", False, "[2606:4700::1111]:53"),
        ("127.0.0.1", True, "127.0.0.1:53"),
        ("ns1.example.com", True, ""),
    ],
)
def test_a_public_nameserver_is_accepted_and_any_in_the_sandbox(address: str, private: bool, at: str) -> None:
    assert dns_services.server_address(address, Network(("1.1.1.1:53",), private=private)) == at


def test_an_unchanged_serial_after_records_were_added_means_unpublished(sandbox: Sandbox) -> None:
    sandbox.control.add_zone("example.com", NAMESERVERS)
    domain = set_up_domain(sandbox, "example.com")
    now = timezone.now()
    first = diagnosis_services.gather(domain, now=now).diagnosis()
    assert first.finding is not None
    assert first.finding.code == "dns.absent"
    diagnosis_services.mark_records_added(domain=domain, now=now + timedelta(minutes=1))
    domain.refresh_from_db()
    later = diagnosis_services.gather(domain, now=now + timedelta(minutes=20)).diagnosis()
    assert {finding.code for finding in later.findings} == {"dns.time.unpublished"}
    sandbox.control.add_record("example.com", "www.example.com", "A", "192.0.2.1")
    moved = diagnosis_services.gather(domain, now=now + timedelta(minutes=21)).diagnosis()
    assert {finding.code for finding in moved.findings} == {"dns.absent"}
    domain.refresh_from_db()
    assert domain.soa_serial_since == now + timedelta(minutes=21)


def test_a_verified_record_that_vanished_is_reported_as_gone(sandbox: Sandbox) -> None:
    domain = verified(sandbox)
    held = next(r for r in sandbox.control.records("example.com") if r.name.startswith("_amazonses"))
    sandbox.control.remove_record("example.com", held.id)
    assert RecordCheck.objects.filter(domain=domain, verified_at__isnull=False).exists()
    found = diagnosis_services.gather(domain, now=timezone.now()).diagnosis()
    assert found.finding is not None
    assert (found.finding.code, found.finding.record_key) == ("dns.change.gone", "identity")


def test_a_claim_is_diagnosed_by_its_challenge() -> None:
    with serving() as (store, _, (host, port)):
        store.add_zone("example.com", NAMESERVERS)
        domain = make_domain("example.com", stage=Stage.CLAIM, claim_token="abc")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("django.conf.settings.DNS_RESOLVERS", (f"{host}:{port}",))
            found = diagnosis_services.gather(domain, now=timezone.now()).diagnosis()
    assert [record.key for record in found.records] == ["challenge"]
    assert [finding.code for finding in found.findings] == ["dns.absent", "amazon.held_elsewhere"]


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit status and the output."""
    out = io.StringIO()
    try:
        call_command("diagnose", *arguments, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_command_exits_with_zero_only_if_all_required_records_are_correct(sandbox: Sandbox) -> None:
    domain = verified(sandbox)
    status, text = run("Example.COM")
    assert (status, text.count("ok  ")) == (0, 10)
    spf = next(record for record in records_to_publish(domain) if record.key == "mail-from-spf")
    sandbox.control.make_mistake("example.com", spf, "value.quoted")
    cache.clear()
    status, text = run("example.com")
    assert status == 1
    assert "First: [dns.value.quoted]" in text


def test_the_command_prints_json(sandbox: Sandbox) -> None:
    domain = verified(sandbox)
    sandbox.control.make_mistake("example.com", records_to_publish(domain)[1], "rival.proxied")
    status, text = run("example.com", "--json")
    report: dict[str, Any] = json.loads(text)
    assert status == 1
    assert report["finding"]["code"] == "dns.rival.proxied"
    assert report["is_right"] is False


@pytest.mark.parametrize("name", ["nobody.example.org", "not a domain"])
def test_the_command_refuses_an_unknown_domain(name: str) -> None:
    with pytest.raises(CommandError):
        call_command("diagnose", name)


def test_a_missing_mta_sts_record_asks_for_its_policy_first(sandbox: Sandbox) -> None:
    """The record alone announces a policy that nobody serves. Without both, mail is delivered as before."""
    found = diagnosis_services.diagnose(mark_as_receiving(verified(sandbox)), now=timezone.now())
    missing = next(each.finding for each in found.records if each.key == "mta-sts")
    assert missing is not None
    assert missing.why == "Mail is delivered without it."
    assert "/.well-known/mta-sts.txt" in missing.steps[0]
    assert "_mta-sts" in missing.steps[1]
