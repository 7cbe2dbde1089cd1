"""The page of a plan that the worker creates waits, updates itself and approves, with and without JavaScript."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from procrastinate.contrib.django.models import ProcrastinateJob

from inbound_admin.responses import POLL_HEADER
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.models.runs import Run
from receipt_rules.plan_drafts import services
from receipt_rules.plan_drafts.services import DRAFT
from receipt_rules.planner import services as planner_services
from tests.receipt_rules.factories import make_address, make_verified, set_up_receiving

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def every_plan_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one recipient too many for a plan within the request."""
    monkeypatch.setattr(services, "FEW", 0)


def run_draft_jobs() -> None:
    for job in ProcrastinateJob.objects.filter(task_name=DRAFT, status="todo"):
        services.make_draft(draft_id=job.args["draft_id"])


def polled_url(page: str) -> str:
    found = re.search(r'hx-get="([^"]+)"', page)
    assert found is not None
    return found.group(1).replace("&amp;", "&")


def test_the_page_waits_for_the_plan_and_then_shows_it(olga_client: Client) -> None:
    make_address("info@maple.com", make_verified("maple.com"))
    page = olga_client.get(reverse("receipt_rules:plan") + "?method=blue_green").text
    assert "Creating the plan" in page
    assert 'id="approve"' not in page
    where = polled_url(page)
    assert f'<a class="link js-hidden" href="{where.replace("&", "&amp;")}">' in page
    assert "Creating the plan" in olga_client.get(where).text
    run_draft_jobs()
    made = olga_client.get(where).text
    assert "info@maple.com" in made
    assert 'id="approve"' in made
    assert "hx-get" not in re.findall(r'<div id="live"[^>]*>', made)[0]
    part = olga_client.get(where, headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith('<div id="live"')


def test_a_poll_returns_204_until_the_plan_is_made(olga_client: Client) -> None:
    make_address("info@maple.com", make_verified("maple.com"))
    where = polled_url(olga_client.get(reverse("receipt_rules:plan")).text)
    first = olga_client.get(where, headers={"HX-Request": "true", POLL_HEADER: ""})
    again = olga_client.get(where, headers={"HX-Request": "true", POLL_HEADER: first[POLL_HEADER]})
    assert (first.status_code, again.status_code, again.content) == (200, 204, b"")
    run_draft_jobs()
    made = olga_client.get(where, headers={"HX-Request": "true", POLL_HEADER: first[POLL_HEADER]})
    assert (made.status_code, "info@maple.com" in made.text) == (200, True)


def test_the_worker_completes_an_approval_and_the_page_redirects_to_the_run(olga_client: Client) -> None:
    set_up_receiving()
    make_address("info@maple.com", make_verified("maple.com"))
    digest = planner_services.plan_changes().digest
    given = {"digest": digest, "because": "as planned", "typed": "inbound-mail"}
    answer = olga_client.post(reverse("receipt_rules:plan"), given)
    assert answer.status_code == 302
    assert "Checking your approval" in olga_client.get(answer["Location"]).text
    run_draft_jobs()
    run = Run.objects.get(digest=digest)
    assert olga_client.get(answer["Location"])["Location"] == reverse("receipt_rules:run", args=[run.pk])
    polled = olga_client.get(answer["Location"], headers={"HX-Request": "true"})
    assert polled["HX-Redirect"] == reverse("receipt_rules:run", args=[run.pk])


def test_approving_an_outdated_plan_is_refused_with_the_reason(olga_client: Client) -> None:
    set_up_receiving()
    domain = make_verified("maple.com")
    make_address("info@maple.com", domain)
    given = {"digest": planner_services.plan_changes().digest, "because": "as planned", "typed": "inbound-mail"}
    make_address("sales@maple.com", domain)
    where = olga_client.post(reverse("receipt_rules:plan"), given)["Location"]
    run_draft_jobs()
    page = olga_client.get(where)
    assert page.status_code == 422
    assert "Plan not approved" in page.text
    assert "The rules have changed since you opened this plan." in page.text
    assert olga_client.get(where, headers={"HX-Request": "true"}).status_code == 200
    assert not Run.objects.filter(digest=given["digest"]).exists()


def test_refusals_and_errors_in_the_worker_are_shown_on_the_page(
    olga_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_address("info@maple.com", make_verified("maple.com"))
    where = polled_url(olga_client.get(reverse("receipt_rules:plan") + "?only=nobody").text)
    run_draft_jobs()
    assert "There is no domain or customer named “nobody”" in olga_client.get(where).text
    where = polled_url(olga_client.get(reverse("receipt_rules:plan")).text)
    monkeypatch.setattr("receipt_rules.plan_drafts.services.read_live", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_draft_jobs()
    assert escape(services.INTERNAL_ERROR) in olga_client.get(where).text


def test_an_expired_draft_is_created_again(olga_client: Client) -> None:
    make_address("info@maple.com", make_verified("maple.com"))
    page = olga_client.get(reverse("receipt_rules:plan") + "?draft=draft_gone").text
    assert "Creating the plan" in page


def test_the_page_calls_no_aws_api_while_the_plan_is_being_made(olga_client: Client, sandbox: object) -> None:
    make_address("info@maple.com", make_verified("maple.com"))
    sandbox.control.clear_calls()  # type: ignore[attr-defined]  # the sandbox of the fixture
    olga_client.get(reverse("receipt_rules:plan"))
    assert sandbox.control.call_counts() == {}  # type: ignore[attr-defined]


def test_a_draft_whose_job_was_lost_is_created_again(olga_client: Client) -> None:
    make_address("info@maple.com", make_verified("maple.com"))
    where = polled_url(olga_client.get(reverse("receipt_rules:plan")).text)
    ProcrastinateJob.objects.filter(task_name=DRAFT).delete()
    assert "Creating the plan" in olga_client.get(where).text
    assert "Creating the plan" in olga_client.get(where).text
    assert ProcrastinateJob.objects.filter(task_name=DRAFT).count() == 1
    run_draft_jobs()
    assert "info@maple.com" in olga_client.get(where).text


def test_an_approval_whose_worker_died_redirects_to_its_run_even_if_that_has_ended(
    olga_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_receiving()
    make_address("info@maple.com", make_verified("maple.com"))
    given = {"digest": planner_services.plan_changes().digest, "because": "as planned", "typed": "inbound-mail"}
    where = olga_client.post(reverse("receipt_rules:plan"), given)["Location"]
    before = services.read_draft(where.rpartition("draft=")[2])
    assert before is not None
    run_draft_jobs()
    auto_apply_services.work()
    services._keep(before)  # the state if the worker dies between the approval and storing its result
    run_draft_jobs()
    run = Run.objects.get(digest=given["digest"])
    assert olga_client.get(where)["Location"] == reverse("receipt_rules:run", args=[run.pk])
