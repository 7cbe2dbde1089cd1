"""htmx requests: filters, progress and parts of pages, which also work as whole pages."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer
from receipt_rules.addresses.forms import PasteForm
from receipt_rules.addresses.views import MOST_LINES, TOO_MANY_LINES, read_lines
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.runs import PendingChange, Run, RunKind, RunState
from sandbox.process import Sandbox
from tests.factories import make_member
from tests.receipt_rules.factories import (
    make_address,
    make_endpoint,
    make_unmanaged_rule,
    make_verified,
    set_up_receiving,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def mixed(alices: Customer) -> None:
    domain = make_verified("shop.com", customer=alices)
    make_address("billing@shop.com", domain, endpoint=make_endpoint(alices, s3_prefix="billing/"))
    CatchAll.objects.create(domain=domain)


def test_the_list_of_runs_polls_until_every_run_has_ended(olga_client: Client) -> None:
    run = Run.objects.create(kind=RunKind.APPROVED, region="eu-west-1", state=RunState.RUNNING, calls=1, summary="One.")
    url = reverse("receipt_rules:runs")
    part = olga_client.get(url, headers=HTMX).text
    assert part.lstrip().startswith('<div id="runs"')
    assert f'hx-get="{url}"' in part
    assert "<html" in olga_client.get(url).text
    Run.objects.filter(pk=run.pk).update(state=RunState.DONE)
    assert "hx-trigger" not in olga_client.get(url, headers=HTMX).text


def test_rules_are_found_by_name_and_recipient_and_keep_their_number(olga_client: Client, mixed: None) -> None:
    set_up_receiving()
    make_unmanaged_rule("corp-stop", ["x@elsewhere.com"], rule_set="inbound-mail")
    url = reverse("receipt_rules:rules")
    whole = olga_client.get(url, {"now": "1"}).text
    assert "corp-stop" in whole
    part = olga_client.get(url, {"q": "Elsewhere"}, headers=HTMX).text
    assert part.lstrip().startswith('<div id="results"')
    assert "corp-stop" in part
    assert "inbound-admin-" not in part
    number = part.partition('id="rule-')[2].partition('"')[0]
    assert "corp-stop" in whole.partition(f'id="rule-{number}"')[2][:400]
    assert "No rule matches “nothing”" in olga_client.get(url, {"q": "nothing"}).text


def test_pending_changes_are_read_without_a_call_to_ses(
    olga_client: Client, mixed: None, alices: Customer, sandbox: Sandbox
) -> None:
    set_up_receiving()
    why = {"waits_because": "Our team reviews it.", "changed_at": timezone.now()}
    PendingChange.objects.update_or_create(customer=alices, defaults=why)
    sandbox.control.add_fault("throttle", "ses:DescribeActiveReceiptRuleSet", times=None)
    headers = HTMX | {"HX-Target": "pending-changes"}
    part = olga_client.get(reverse("receipt_rules:rules"), headers=headers).text
    assert part.lstrip().startswith('<div id="pending-changes"')
    assert "Alice" in part
    assert "hx-trigger" in part
    assert "throttling" not in part
    PendingChange.objects.all().delete()
    assert "hx-trigger" not in olga_client.get(reverse("receipt_rules:rules"), headers=headers).text


def test_both_simulators_answer_with_their_results(olga_client: Client, alice_client: Client, mixed: None) -> None:
    set_up_receiving()
    for client in (olga_client, alice_client):
        url = reverse("receipt_rules:simulator")
        part = client.get(url, {"addresses": "billing@shop.com"}, headers=HTMX).text
        assert part.lstrip().startswith('<div id="results"')
        assert "billing@shop.com" in part
        assert "<textarea" not in part
        assert "<textarea" in client.get(url, {"addresses": "billing@shop.com"}).text
    own = alice_client.get(reverse("receipt_rules:simulator"), {"addresses": "billing@shop.com"}).text
    assert 'aria-label="Path of mail for billing@shop.com"' in own


def test_changing_the_plans_options_returns_only_the_plan(olga_client: Client, mixed: None) -> None:
    part = olga_client.get(reverse("receipt_rules:plan"), {"method": "blue_green"}, headers=HTMX).text
    assert part.lstrip().startswith('<div id="live"')
    assert "hx-push-url" in part


def test_a_run_that_failed_at_its_first_step_shows_no_impact_and_links_to_the_later_run(
    olga_client: Client,
) -> None:
    sentences = ["a@shop.com starts receiving."]
    failed, later = (
        Run.objects.create(
            kind=RunKind.APPROVED, region="eu-west-1", state=state, calls=1, summary="One.", consequences=sentences
        )
        for state in (RunState.FAILED, RunState.DONE)
    )
    Run.objects.filter(pk=later.pk).update(ended_at=timezone.now())
    page = olga_client.get(reverse("receipt_rules:run", args=[failed.pk])).text
    assert "No step was completed." in page
    assert "Planned impact on mail, not applied" in page
    assert "Roll back" not in page
    assert reverse("receipt_rules:run", args=[later.pk]) in page
    assert "Roll back…" in olga_client.get(reverse("receipt_rules:run", args=[later.pk])).text


def test_nothing_is_read_of_a_paste_after_the_first_line_over_the_limit(alices: Customer) -> None:
    make_verified("shop.com", customer=alices)
    lines = read_lines("\n".join(f"a{number}@shop.com" for number in range(MOST_LINES + 200)), alices)
    assert (len(lines), sum(line.is_good for line in lines)) == (MOST_LINES + 1, MOST_LINES)
    assert lines[-1].refused == TOO_MANY_LINES


def test_columns_and_a_heading_of_a_spreadsheet_are_understood(alices: Customer) -> None:
    make_verified("shop.com", customer=alices)
    make_endpoint(alices, name="Demo sink")
    for heading, between in (("Adresse\tEndpoint\n", "\t"), ("E-Mail;Endpoint\n", ";"), ("", ",")):
        (line,) = read_lines(f"{heading}a@shop.com{between}Demo sink", alices)
        assert (line.refused, line.address, str(line.endpoint)) == ("", "a@shop.com", "Demo sink")


def test_two_addresses_on_one_line_are_refused_in_words_about_addresses(alices: Customer) -> None:
    make_verified("shop.com", customer=alices)
    (line,) = read_lines("a@shop.com b@shop.com", alices)
    assert "one email address at a time" in line.refused


def test_the_lines_of_a_file_are_numbered_from_its_first(alices: Customer) -> None:
    owner = make_member(alices)
    files = {"file": SimpleUploadedFile("a.csv", b"a@shop.com\nb@shop.com")}
    for typed, expected in (("", "a@shop.com\nb@shop.com"), ("c@shop.com", "c@shop.com\na@shop.com\nb@shop.com")):
        form = PasteForm({"text": typed, "customer": alices.pk}, files, viewer=owner)
        assert form.is_valid(), form.errors
        assert form.cleaned_data["text"] == expected
        files["file"].seek(0)
