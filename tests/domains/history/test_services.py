"""The history of DNS answers: each change is stored once, and a failed lookup never."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries, Settings

from domains import tasks
from domains.checking import services as checking_services
from domains.dns.core import Answer, LookupStatus, Question
from domains.history import selectors as history_selectors
from domains.history import services as history_services
from domains.models.domains import Domain
from domains.models.record_checks import ObservedAnswer
from sandbox.process import Sandbox
from tests.domains.factories import publish, second_resolver, set_up_domain, zone_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = "dkim-1"


def check_at(domain: Domain, hours: int) -> None:
    checking_services.check([Domain.objects.get(pk=domain.pk)], now=NOW + hours * HOUR)


def history(domain: Domain, key: str = KEY) -> list[ObservedAnswer]:
    record = next(record for record in domain.records if record.key == key)
    return list(domain.observed_answers.filter(name=record.name, type=record.type))


def test_each_change_is_one_row_and_an_unchanged_answer_none(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    check_at(domain, 0)
    check_at(domain, 1)
    publish(sandbox, domain)
    check_at(domain, 2)
    check_at(domain, 3)
    absent, found = history(domain)
    assert (absent.status, absent.since, absent.last_seen, absent.until) == (
        LookupStatus.NO_NAME,
        NOW,
        NOW + HOUR,
        NOW + 2 * HOUR,
    )
    assert (found.status, found.since, found.until) == (LookupStatus.FOUND, NOW + 2 * HOUR, None)
    assert found.values == [next(r.value for r in domain.records if r.key == KEY)]
    assert found.ttl
    assert absent.serial is not None
    assert found.serial is not None
    assert absent.serial < found.serial


def test_a_change_stores_the_nameservers_and_updates_the_provider(sandbox: Sandbox) -> None:
    sandbox.control.add_zone("shop.com", ("ada.ns.cloudflare.com",))
    domain = set_up_domain(sandbox, "shop.com")
    Domain.objects.filter(pk=domain.pk).update(provider="GoDaddy")
    check_at(domain, 0)
    assert domain.observed_answers.get(name="shop.com", type="NS").values == ["ada.ns.cloudflare.com"]
    assert not domain.observed_answers.filter(type="SOA").exists()
    domain.refresh_from_db()
    assert domain.provider == "Cloudflare"


def test_a_failed_lookup_changes_no_row(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    publish(sandbox, domain)
    check_at(domain, 0)
    before = list(domain.observed_answers.values())
    sandbox.control.set_dns_fault(zone_of(domain), "servfail", None)
    check_at(domain, 1)
    assert list(domain.observed_answers.values()) == before


def test_after_a_failed_check_the_old_answer_has_no_last_seen_time(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    check_at(domain, 0)
    sandbox.control.set_dns_fault(zone_of(domain), "servfail", None)
    check_at(domain, 1)
    sandbox.control.set_dns_fault(zone_of(domain), None, None)
    publish(sandbox, domain)
    check_at(domain, 2)
    assert history(domain)[0].last_seen is None


def test_each_resolver_has_its_own_history(sandbox: Sandbox, settings: Settings) -> None:
    with second_resolver() as other:
        settings.DNS_RESOLVERS = (sandbox.dns_address, other)
        domain = set_up_domain(sandbox)
        check_at(domain, 0)
        publish(sandbox, domain)
        check_at(domain, 1)
        answers = [(row.resolver, row.status) for row in history(domain)]
    assert answers.count((sandbox.dns_address, LookupStatus.FOUND)) == 1
    assert answers.count((other, LookupStatus.FOUND)) == 0


def test_a_record_no_longer_required_ends_in_the_history(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    check_at(domain, 0)
    old = next(record for record in domain.records if record.key == "mail-from-mx")
    Domain.objects.filter(pk=domain.pk).update(ses_mail_from=f"other.{domain.name}")
    check_at(domain, 1)
    assert domain.observed_answers.get(name=old.name, type="MX").until == NOW + HOUR


def test_a_nul_in_an_answer_is_stored_as_a_replacement_character(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    question = Question(f"_amazonses.{domain.name}", "TXT")
    hostile = {question: [Answer(question, "one", LookupStatus.FOUND, ("a\x00b",), 60)]}
    assert history_services.record_answers([domain], hostile, now=NOW) == 1
    assert history_services.record_answers([domain], hostile, now=NOW + HOUR) == 0
    assert domain.observed_answers.get(type="TXT").values == ["a\ufffdb"]


def test_nothing_is_stored_for_a_deleted_domain(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    question = Question(f"_amazonses.{domain.name}", "TXT")
    seen = {question: [Answer(question, "one", LookupStatus.NO_NAME)]}
    stale = Domain.objects.get(pk=domain.pk)
    Domain.objects.filter(pk=domain.pk).delete()
    history_services.record_answers([stale], seen, now=NOW)
    assert not ObservedAnswer.objects.exists()


def test_two_checks_at_the_same_moment_store_one_row(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    question = Question(f"_amazonses.{domain.name}", "TXT")
    seen = {question: [Answer(question, "one", LookupStatus.NO_NAME)]}
    for _ in range(2):
        history_services._store(domain, seen[question], (), {}, NOW)
    assert domain.observed_answers.count() == 1


def test_unchanged_answers_take_one_query_for_any_number_of_domains(
    sandbox: Sandbox, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    domains = [set_up_domain(sandbox) for _ in range(3)]
    questions = [Question(f"_amazonses.{domain.name}", "TXT") for domain in domains]
    seen = {question: [Answer(question, "one", LookupStatus.NO_NAME)] for question in questions}
    history_services.record_answers(domains, seen, now=NOW)
    with django_assert_num_queries(1):
        assert history_services.record_answers(domains, seen, now=NOW + HOUR) == 0


def test_old_ended_answers_are_deleted_and_current_ones_kept(sandbox: Sandbox, settings: Settings) -> None:
    settings.DNS_HISTORY_DAYS = 30
    domain = set_up_domain(sandbox)
    check_at(domain, 0)
    publish(sandbox, domain)
    check_at(domain, 1)
    current = domain.observed_answers.filter(until=None).count()
    assert history_services.delete_old_answers(now=NOW + timedelta(days=30)) == 0
    with time_machine.travel(NOW + timedelta(days=31), tick=False):
        tasks.forget_old(0)
    assert domain.observed_answers.count() == current


def test_ended_answers_are_kept_for_ever_with_zero_days(sandbox: Sandbox, settings: Settings) -> None:
    settings.DNS_HISTORY_DAYS = 0
    domain = set_up_domain(sandbox)
    check_at(domain, 0)
    publish(sandbox, domain)
    check_at(domain, 1)
    assert history_services.delete_old_answers(now=NOW + timedelta(days=4000)) == 0
    shown = history_selectors.history_of(domain, now=NOW + timedelta(days=1))
    assert shown.start == NOW
    assert shown.events


def test_after_a_transfer_the_history_begins_with_the_new_holder(sandbox: Sandbox) -> None:
    domain = set_up_domain(sandbox)
    check_at(domain, 0)
    publish(sandbox, domain)
    check_at(domain, 2)
    moved = NOW + 3 * HOUR
    before = history_selectors.history_of(domain, now=moved)
    assert before.start == NOW
    Domain.objects.filter(pk=domain.pk).update(held_since=moved)
    domain.refresh_from_db()
    found = history_selectors.history_of(domain, now=moved + HOUR)
    assert found.start == moved
    assert found.events
    assert {event.at for event in found.events} == {moved}
    rows = list(history_selectors.export_rows(domain))
    assert len(rows) == domain.observed_answers.filter(until=None).count()
    assert not any(NOW.strftime("%Y-%m-%dT%H") in value for row in rows for value in row.values())
    listed = [history_selectors.as_held(row, domain) for row in history_selectors.answers_of(domain)]
    assert {row.since for row in listed} == {moved}
    assert all(row.status == LookupStatus.FOUND for row in listed if row.name == history(domain)[0].name)
