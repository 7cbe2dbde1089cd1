"""The overview lists the most urgent items first, and the search finds pages by any name."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models.people import Customer, User
from accounts.roles import Role
from domains.checking.core.judgement import State
from domains.domain_list.selectors import DomainListFilters, attention_counts, unverified_domains
from domains.domain_list.services import record_state_counts
from domains.models.domains import Stage
from inbound_admin.lib import counters
from notifications.alerts.selectors import unacknowledged_count
from operations.dashboard import selectors as dashboard_selectors
from operations.drift_store.services import record_check
from operations.search import selectors as search_selectors
from receipt_rules.live.selectors import receiving_outage
from receipt_rules.models.runs import Snapshot
from tenants import jobs as tenants_jobs
from tenants.lifecycle.selectors import banners_for
from tenants.models.tenants import Tenant
from tenants.status.core import TenantStatus
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_address
from tests.tenants.factories import make_tenant

pytestmark = pytest.mark.django_db
TOKEN = "abcdefghijklmnopqrstuvwxyz234567"


@pytest.fixture
def alices() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def alice(alices: Customer) -> User:
    return make_member(alices)


def attention_by_sentence(viewer: User) -> dict[str, str]:
    full = dashboard_selectors.capacity_summary(now=timezone.now())
    found = dashboard_selectors.attention_items(
        viewer=viewer,
        full=full,
        counts=attention_counts(viewer=viewer, filters=DomainListFilters()),
        unanswered=unacknowledged_count(viewer),
        outage=receiving_outage(),
        banners=banners_for(viewer),
    )
    return {need.sentence: need.query for need in found}


def test_nothing_needs_attention_if_all_domains_are_verified(alice: User, alices: Customer, client: Client) -> None:
    make_domain(customer=alices, state=State.VERIFIED, stage=Stage.READY, verified_at=timezone.now())
    assert attention_by_sentence(alice) == {}
    client.force_login(alice)
    assert "Nothing needs attention." in client.get(reverse("operations:overview")).content.decode()


def test_domains_with_problems_and_stuck_ones_link_to_filtered_lists(
    alice: User, alices: Customer, client: Client
) -> None:
    make_domain("wrong.com", customer=alices, state=State.AT_RISK, stage=Stage.READY, verified_at=timezone.now())
    stuck = make_domain("stuck.com", customer=alices, state=State.WAITING, stage=Stage.READY)
    make_domain("wrong-for-days.com", customer=alices, state=State.WRONG, stage=Stage.READY)
    type(stuck).objects.exclude(name="wrong.com").update(watched_from=timezone.now() - timedelta(days=2))
    assert attention_by_sentence(alice) == {
        "2 domains have a problem": "show=attention",
        "1 domain unverified for more than a day": "show=stuck",
    }
    client.force_login(alice)
    listed = client.get(f"{reverse('domains:list')}?show=stuck").content.decode()
    assert "stuck.com" in listed
    assert "wrong.com" not in listed


def test_a_customer_does_not_see_another_customers_problems(alice: User) -> None:
    make_domain("bobs.com", state=State.AT_RISK)
    assert attention_by_sentence(alice) == {}


def test_staff_see_suspended_tenants(alices: Customer) -> None:
    Tenant.objects.create(
        customer=alices, region="eu-west-1", name="alice", configuration_set="alice", standing="suspended"
    )
    assert "1 tenant is suspended by AWS" in attention_by_sentence(make_staff(Role.SUPPORT))


def test_the_charts_show_the_counted_values(client: Client) -> None:
    make_domain(state=State.VERIFIED)
    record_state_counts(now=timezone.now())
    counters.count("aws_call", label="GetAccount", outcome="ok", number=7)
    (states, _, calls), _ = dashboard_selectors.charts(now=timezone.now())
    assert dict(zip(states.columns, states.rows[0].values, strict=True))["Verified"] == 1
    assert list(calls.rows[0].values) == [7]
    client.force_login(make_staff())
    first_day = client.get(reverse("operations:overview")).text
    assert "Collecting since" in first_day
    assert "View as table" not in first_day


def test_in_the_first_days_the_charts_start_with_the_first_count(client: Client) -> None:
    now = timezone.now()
    first = (now - timedelta(hours=5)).replace(minute=0, second=0, microsecond=0)
    for hour in (first, first + timedelta(hours=1)):
        counters.set_levels("domains_by_state", {"verified": 3}, now=hour)
    assert counters.counted_since((), now)[1] == first
    (states, *_), _ = dashboard_selectors.charts(now=now)
    (verified, *_) = states.wide.lines
    assert verified.paths[0].startswith(f"M{states.wide.left}.0 ")  # no empty time before it
    client.force_login(make_staff())
    page = client.get(reverse("operations:overview")).text
    assert "Collecting since" not in page
    assert "View as table" in page


def test_charts_of_older_counts_cover_the_whole_week() -> None:
    now = timezone.now()
    counters.set_levels("domains_by_state", {"verified": 3}, now=now - timedelta(days=20))
    assert counters.counted_since((), now) == (
        (),
        (now - timedelta(days=20)).replace(minute=0, second=0, microsecond=0),
    )
    assert dashboard_selectors.charts(now=now)[1] is None


def test_each_number_of_the_capacity_links_to_its_list(client: Client) -> None:
    client.force_login(make_staff())
    page = client.get(reverse("operations:overview")).text.partition('id="full-title"')[2]
    for name, url in (("Identities", "domains:list"), ("Tenants", "tenants:list")):
        assert f'href="{reverse(url)}" aria-label="{name}: 0 of' in page


def search_results(viewer: User, text: str) -> list[tuple[str, str]]:
    return [(hit.kind.value, hit.title) for hit in search_selectors.search(viewer=viewer, text=text)]


def test_the_search_finds_a_domain_by_any_of_its_names(alice: User, alices: Customer) -> None:
    domain = make_domain("shop.com", customer=alices, dkim_tokens=[TOKEN])
    for text in ("shop.com", "https://SHOP.com/x", "shop", domain.pk, TOKEN, f"{TOKEN}._domainkey.shop.com"):
        assert ("domain", "shop.com") in search_results(alice, text), text
    assert ("domain", "shop.com") in search_results(alice, "arn:aws:ses:eu-west-1:1:identity/shop.com")


def test_the_search_for_an_address_finds_it_and_its_domain(alice: User, alices: Customer) -> None:
    make_address("billing@shop.com", domain=make_domain("shop.com", customer=alices))
    assert set(search_results(alice, "billing@shop.com")) == {("domain", "shop.com"), ("address", "billing@shop.com")}


def test_the_search_never_finds_another_customers_objects(alice: User, alices: Customer) -> None:
    bob = make_member(make_customer("Bob Ltd"))
    domain = make_domain("shop.com", customer=alices, dkim_tokens=[TOKEN])
    make_address("billing@shop.com", domain=domain)
    for text in ("shop.com", TOKEN, domain.pk, "billing@shop.com", "Alice", alices.pk):
        assert search_results(bob, text) == [], text


def test_an_exact_match_redirects_to_its_page(client: Client, alice: User, alices: Customer) -> None:
    domain = make_domain("shop.com", customer=alices)
    make_domain("workshop.com", customer=alices)
    client.force_login(alice)
    answer = client.get(reverse("operations:find"), {"q": "shop.com"})
    assert answer["Location"] == reverse("domains:detail", args=[domain.pk])
    assert client.get(reverse("operations:find"), {"q": "shop"}).status_code == 200


def test_customers_find_no_tenants_because_they_have_no_tenant_pages(alice: User, alices: Customer) -> None:
    tenant = make_tenant(customer=alices)
    assert search_results(make_staff(), tenant.ses_id) == [("tenant", tenant.name)]
    assert search_results(alice, tenant.ses_id) == []


def test_an_empty_search_result_says_so(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert "Nothing matches “nowhere”" in client.get(reverse("operations:find"), {"q": "nowhere"}).content.decode()
    assert client.get(reverse("operations:find"), {"q": "\x00"}).status_code == 200


def test_delayed_urgent_work_is_the_first_item_for_staff_only(alice: User) -> None:
    tenants_jobs.queue_status(make_tenant())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = at - interval '75 seconds'")
    staff = make_staff(Role.OPERATOR)
    assert (
        next(iter(attention_by_sentence(staff)))
        == "Urgent work (pause, stop) is delayed by 75 seconds: see the runbook"
    )
    assert not any("waits for 75" in sentence for sentence in attention_by_sentence(alice))


def test_the_overview_is_ordered_by_harm(alices: Customer) -> None:
    moved = make_domain("moved.com", customer=alices, stage=Stage.READY, moved_at=timezone.now())
    make_domain("wrong.com", customer=alices, state=State.AT_RISK, stage=Stage.READY, verified_at=timezone.now())
    make_tenant(alices, is_paused=True, standing=TenantStatus.PAUSING)
    record_check("identities", problem="Amazon SES isn’t answering.")
    shown = list(attention_by_sentence(make_staff(Role.OPERATOR)))
    assert moved.moved_at is not None
    assert [sentence for sentence in shown if "alert" not in sentence] == [
        "Mail for moved.com may still be delivered to its previous customer",
        "1 tenant is still pausing: mail may still be sent",
        "Identities could not be read from SES at the last check",
        "1 domain has a problem",
    ]


def test_the_capacity_says_which_numbers_were_read_from_ses(client: Client) -> None:
    Snapshot.objects.create(
        region="eu-west-1",
        name="inbound-mail",
        content={},
        digest="d",
        recipients=4,
        rules=3,
        own_rules=3,
        own_recipients=4,
    )
    client.force_login(make_staff(Role.OPERATOR))
    page = client.get(reverse("operations:overview")).text
    assert "Rules and recipients as last read from SES <time" in page
    assert "</time>; identities and tenants from our database." in page


def test_a_customer_sees_the_domains_with_a_problem_first() -> None:
    alice = make_member(customer := make_customer())
    long_ago = timezone.now() - timedelta(days=9)
    for number in range(9):
        make_domain(f"waiting{number}.com", customer=customer, state=State.WAITING, state_since=long_ago)
    make_domain("broken.com", customer=customer, state=State.WRONG, state_since=timezone.now())
    shown = unverified_domains(alice)
    assert [str(each) for each in shown[:2]] == ["broken.com", "waiting0.com"]
