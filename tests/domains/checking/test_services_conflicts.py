"""What the diagnosis finds beside correct records, the check finds too, so that every page and the API say it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from domains.checking import services as checking_services
from domains.checking.core.judgement import State
from domains.diagnosis import services as diagnosis_services
from domains.dns import services as dns_services
from domains.dns.core import Answer, LookupStatus, Question
from domains.dns.services import look_up
from domains.models.domains import Domain
from domains.records.core import Record
from notifications.models.alerts import Alert
from sandbox.process import Sandbox
from tests.domains.checking.factories import HOUR, NOW, check_domain, remove_record, states
from tests.domains.factories import mark_as_receiving, publish, records_to_publish, set_up_domain, zone_of
from tests.factories import make_staff

LOCAL = [*(f"127.0.0.{number}" for number in range(1, 12)), "::1"]
pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts(LOCAL)]


MOST = 45  # DNS queries of a daily check, with one resolver


def verified_domain(sandbox: Sandbox) -> Domain:
    """Return a verified domain that receives, with two nameservers."""
    sandbox.control.add_zone("shop.com", nameservers=["ns1.host.example", "ns2.host.example"])
    return verified_at(sandbox, set_up_domain(sandbox, "shop.com"))


def verified_at(sandbox: Sandbox, domain: Domain) -> Domain:
    mark_as_receiving(domain)
    publish(sandbox, domain)
    sandbox.control.tick()
    return check_domain(domain)


def required(domain: Domain, key: str) -> Record:
    return next(record for record in domain.records if record.key == key)


def conflict_of(domain: Domain) -> tuple[str, str, str]:
    """Return key, code and sentence of the one record that isn't verified."""
    check = domain.record_checks.get(key=next(key for key, state in states(domain).items() if state == State.WRONG))
    return check.key, check.code, check.sentence


def is_diagnosed_right(domain: Domain) -> bool:
    cache.clear()
    return diagnosis_services.diagnose(domain, now=NOW).is_right


def beside_key(sandbox: Sandbox, domain: Domain) -> None:
    sandbox.control.add_record(zone_of(domain), required(domain, "dkim-1").name, "TXT", "foo", force=True)


def beside_bounces(sandbox: Sandbox, domain: Domain) -> None:
    sandbox.control.add_record(zone_of(domain), required(domain, "mail-from-mx").name, "CNAME", "x.example", force=True)


def without_key(sandbox: Sandbox, domain: Domain) -> None:
    wanted = next(each for each in records_to_publish(domain) if each.key == "dkim-1")
    sandbox.control.make_mistake(zone_of(domain), wanted, "zone.disagree")


@pytest.mark.parametrize(
    ("make", "code", "text"),
    [
        (beside_key, "dns.rival.cname", "also has a TXT record: foo."),
        (beside_bounces, "dns.rival.cname", "also has a CNAME record: x.example."),
        (without_key, "dns.server.disagree", "is published on 1 of 2 of your nameservers"),
    ],
)
def test_check_and_diagnosis_agree_about_what_excludes_a_correct_record(
    sandbox: Sandbox, client: Client, make: object, code: str, text: str
) -> None:
    domain = verified_domain(sandbox)
    assert is_diagnosed_right(domain)
    make(sandbox, domain)  # type: ignore[operator]
    assert not is_diagnosed_right(domain)
    check_domain(domain, NOW + HOUR)
    assert domain.state == State.WRONG
    assert "needs fixing" in domain.summary or "need fixing" in domain.summary
    checks = {check.key: check for check in domain.record_checks.all() if check.state == State.WRONG}
    assert {check.code for check in checks.values()} == {code}
    assert all(text in check.sentence for check in checks.values())
    client.force_login(make_staff())
    page = client.get(reverse("domains:detail", args=[domain.id])).content.decode()
    assert "Diagnose problem" in page
    assert Alert.objects.filter(kind="domain.at_risk").exists()


def test_a_conflict_that_ends_leaves_the_domain_verified(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    beside_key(sandbox, domain)
    assert check_domain(domain, NOW + HOUR).state == State.WRONG
    assert conflict_of(domain)[0] == "dkim-1"
    for held in sandbox.control.records(zone_of(domain)):
        if held.type == "TXT" and held.name == required(domain, "dkim-1").name:
            sandbox.control.remove_record(zone_of(domain), held.id)
    assert check_domain(domain, NOW + 2 * HOUR).state == State.VERIFIED


def test_a_cname_at_the_domain_is_not_to_be_deleted(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    sandbox.control.add_record(zone_of(domain), domain.name, "CNAME", "shops.example.net", force=True)
    check_domain(domain, NOW + HOUR)
    key, code, sentence = conflict_of(domain)
    assert (key, code) == ("inbound-mx", "dns.rival.cname")
    assert "Ask your website's host for IP addresses" in sentence
    assert "elete" not in sentence


@pytest.mark.parametrize("fault", ["silent", "servfail", "refused"])
def test_a_nameserver_that_fails_is_no_disagreement(sandbox: Sandbox, fault: str) -> None:
    domain = verified_domain(sandbox)
    sandbox.control.set_dns_fault(zone_of(domain), fault, sandbox.control.nameservers(zone_of(domain))[-1])
    assert check_domain(domain, NOW + HOUR).state in (State.VERIFIED, State.COULD_NOT_CHECK)
    assert State.WRONG not in states(domain).values()


FOUR = tuple(f"ns{number}.host.example" for number in range(1, 5))
DAY = timedelta(days=1)


@pytest.fixture
def four(sandbox: Sandbox) -> Domain:
    """Return a verified domain with four nameservers."""
    sandbox.control.add_zone("shop.com", nameservers=list(FOUR))
    return verified_at(sandbox, set_up_domain(sandbox, "shop.com"))


def outdate(sandbox: Sandbox, domain: Domain, *servers: str) -> None:
    """Let nameservers have the zone without a DKIM record."""
    zone, name = zone_of(domain), required(domain, "dkim-1").name
    for server in servers:
        sandbox.zones.override(zone, server, [r for r in sandbox.zones.records(zone) if r.name != name])


def check_due(domain: Domain, now: datetime) -> Domain:
    """Check as the worker does, without a person."""
    checking_services.check([Domain.objects.get(pk=domain.pk)], now=now, read_ses=False)
    domain.refresh_from_db()
    return domain


@pytest.mark.parametrize("server", FOUR)
def test_a_nameserver_with_an_old_zone_is_found_within_days_and_stays_found(
    sandbox: Sandbox, four: Domain, server: str
) -> None:
    outdate(sandbox, four, server)
    seen = [check_due(four, NOW + number * DAY).state for number in range(1, 8)]
    assert State.WRONG in seen[:3]
    assert State.VERIFIED not in seen[seen.index(State.WRONG) :]
    assert conflict_of(four)[1] == "dns.server.disagree"
    assert "on 3 of 4 of your nameservers" in conflict_of(four)[2]
    assert not is_diagnosed_right(four)


def test_two_nameservers_with_an_old_zone_are_found_though_only_they_are_asked(sandbox: Sandbox, four: Domain) -> None:
    outdate(sandbox, four, *FOUR[:2])
    seen = [check_due(four, NOW + number * DAY).state for number in range(1, 6)]
    assert State.WRONG in seen[:3]
    assert State.VERIFIED not in seen[seen.index(State.WRONG) :]


def test_a_person_finds_the_nameserver_at_once(sandbox: Sandbox, four: Domain) -> None:
    outdate(sandbox, four, FOUR[2])
    assert check_domain(four, NOW + HOUR).state == State.WRONG


def test_a_differing_nameserver_that_is_silent_stays_known_until_it_answers(sandbox: Sandbox, four: Domain) -> None:
    outdate(sandbox, four, FOUR[3])
    sentence = check_domain(four, NOW + HOUR).summary, conflict_of(four)[2]
    sandbox.control.set_dns_fault(zone_of(four), "silent", FOUR[3])
    check_due(four, NOW + 2 * HOUR)
    assert (four.summary, conflict_of(four)[2]) == sentence
    sandbox.control.clear_dns_faults()
    sandbox.zones.override(zone_of(four), FOUR[3], None)
    assert check_due(four, NOW + 3 * HOUR).state == State.VERIFIED
    assert not four.record_checks.exclude(conflict=None).exists()


def test_a_nameserver_whose_address_cannot_be_looked_up_stays_known(
    sandbox: Sandbox, four: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    outdate(sandbox, four, FOUR[3])
    assert check_domain(four, NOW + HOUR).state == State.WRONG
    known = conflict_of(four)
    by_six = {
        Question(FOUR[3], kind): Answer(Question(FOUR[3], kind), sandbox.dns_address, status, values)
        for kind, status, values in (("A", LookupStatus.FAILED, ()), ("AAAA", LookupStatus.FOUND, ("::1",)))
    }

    def without_ipv4(questions: Sequence[Question]) -> list[Answer]:
        return [by_six.get(each.question, each) for each in look_up(questions)]

    monkeypatch.setattr(dns_services, "look_up", without_ipv4)
    assert check_due(four, NOW + 2 * HOUR).state == State.WRONG
    assert conflict_of(four) == known


def test_the_nameservers_of_all_conflicts_are_looked_up_together(
    sandbox: Sandbox, four: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.control.add_zone("pear.com", nameservers=list(FOUR))
    other = verified_at(sandbox, set_up_domain(sandbox, "pear.com"))
    for each in (four, other):
        outdate(sandbox, each, FOUR[3])
        assert check_domain(each, NOW + HOUR).state == State.WRONG
    rounds: list[Sequence[Question]] = []

    def counted(questions: Sequence[Question]) -> list[Answer]:
        rounds.append(questions)
        return look_up(questions)

    monkeypatch.setattr(dns_services, "look_up", counted)
    checking_services.check(list(Domain.objects.filter(pk__in=[four.pk, other.pk])), now=NOW + 2 * HOUR)
    assert [[each.name for each in questions if each.type == "NS"] for questions in rounds[-2:]] == [
        ["pear.com", "shop.com"],
        [],
    ]


def test_a_silent_nameserver_is_forgotten_after_a_week_or_once_it_is_no_longer_one(
    sandbox: Sandbox, four: Domain
) -> None:
    outdate(sandbox, four, FOUR[3])
    assert check_domain(four, NOW + HOUR).state == State.WRONG
    sandbox.control.set_dns_fault(zone_of(four), "silent", FOUR[3])
    assert check_due(four, NOW + 6 * DAY).state == State.WRONG
    assert check_due(four, NOW + 8 * DAY).state == State.VERIFIED


def test_a_known_conflict_outlives_the_loss_of_another_record(sandbox: Sandbox, four: Domain) -> None:
    outdate(sandbox, four, FOUR[3])
    check_domain(four, NOW + HOUR)
    remove_record(sandbox, four, "mail-from-mx")
    check_due(four, NOW + 2 * HOUR)
    assert states(four)["dkim-1"] == State.WRONG
    assert states(four)["mail-from-mx"] == State.AT_RISK


def test_a_record_beside_ours_stays_known_while_its_nameserver_is_silent(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    zone, before = zone_of(domain), sandbox.control.records(zone_of(domain))
    beside_key(sandbox, domain)
    sandbox.zones.override(zone, "ns1.host.example", before)
    check_domain(domain, NOW + HOUR)
    known = conflict_of(domain)
    assert known[1] == "dns.rival.cname"
    sandbox.control.set_dns_fault(zone, "silent", "ns2.host.example")
    check_due(domain, NOW + 2 * HOUR)
    assert conflict_of(domain) == known


def test_a_check_without_a_person_asks_two_of_four_nameservers(sandbox: Sandbox, four: Domain) -> None:
    question = (required(four, "dkim-1").name, "TXT")
    asked = sandbox.queries[question]
    check_due(four, NOW + DAY)
    assert sandbox.queries[question] == asked + 2
    check_domain(four, NOW + DAY + HOUR)
    assert sandbox.queries[question] == asked + 6


def test_nameservers_are_asked_only_once_all_required_records_are_correct(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    question = (required(domain, "dkim-1").name, "TXT")
    before, asked = sandbox.queries.total, sandbox.queries[question]
    check_domain(domain, NOW + HOUR)
    assert sandbox.queries[question] == asked + 2
    assert sandbox.queries.total - before <= MOST
    remove_record(sandbox, domain, "mail-from-mx")
    asked = sandbox.queries[question]
    check_domain(domain, NOW + 2 * HOUR)
    assert sandbox.queries[question] == asked


def test_the_record_to_delete_is_the_one_beside_our_key_and_not_our_key(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    beside_key(sandbox, domain)
    check_domain(domain, NOW + HOUR)
    known = domain.record_checks.get(key="dkim-1").known
    assert known is not None
    assert known.existing_of("CNAME") == (("TXT", "foo"),)


def test_nothing_is_to_be_deleted_where_nameservers_disagree_about_our_own_value(sandbox: Sandbox) -> None:
    domain = verified_domain(sandbox)
    without_key(sandbox, domain)
    check_domain(domain, NOW + HOUR)
    known = domain.record_checks.get(key="dkim-1").known
    assert known is not None
    assert (known.code, known.found) == ("dns.server.disagree", (required(domain, "dkim-1").value,))
    assert known.existing == ()
    assert known.existing_of("CNAME") == ()
