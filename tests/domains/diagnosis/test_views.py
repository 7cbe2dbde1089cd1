"""The diagnosis as a page, shown at once and completed when the result is ready, and as JSON, text and log."""

import json
import re
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.models.people import User
from domains import tasks
from domains.diagnosis.core.codes import CODES
from domains.identity_status import services as identity_status_services
from domains.jobs import DIAGNOSE
from domains.models.domains import Domain
from domains.models.record_checks import DiagnosisRequest
from sandbox.process import Sandbox
from tests.domains.factories import make_domain, publish, records_to_publish, set_identity_status, set_up_domain
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


@pytest.fixture
def alice() -> User:
    return make_member(make_customer("Alice Ltd"))


@pytest.fixture
def domain(sandbox: Sandbox, alice: User) -> Domain:
    return set_up_domain(sandbox, "shop.com", customer=alice.customers.get())


@pytest.fixture
def page(client: Client, alice: User, domain: Domain) -> str:
    client.force_login(alice)
    return reverse("domains:diagnosis", args=[domain.pk])


def test_the_page_opens_at_once_without_a_query(client: Client, page: str, sandbox: Sandbox) -> None:
    sandbox.control.set_dns_fault("shop.com", "silent")
    text = client.get(page).content.decode()
    assert 'hx-trigger="load"' in text
    assert "?look=1" in text


def diagnosed_page(client: Client, page: str, **headers: str) -> str:
    """Return the page after the worker has made the diagnosis that it requested."""
    waits = client.get(f"{page}?look=1", headers=headers).content.decode()
    again = re.search(r"[?&]look=[0-9]{10}\.[0-9]{3}", waits)
    assert again
    run_jobs()
    return client.get(f"{page}{again[0]}", headers=headers).content.decode()


def run_jobs() -> None:
    """Run every queued job, and those that they queue."""
    for _ in range(20):
        job = ProcrastinateJob.objects.filter(task_name=DIAGNOSE, status="todo").order_by("pk").first()
        if job is None:
            return
        ProcrastinateJob.objects.filter(pk=job.pk).update(status="succeeded")
        tasks.diagnose(**job.args)


def test_the_page_polls_while_the_diagnosis_runs(client: Client, page: str, sandbox: Sandbox) -> None:
    sandbox.control.set_dns_fault("shop.com", "silent")
    queries_before = sandbox.queries.total
    waits = client.get(page, headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="load delay:1s"' in waits
    assert "This takes up to 10 seconds" in waits
    assert sandbox.queries.total == queries_before
    assert ProcrastinateJob.objects.filter(task_name=DIAGNOSE).count() == 1


def test_records_that_could_not_be_checked_are_not_counted_as_wrong(
    client: Client, page: str, sandbox: Sandbox
) -> None:
    sandbox.control.set_dns_fault("shop.com", "servfail")
    text = diagnosed_page(client, page)
    assert "None could be checked" in text
    assert "correct, including optional ones" not in text


def test_repeated_requests_queue_one_diagnosis(client: Client, page: str) -> None:
    for _ in range(3):
        client.get(f"{page}?look=1")
    assert ProcrastinateJob.objects.filter(task_name=DIAGNOSE).count() == 1


def test_without_javascript_the_waiting_page_links_to_the_result(client: Client, page: str) -> None:
    waits = client.get(f"{page}?look=1").content.decode()
    assert "Show result" in waits
    assert "Show result" not in diagnosed_page(client, page)


def test_a_failed_diagnosis_is_shown_and_can_be_retried(
    client: Client, page: str, domain: Domain, settings: Settings
) -> None:
    waits = client.get(f"{page}?look=1").content.decode()
    again = re.search(r"[?&]look=[0-9]{10}\.[0-9]{3}", waits)
    assert again
    settings.DNS_RESOLVERS = ("no address:at all",)
    with pytest.raises(ValueError, match="no address"):
        run_jobs()
    text = client.get(f"{page}{again[0]}").content.decode()
    assert "The diagnosis failed on our side" in text
    assert "Try again" in text


def test_an_absent_worker_is_reported(client: Client, page: str, domain: Domain) -> None:
    ago = timezone.now() - timedelta(minutes=3)
    DiagnosisRequest.objects.create(domain=domain, asked_at=ago)
    assert "Our background worker may be down" in client.get(f"{page}?look={ago.timestamp():.3f}").content.decode()


def test_an_invalid_moment_starts_a_new_diagnosis(client: Client, page: str) -> None:
    for text in ("9999999999.999", "x", "1e5", "0000000001.000"):
        assert "This takes up to 10 seconds" in client.get(page, {"look": text}).content.decode()


def test_the_eleventh_waiting_diagnosis_of_a_customer_is_429(client: Client, page: str, alice: User) -> None:
    own = alice.customers.get()
    pages = [reverse("domains:diagnosis", args=[make_domain(customer=own).pk]) for _ in range(11)]
    answers = [client.get(f"{each}?look=1") for each in pages]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].headers["Retry-After"] == "3"
    assert "9 of your other diagnoses run first" in answers[-2].content.decode()


def test_a_diagnosis_waits_while_others_run(
    client: Client, page: str, settings: Settings, other_connection: "psycopg.Connection[Any]"
) -> None:
    settings.DIAGNOSES_AT_ONCE = 1
    other_connection.execute("SELECT pg_advisory_lock(hashtextextended('slow work diagnosis 1', 0))")
    client.get(f"{page}?look=1")
    job = ProcrastinateJob.objects.get(task_name=DIAGNOSE)
    ProcrastinateJob.objects.filter(pk=job.pk).update(status="succeeded")
    tasks.diagnose(**job.args)
    later = ProcrastinateJob.objects.get(task_name=DIAGNOSE, status="todo")
    assert later.scheduled_at
    assert DiagnosisRequest.objects.filter(ended_at=None).exists()


def test_the_swapped_result_names_the_first_break_with_its_code(
    client: Client, page: str, sandbox: Sandbox, domain: Domain
) -> None:
    publish(sandbox, domain)
    record = next(record for record in records_to_publish(domain) if record.key == "identity")
    sandbox.control.make_mistake("shop.com", record, "name.doubled_zone")
    text = diagnosed_page(client, page, **{"HX-Request": "true"})
    assert text.strip().startswith('<div id="result"')
    assert "dns.name.doubled_zone" in text
    assert 'hx-trigger="load' not in text


def test_without_javascript_the_result_is_a_page(client: Client, page: str) -> None:
    text = diagnosed_page(client, page)
    assert "<title>" in text
    assert "Checks" in text
    assert "Your DNS host" in text


def test_dns_values_are_escaped_as_html(client: Client, page: str, sandbox: Sandbox, domain: Domain) -> None:
    record = next(record for record in records_to_publish(domain) if record.key == "identity")
    sandbox.control.add_record("shop.com", record.name, "TXT", "<script>alert(1)</script>")
    assert "<script>alert" not in diagnosed_page(client, page)


def test_the_diagnosis_is_available_as_json_text_and_log(client: Client, page: str, domain: Domain) -> None:
    found = json.loads(client.get(reverse("domains:diagnosis_file", args=[domain.pk, "json"])).content)
    assert found["domain"] == "shop.com"
    assert found["finding"]["code"] in CODES
    reply = client.get(reverse("domains:diagnosis_file", args=[domain.pk, "txt"])).content.decode()
    assert reply.startswith("shop.com")
    lookups = client.get(reverse("domains:diagnosis_file", args=[domain.pk, "log"])).content.decode()
    assert len(lookups.splitlines()) >= found["asked"] > 0


def test_another_customers_diagnosis_is_404(client: Client, page: str) -> None:
    client.force_login(make_member())
    assert client.get(page).status_code == 404


def test_every_code_has_an_anchor_on_the_public_page(client: Client) -> None:
    text = client.get(reverse("domains:codes")).content.decode()
    assert not [code for code in CODES if f'id="{code}"' not in text]


def test_the_dns_host_can_be_chosen_if_only_further_findings_have_records(
    client: Client, page: str, sandbox: Sandbox, domain: Domain
) -> None:
    publish(sandbox, domain)
    set_identity_status("shop.com", mail_from="Failed")
    identity_status_services.read_statuses([domain], now=timezone.now())
    (dmarc,) = [record for record in sandbox.control.records("shop.com") if record.name == "_dmarc.shop.com"]
    sandbox.control.remove_record("shop.com", dmarc.id)
    text = diagnosed_page(client, page)
    assert 'id="further-title"' in text
    assert 'id="dns-host"' in text
