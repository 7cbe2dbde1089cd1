"""The tenant pages for staff: the list, worst first, with each layer of the status, and the actions."""

import json
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from tenants.models.reputation import ReputationRead
from tenants.models.tenants import Tenant
from tests.factories import make_customer, make_member, make_staff
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def olga_client(client: Client) -> Client:
    client.force_login(make_staff(Role.OPERATOR, email="olga@staff.example"))
    return client


def client_of(role: Role) -> Client:
    client = Client()
    client.force_login(make_staff(role))
    return client


def names_in(page: str) -> list[str]:
    return re.findall(r'class="row-link">([^<]+)<', page)


@pytest.fixture
def three() -> None:
    make_tenant(make_customer("Acme"), name="acme", risk=0)
    make_tenant(make_customer("Bobs"), name="bobs", risk=90, open_high=2, bounce_rate=0.2, complaint_rate=0.012)
    paused = {"standing": "paused", "is_paused": True, "staff_status": "DISABLED", "aggregate": "DISABLED"}
    make_tenant(make_customer("Cora"), name="cora", risk=40, policy="strict", **paused)


def test_an_empty_list_explains_what_tenants_are(olga_client: Client) -> None:
    page = olga_client.get(reverse("tenants:list")).text
    assert "No tenants yet" in page
    assert ">Create tenant" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["bobs", "cora", "acme"]),
        ("?sort=risk", ["acme", "cora", "bobs"]),
        ("?sort=name", ["acme", "bobs", "cora"]),
        ("?sort=nonsense", ["bobs", "cora", "acme"]),
        ("?sort=-bounces", ["bobs", "acme", "cora"]),
        ("?q=ACM", ["acme"]),
        ("?q=bobs", ["bobs"]),
        ("?show=paused", ["cora"]),
        ("?show=findings", ["bobs"]),
        ("?show=active", ["bobs", "acme"]),
        ("?show=nonsense", ["bobs", "cora", "acme"]),
        ("?policy=strict", ["cora"]),
        ("?page=99", ["bobs", "cora", "acme"]),
        ("?q=%00", ["bobs", "cora", "acme"]),
    ],
)
def test_the_url_determines_what_the_list_shows(
    olga_client: Client, three: None, query: str, expected: list[str]
) -> None:
    assert names_in(olga_client.get(reverse("tenants:list") + query).text) == expected


def test_an_htmx_search_returns_only_the_results(olga_client: Client, three: None) -> None:
    part = olga_client.get(reverse("tenants:list") + "?q=acme", headers=HTMX).text
    assert "<html" not in part
    assert names_in(part) == ["acme"]
    assert "1 tenant found" in part


def test_an_unknown_rate_is_not_shown_as_zero(olga_client: Client, three: None) -> None:
    page = olga_client.get(reverse("tenants:list")).text
    assert "20.00%" in page
    assert ">0.00%" not in page
    assert page.count('sr-only">unknown') == 4


def test_no_findings_is_shown_only_after_they_were_read(olga_client: Client) -> None:
    asked, _ = make_tenant(name="asked"), make_tenant(name="new")
    ReputationRead.objects.create(tenant=asked, region=asked.region, findings_at=timezone.now())
    page = olga_client.get(reverse("tenants:list")).text
    assert (page.count("No findings"), page.count("Not read yet")) == (1, 1)
    assert "Not read yet" not in olga_client.get(reverse("tenants:detail", args=[asked.id])).text


def test_the_list_needs_the_same_number_of_queries_for_many_tenants(olga_client: Client) -> None:
    assert count_queries(olga_client, tenants=3) == count_queries(olga_client, tenants=30)


def count_queries(client: Client, *, tenants: int) -> int:
    for _ in range(tenants - Tenant.objects.count()):
        make_tenant()
    with CaptureQueriesContext(connection) as queries:
        page = client.get(reverse("tenants:list"))
    assert len(names_in(page.text)) == tenants
    return len(queries)


def test_delayed_tenants_are_filtered_and_show_the_reason(olga_client: Client) -> None:
    make_tenant(name="stuck", status_problem="SES was called at 10:00 UTC and still reports ENABLED.")
    make_tenant(name="fine")
    page = olga_client.get(reverse("tenants:list") + "?show=held_up").text
    assert names_in(page) == ["stuck"]
    assert "still reports ENABLED" in page


def test_an_export_contains_the_filtered_rows(olga_client: Client, three: None) -> None:
    answer = olga_client.get(reverse("tenants:export", args=["csv"]) + "?show=findings")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert [line.split(",")[1] for line in answer.text.splitlines()] == ["tenant", "bobs"]
    rows = json.loads(olga_client.get(reverse("tenants:export", args=["json"])).text)
    assert [(row["tenant"], row["bounce_rate"]) for row in rows] == [("bobs", "0.2"), ("cora", ""), ("acme", "")]


@pytest.mark.parametrize("name", ["detail", "resources", "history", "policy", "delete"])
def test_a_customer_gets_404_for_the_tenant_pages_of_their_own_tenant(client: Client, name: str) -> None:
    tenant = make_tenant(make_customer("Alice Ltd"))
    client.force_login(make_member(tenant.customer))
    assert client.get(reverse(f"tenants:{name}", args=[tenant.id])).status_code == 404


def test_only_people_who_may_pause_can_select_tenants(olga_client: Client, three: None) -> None:
    assert 'name="tenant"' not in olga_client.get(reverse("tenants:list")).text
    assert 'name="tenant"' in client_of(Role.TRUST_AND_SAFETY).get(reverse("tenants:list")).text


def test_the_detail_page_shows_each_layer_and_the_resulting_status(olga_client: Client) -> None:
    tenant = make_tenant(
        standing="suspended",
        amazon_status="DISABLED",
        amazon_cause="Too many complaints.",
        aggregate="DISABLED",
    )
    page = olga_client.get(reverse("tenants:detail", args=[tenant.id])).text
    assert 'data-standing="suspended"' in page
    assert "AWS suspended this tenant" in page
    assert "Too many complaints." in page
    assert page.index("layer-staff") < page.index("layer-amazon")
    assert "Only AWS can lift it" in page


def test_an_unknown_status_is_shown_unchanged(olga_client: Client) -> None:
    tenant = make_tenant(standing="unknown", amazon_status="THROTTLED", aggregate="THROTTLED")
    page = olga_client.get(reverse("tenants:detail", args=[tenant.id])).text
    assert "THROTTLED" in page
    assert 'data-standing="unknown"' in page


@pytest.mark.parametrize(
    ("standing", "polls"), [("pausing", True), ("resuming", True), ("paused", False), ("active", False)]
)
def test_the_detail_page_polls_while_a_change_is_in_progress(olga_client: Client, standing: str, polls: bool) -> None:
    tenant = make_tenant(standing=standing)
    page = olga_client.get(reverse("tenants:detail", args=[tenant.id]))
    assert ("hx-trigger" in page.text.partition('id="live"')[2][:300]) == polls
    part = olga_client.get(reverse("tenants:detail", args=[tenant.id]), headers=HTMX).text
    assert "<html" not in part


def test_a_failed_read_is_shown_with_its_reason(olga_client: Client) -> None:
    tenant = make_tenant(read_problem="SES did not answer within 5 seconds.")
    page = olga_client.get(reverse("tenants:detail", args=[tenant.id])).text
    assert "We couldn’t read this tenant from Amazon SES" in page
    assert "SES did not answer within 5 seconds." in page


def test_a_failed_association_shows_its_reason(olga_client: Client) -> None:
    tenant = make_tenant()
    arn = "arn:aws:ses:eu-west-1:123456789012:identity/a.example"
    tenant.resources.create(kind="identity", arn=arn, name="a.example", problem="It is in another tenant: other-1.")
    page = olga_client.get(reverse("tenants:resources", args=[tenant.id])).text
    assert "a.example" in page
    assert "It is in another tenant: other-1." in page
    assert "Delayed" in page


def test_the_history_shows_activity_and_status_changes(olga_client: Client) -> None:
    tenant = make_tenant()
    tenant.status_changes.create(layer="amazon", old="ENABLED", new="DISABLED", cause="Complaints")
    url = reverse("tenants:history", args=[tenant.id])
    assert "No activity yet" in olga_client.get(url).text
    statuses = olga_client.get(url + "?show=statuses").text
    assert "DISABLED" in statuses
    assert "Complaints" in statuses


def test_an_operator_creates_a_tenant_for_a_customer_without_one(olga_client: Client) -> None:
    has, lacks = make_customer("Has one"), make_customer("Lacks one")
    make_tenant(has)
    form = olga_client.get(reverse("tenants:create")).text
    assert lacks.pk in form
    assert has.pk not in form
    answer = olga_client.post(reverse("tenants:create"), {"customer": lacks.pk, "policy": "strict"})
    tenant = Tenant.objects.get(customer=lacks)
    assert answer["Location"] == reverse("tenants:detail", args=[tenant.id])
    assert tenant.policy == "strict"
    assert "Creating…" in olga_client.get(answer["Location"]).text


def test_a_second_tenant_for_a_customer_is_refused(olga_client: Client) -> None:
    tenant = make_tenant()
    answer = olga_client.post(reverse("tenants:create"), {"customer": tenant.customer_id, "policy": "strict"})
    assert answer.status_code == 422
    assert Tenant.objects.count() == 1


def test_a_policy_change_requires_a_reason(olga_client: Client) -> None:
    tenant = make_tenant(open_high=1)
    url = reverse("tenants:policy", args=[tenant.id])
    assert "1 of high impact" in olga_client.get(url).text
    assert olga_client.post(url, {"policy": "strict", "because": ""}).status_code == 422
    assert olga_client.post(url, {"policy": "strict", "because": "New and not known yet."}).status_code == 302
    tenant.refresh_from_db()
    assert tenant.policy == "strict"
    assert "The change is being applied" in olga_client.get(reverse("tenants:detail", args=[tenant.id])).text


@pytest.mark.parametrize("name", ["policy", "delete"])
def test_support_can_neither_change_a_policy_nor_delete_a_tenant(name: str) -> None:
    tenant = make_tenant()
    answer = client_of(Role.SUPPORT).post(reverse(f"tenants:{name}", args=[tenant.id]), {"name": tenant.name})
    assert answer.status_code == 403
    assert Tenant.objects.filter(pk=tenant.pk, stage="ready").exists()


def test_a_pause_due_for_review_is_listed_and_kept_with_a_reason(three: None) -> None:
    Tenant.objects.filter(name="cora").update(pause_review_on=timezone.localdate())
    tess = client_of(Role.TRUST_AND_SAFETY)
    assert names_in(tess.get(reverse("tenants:list") + "?show=review").text) == ["cora"]
    tenant = Tenant.objects.get(name="cora")
    url = reverse("tenants:keep", args=[tenant.id])
    assert "Due" in tess.get(reverse("tenants:detail", args=[tenant.id])).text
    assert tess.post(url, {"because": "", "review_on": ""}).status_code == 422
    past = tess.post(url, {"because": "No answer yet.", "review_on": "2020-01-01"})
    assert "Choose a date after today" in past.text
    assert tess.post(url, {"because": "No answer yet.", "review_on": "2090-01-01"}).status_code == 302
    tenant.refresh_from_db()
    assert (str(tenant.pause_review_on), tenant.is_paused) == ("2090-01-01", True)
    assert "No answer yet." in tess.get(reverse("tenants:history", args=[tenant.id])).text


def test_deleting_a_tenant_requires_typing_its_name(olga_client: Client) -> None:
    tenant = make_tenant(name="old-one")
    url = reverse("tenants:delete", args=[tenant.id])
    assert "What is deleted, in this order" in olga_client.get(url).text
    wrong = olga_client.post(url, {"name": "old"})
    assert wrong.status_code == 422
    assert "type its name" in wrong.text
    assert olga_client.post(url, {"name": "old-one"})["Location"] == reverse("tenants:list")
    tenant.refresh_from_db()
    assert tenant.stage == "deleting"


def test_a_paused_tenant_cannot_be_deleted(olga_client: Client) -> None:
    tenant = make_tenant(is_paused=True, standing="paused")
    page = olga_client.get(reverse("tenants:delete", args=[tenant.id])).text
    assert "would end the pause" in page
    assert "Type <span" not in page


def test_a_policy_that_ses_does_not_take_is_not_called_a_delayed_creation(client: Client) -> None:
    tenant = make_tenant(stage_problem="We couldn't set the tenant's reputation policy: AWS refused the request.")
    client.force_login(make_staff(Role.OPERATOR))
    page = client.get(reverse("tenants:detail", args=[tenant.pk])).text
    assert ("The change is delayed" in page, "Creation is delayed" in page) == (True, False)
