"""The pages of SES tenants: the list, worst first, each with its layers, and what staff do there."""

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


def as_(role: Role) -> Client:
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


def test_without_tenants_the_list_says_what_they_are_for(olga_client: Client) -> None:
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
def test_the_url_says_what_the_list_shows(olga_client: Client, three: None, query: str, expected: list[str]) -> None:
    assert names_in(olga_client.get(reverse("tenants:list") + query).text) == expected


def test_the_list_is_searched_as_one_types(olga_client: Client, three: None) -> None:
    part = olga_client.get(reverse("tenants:list") + "?q=acme", headers=HTMX).text
    assert "<html" not in part
    assert names_in(part) == ["acme"]
    assert "1 tenant found" in part


def test_a_rate_that_is_not_known_is_not_shown_as_zero(olga_client: Client, three: None) -> None:
    page = olga_client.get(reverse("tenants:list")).text
    assert "20.00%" in page
    assert ">0.00%" not in page
    assert page.count('sr-only">unknown') == 4


def test_no_findings_is_said_only_when_amazon_was_asked(olga_client: Client) -> None:
    asked, _ = make_tenant(name="asked"), make_tenant(name="new")
    ReputationRead.objects.create(tenant=asked, region=asked.region, findings_at=timezone.now())
    page = olga_client.get(reverse("tenants:list")).text
    assert (page.count("No findings"), page.count("Not read yet")) == (1, 1)
    assert "Not read yet" not in olga_client.get(reverse("tenants:detail", args=[asked.id])).text


def test_the_list_takes_the_same_queries_for_many_as_for_few(olga_client: Client) -> None:
    assert queries_with(olga_client, tenants=3) == queries_with(olga_client, tenants=30)


def queries_with(client: Client, *, tenants: int) -> int:
    for _ in range(tenants - Tenant.objects.count()):
        make_tenant()
    with CaptureQueriesContext(connection) as queries:
        page = client.get(reverse("tenants:list"))
    assert len(names_in(page.text)) == tenants
    return len(queries)


def test_what_is_held_up_is_counted_and_says_why(olga_client: Client) -> None:
    make_tenant(name="stuck", status_problem="Amazon was told 10:00 UTC, and still answers ENABLED.")
    make_tenant(name="fine")
    page = olga_client.get(reverse("tenants:list") + "?show=held_up").text
    assert names_in(page) == ["stuck"]
    assert "still answers ENABLED" in page


def test_an_export_holds_what_the_filters_show(olga_client: Client, three: None) -> None:
    answer = olga_client.get(reverse("tenants:export", args=["csv"]) + "?show=findings")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert [line.split(",")[1] for line in answer.text.splitlines()] == ["tenant", "bobs"]
    rows = json.loads(olga_client.get(reverse("tenants:export", args=["json"])).text)
    assert [(row["tenant"], row["bounce_rate"]) for row in rows] == [("bobs", "0.2"), ("cora", ""), ("acme", "")]


@pytest.mark.parametrize("name", ["detail", "resources", "history", "policy", "delete"])
def test_for_a_customer_there_is_no_such_page_of_anybodys_tenant(client: Client, name: str) -> None:
    tenant = make_tenant(make_customer("Alice Ltd"))
    client.force_login(make_member(tenant.customer))
    assert client.get(reverse(f"tenants:{name}", args=[tenant.id])).status_code == 404


def test_only_who_may_pause_chooses_tenants_to_pause(olga_client: Client, three: None) -> None:
    assert 'name="tenant"' not in olga_client.get(reverse("tenants:list")).text
    assert 'name="tenant"' in as_(Role.TRUST_AND_SAFETY).get(reverse("tenants:list")).text


def test_the_detail_shows_each_layer_and_the_one_word(olga_client: Client) -> None:
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


def test_a_status_that_we_do_not_know_is_shown_as_it_came(olga_client: Client) -> None:
    tenant = make_tenant(standing="unknown", amazon_status="THROTTLED", aggregate="THROTTLED")
    page = olga_client.get(reverse("tenants:detail", args=[tenant.id])).text
    assert "THROTTLED" in page
    assert 'data-standing="unknown"' in page


@pytest.mark.parametrize(
    ("standing", "polls"), [("pausing", True), ("resuming", True), ("paused", False), ("active", False)]
)
def test_the_detail_asks_again_while_something_is_under_way(olga_client: Client, standing: str, polls: bool) -> None:
    tenant = make_tenant(standing=standing)
    page = olga_client.get(reverse("tenants:detail", args=[tenant.id]))
    assert ("hx-trigger" in page.text.partition('id="live"')[2][:300]) == polls
    part = olga_client.get(reverse("tenants:detail", args=[tenant.id]), headers=HTMX).text
    assert "<html" not in part


def test_what_amazon_did_not_answer_is_said_with_the_time_of_what_is_shown(olga_client: Client) -> None:
    tenant = make_tenant(read_problem="Amazon did not answer within 5 seconds.")
    page = olga_client.get(reverse("tenants:detail", args=[tenant.id])).text
    assert "We couldn’t reach Amazon SES" in page
    assert "Amazon did not answer within 5 seconds." in page


def test_an_association_that_failed_says_why(olga_client: Client) -> None:
    tenant = make_tenant()
    arn = "arn:aws:ses:eu-west-1:123456789012:identity/a.example"
    tenant.resources.create(kind="identity", arn=arn, name="a.example", problem="It is in another tenant: other-1.")
    page = olga_client.get(reverse("tenants:resources", args=[tenant.id])).text
    assert "a.example" in page
    assert "It is in another tenant: other-1." in page
    assert "Delayed" in page


def test_the_history_has_the_statuses_and_what_was_done(olga_client: Client) -> None:
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


def test_a_customer_who_has_one_is_refused_another(olga_client: Client) -> None:
    tenant = make_tenant()
    answer = olga_client.post(reverse("tenants:create"), {"customer": tenant.customer_id, "policy": "strict"})
    assert answer.status_code == 422
    assert Tenant.objects.count() == 1


def test_the_policy_is_changed_with_a_reason(olga_client: Client) -> None:
    tenant = make_tenant(open_high=1)
    url = reverse("tenants:policy", args=[tenant.id])
    assert "1 of high impact" in olga_client.get(url).text
    assert olga_client.post(url, {"policy": "strict", "because": ""}).status_code == 422
    assert olga_client.post(url, {"policy": "strict", "because": "New and not known yet."}).status_code == 302
    tenant.refresh_from_db()
    assert tenant.policy == "strict"
    assert "The change is being applied" in olga_client.get(reverse("tenants:detail", args=[tenant.id])).text


@pytest.mark.parametrize("name", ["policy", "delete"])
def test_support_changes_no_policy_and_deletes_no_tenant(name: str) -> None:
    tenant = make_tenant()
    answer = as_(Role.SUPPORT).post(reverse(f"tenants:{name}", args=[tenant.id]), {"name": tenant.name})
    assert answer.status_code == 403
    assert Tenant.objects.filter(pk=tenant.pk, stage="ready").exists()


def test_a_pause_whose_day_has_come_is_found_and_kept_with_a_reason(three: None) -> None:
    Tenant.objects.filter(name="cora").update(pause_review_on=timezone.localdate())
    tess = as_(Role.TRUST_AND_SAFETY)
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


def test_a_tenant_is_deleted_by_its_name(olga_client: Client) -> None:
    tenant = make_tenant(name="old-one")
    url = reverse("tenants:delete", args=[tenant.id])
    assert "What is deleted, in this order" in olga_client.get(url).text
    wrong = olga_client.post(url, {"name": "old"})
    assert wrong.status_code == 422
    assert "type its name" in wrong.text
    assert olga_client.post(url, {"name": "old-one"})["Location"] == reverse("tenants:list")
    tenant.refresh_from_db()
    assert tenant.stage == "deleting"


def test_a_paused_tenant_is_not_deleted(olga_client: Client) -> None:
    tenant = make_tenant(is_paused=True, standing="paused")
    page = olga_client.get(reverse("tenants:delete", args=[tenant.id])).text
    assert "would end the pause" in page
    assert "Type <span" not in page
