"""Reading rows about receiving: the route of a recipient, the visible rows, and the region's capacity."""

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.roles import Role
from domains.models.domains import Stage
from receipt_rules.addresses import selectors as addresses_selectors
from receipt_rules.addresses.selectors import AddressListFilters
from receipt_rules.live import selectors as live_selectors
from receipt_rules.models.addresses import CatchAll
from receipt_rules.models.runs import Snapshot
from receipt_rules.planner.core.plans import dump
from receipt_rules.planner.core.rules import S3, ForeignRule, Rule, RuleDelivery, RuleSet
from receipt_rules.route_lookup.selectors import Route, route_lookup
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_address, make_endpoint, make_verified

pytestmark = pytest.mark.django_db
STORED = RuleDelivery((S3("inbound-mail"),))


def route_of(recipient: str) -> Route:
    return route_lookup([recipient])[0]


def test_the_exact_address_precedes_the_subdomain_and_the_domain() -> None:
    domain = make_verified("shop.com")
    first, second, third = (make_endpoint(domain.customer) for _ in range(3))
    make_address("a@shop.com", domain, endpoint=first)
    CatchAll.objects.create(domain=domain, endpoint=second)
    CatchAll.objects.create(domain=domain, endpoint=third, subdomains=True)
    found = {
        each.recipient: (each.because, each.endpoint)
        for each in route_lookup(["A@Shop.com", "a+label@shop.com", "b@shop.com", "a@eu.shop.com", "a@else.com"])
    }
    assert found == {
        "a@shop.com": ("address", first),
        "a+label@shop.com": ("label", first),
        "b@shop.com": ("domain", second),
        "a@eu.shop.com": ("subdomain", third),
        "a@else.com": ("nobody", None),
    }


def test_an_address_with_a_label_precedes_its_base_address() -> None:
    domain = make_verified("shop.com")
    narrow = make_address("a+x@shop.com", domain, endpoint=make_endpoint(domain.customer))
    make_address("a@shop.com", domain)
    assert route_of("a+x@shop.com").owner == narrow.id


def test_another_customers_subdomain_never_belongs_to_the_parent_domain() -> None:
    domain = make_verified("shop.com", customer=make_customer("Alice"))
    bob = make_customer("Bob")
    make_verified("eu.shop.com", customer=bob)
    make_address("a@eu.shop.com", domain, endpoint=make_endpoint(domain.customer))
    CatchAll.objects.create(domain=domain, subdomains=True)
    found = route_of("a@eu.shop.com")
    assert (found.owner, found.customer, found.endpoint) == ("", bob.id, None)


def test_a_claim_of_another_customer_with_the_same_name_hides_nothing() -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    domain = make_verified("shop.com", customer=alice)
    row = CatchAll.objects.create(domain=domain, endpoint=make_endpoint(alice))
    claim = make_domain("shop.com", customer=bob, stage=Stage.CLAIM)
    CatchAll.objects.create(domain=claim, endpoint=make_endpoint(bob))
    assert route_of("a@shop.com").owner == row.id


def test_a_disabled_address_gets_no_delivery_although_a_catch_all_covers_it() -> None:
    domain = make_verified("shop.com")
    row = make_address("a@shop.com", domain, is_active=False)
    CatchAll.objects.create(domain=domain, endpoint=make_endpoint(domain.customer))
    found = route_of("a@shop.com")
    assert (found.because, found.owner, found.endpoint) == ("off", row.id, None)


def test_a_catch_all_that_another_customer_left_at_the_name_hides_nobodys_own() -> None:
    holder, bob = make_verified("shop.com"), make_customer("Bob")
    endpoint = make_endpoint(holder.customer)
    CatchAll.objects.create(domain=holder, endpoint=endpoint)
    lost = make_verified("shop.com", customer=bob, stage=Stage.CLAIM, proven_at=None)
    CatchAll.objects.create(domain=lost, endpoint=make_endpoint(bob))
    found = route_of("a@shop.com")
    assert (found.customer, found.endpoint) == (holder.customer_id, endpoint)


def test_a_disabled_endpoint_gets_no_delivery() -> None:
    domain = make_verified("shop.com")
    row = make_address("a@shop.com", domain, endpoint=make_endpoint(domain.customer, is_active=False))
    assert (route_of("a@shop.com").owner, route_of("a@shop.com").endpoint) == (row.id, None)


def test_a_lookup_of_a_hundred_recipients_takes_three_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    domain = make_verified("shop.com")
    for number in range(100):
        make_address(f"a{number}@shop.com", domain, endpoint=make_endpoint(domain.customer))
    with django_assert_num_queries(3):
        found = route_lookup([f"a{number}@shop.com" for number in range(100)])
        assert all(route.config["url"] for route in found)


def test_customers_never_see_each_others_rows() -> None:
    domain = make_verified("shop.com", customer=make_customer("Alice"))
    make_address("a@shop.com", domain, endpoint=make_endpoint(domain.customer))
    CatchAll.objects.create(domain=domain)
    bob, alice = make_member(make_customer("Bob")), make_member(domain.customer)
    for read in (
        addresses_selectors.addresses_for,
        addresses_selectors.endpoints_for,
    ):
        assert not read(bob).exists()
        assert read(alice).count() == read(make_staff(Role.SUPPORT)).count() == 1


def test_addresses_are_found_by_text_and_filters() -> None:
    domain = make_verified("shop.com", mx_facts={"shop.com": "here"})
    make_address("billing@shop.com", domain, rules="carried")
    make_address("help@shop.com", domain)
    make_address("old@shop.com", domain, is_active=False)
    viewer = make_staff(Role.SUPPORT)

    def found(query: str) -> list[str]:
        rows = addresses_selectors.search_addresses(viewer=viewer, filters=AddressListFilters.read(QueryDict(query)))
        return [row.address.partition("@")[0] for row in rows]

    assert found("q=BILL") == ["billing"]
    assert found("show=live") == ["billing"]
    assert found("show=waiting") == ["help"]
    assert found("show=off") == ["old"]
    assert found("domain=dom_none") == []
    assert found("sort=-address&show=nonsense") == ["old", "help", "billing"]


def test_the_capacity_counts_rules_recipients_and_identities() -> None:
    make_verified("shop.com")
    live = RuleSet(
        "inbound-mail", (Rule("inbound-admin-001", STORED, ("a.com", "b.com")), ForeignRule("x", "{}", STORED))
    )
    found = live_selectors.capacity(live)
    assert (found.rules.used, found.rules.limit, found.foreign_rules) == (2, 200, 1)
    assert (found.recipients.used, found.recipients.limit) == (2, 199 * 500)
    assert (found.identities.used, found.identities.percent) == (1, 1)
    assert "199 domains" in found.sentence


def test_the_forecast_follows_the_growth_of_the_last_month() -> None:
    now = timezone.now()
    assert live_selectors.demand(left=1000, now=now) == (0, "")
    domain = make_verified("shop.com")
    for name in "abc":
        make_address(f"{name}@shop.com", domain)
    assert f"{now + timedelta(days=100):%-d %B %Y}" in live_selectors.demand(left=10, now=now)[1]
    active, ends = live_selectors.demand(left=100_000, now=now)
    assert (active, "for years" in ends) == (3, True)


def test_the_customers_sharing_a_rule_are_listed() -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    make_verified("a.com", customer=alice)
    make_verified("b.com", customer=bob)
    rule = Rule("inbound-admin-001", STORED, ("x@a.com", ".b.com", "nobody.com"))
    (found,) = live_selectors.sharing_by_rule([rule])
    assert ([each.pk for each in found.customers], found.unowned) == ([alice.pk, bob.pk], 1)


def test_the_query_count_for_sharing_customers_does_not_depend_on_their_number(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    names = [f"{number}.com" for number in range(4)]
    for name in names:
        make_verified(name, customer=make_customer(name))
    rules = [Rule(f"inbound-admin-{name}", STORED, (name, f"x@{name}")) for name in names]
    with django_assert_num_queries(2):
        found = live_selectors.sharing_by_rule(rules)
    assert [[each.name for each in one.customers] for one in found] == [[name] for name in names]
    below = [Rule(f"inbound-admin-{name}", STORED, (name, f"x@a.b.{name}", "x@b.nobody.com")) for name in names]
    with django_assert_num_queries(3):
        found = live_selectors.sharing_by_rule(below)
    assert [[each.name for each in one.customers] for one in found] == [[name] for name in names]
    assert {one.unowned for one in found} == {1}


def test_a_snapshots_content_is_read_once_and_never_mixed_up_with_another(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    kept = []
    for number in range(4):
        rules = RuleSet("inbound-mail", (Rule("inbound-admin-001", STORED, (f"{number}.com",)),))
        made = Snapshot.objects.create(
            region="eu-west-1", name="inbound-mail", content=dump(rules), digest="", recipients=1, rules=1
        )
        kept.append((made.pk, rules))
    for key, rules in kept * 2:
        assert live_selectors.content_of(Snapshot.objects.get(pk=key)) == rules
    newest = Snapshot.objects.defer("content").get(pk=kept[-1][0])
    with django_assert_num_queries(0):
        assert live_selectors.content_of(newest) == kept[-1][1]
