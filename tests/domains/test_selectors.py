"""Selectors return only the customer's own rows, with any filter."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.http import QueryDict
from django.utils import timezone

from accounts.models.people import Customer, User
from domains.checking.core.judgement import State
from domains.domain_list import selectors as domain_list_selectors
from domains.domain_list.selectors import DomainListFilters, domains_for
from domains.models.domains import Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.names.core import parse_domain, readable
from domains.ownership.selectors import related_domains
from domains.records.selectors import records_page
from operations.search.selectors import search
from public_api.domains.selectors import find_domains
from receipt_rules.addresses.selectors import AddressListFilters, addresses_for
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_user
from tests.receipt_rules.factories import make_address

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEYS: dict[str, Any] = {"dkim_tokens": ["a", "b", "c"], "dkim_zone": "dkim.amazonses.com"}


@pytest.fixture
def alice() -> Customer:
    return make_customer("Alice Ltd")


@pytest.fixture
def sam() -> User:
    user = make_user("sam@ops.example", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="support_customer"))
    return user


def names(domains: Any) -> list[str]:
    return [domain.name for domain in domains]


def found(viewer: Any, query: str = "") -> list[str]:
    return names(domain_list_selectors.listed_domains(viewer=viewer, filters=DomainListFilters.read(QueryDict(query))))


def test_members_see_their_customers_rows_and_support_sees_all(alice: Customer, sam: User) -> None:
    bob = make_customer("Bob Ltd")
    make_domain("alice.com", customer=alice)
    make_domain("bob.com", customer=bob)
    both = make_member(alice)
    both.memberships.create(customer=bob)
    assert found(make_member(alice)) == ["alice.com"]
    assert found(make_member(bob, role="member")) == ["bob.com"]
    assert found(both) == ["alice.com", "bob.com"]
    assert found(sam) == ["alice.com", "bob.com"]
    assert found(make_user()) == []
    assert found(AnonymousUser()) == []
    assert found(make_member(alice, is_active=False)) == []


@pytest.mark.parametrize("query", ["q=bob", "q=", "state=waiting", "show=attention", "customer={bob}", "provider=Wix"])
def test_no_filter_shows_another_customers_row(alice: Customer, query: str) -> None:
    bob = make_customer("Bob Ltd")
    for state in State:
        make_domain(f"{state.value.replace('_', '-')}.bob.com", customer=bob, state=state, provider="Wix")
    viewer = make_member(alice)
    filters = DomainListFilters.read(QueryDict(query.format(bob=bob.id)))
    assert names(domain_list_selectors.listed_domains(viewer=viewer, filters=filters)) == []
    assert set(domain_list_selectors.attention_counts(viewer=viewer, filters=filters).values()) == {0}
    assert list(domain_list_selectors.export_rows(viewer=viewer, filters=filters)) == []
    assert domain_list_selectors.choices(viewer=viewer, domains=1) == {"customers": [], "providers": []}


@pytest.mark.parametrize("text", ["shop", "SHOP.com", "https://shop.com/cart", "me@shop.com"])
def test_the_search_finds_a_domain_by_pasted_text(alice: Customer, text: str) -> None:
    make_domain("shop.com", customer=alice)
    make_domain("other.com", customer=alice)
    query = QueryDict(mutable=True)
    query["q"] = text
    assert names(
        domain_list_selectors.listed_domains(viewer=make_member(alice), filters=DomainListFilters.read(query))
    ) == ["shop.com"]


def test_the_search_finds_an_international_name_as_typed(alice: Customer) -> None:
    make_domain("xn--bcher-kva.de", customer=alice)
    assert found(make_member(alice), "q=b%C3%BCcher.de") == ["xn--bcher-kva.de"]


@pytest.mark.parametrize(
    ("text", "names_found"),
    [
        ("cher", ["cher-x.de", "shop.xn--bcher-kva.de", "xn--bcher-kva.de"]),
        ("cher.de", ["shop.xn--bcher-kva.de", "xn--bcher-kva.de"]),
        ("CHER.D", ["shop.xn--bcher-kva.de", "xn--bcher-kva.de"]),
        ("shop.b", ["shop.xn--bcher-kva.de"]),
        ("her-x.de", ["cher-x.de"]),
        ("kva.de", ["shop.xn--bcher-kva.de", "xn--bcher-kva.de"]),
        ("(.de", []),
    ],
)
def test_the_ascii_part_of_an_international_name_is_found(alice: Customer, text: str, names_found: list[str]) -> None:
    for name in ("xn--bcher-kva.de", "shop.xn--bcher-kva.de", "cher-x.de", "other.de"):
        make_domain(name, customer=alice)
    query = QueryDict(mutable=True)
    query["q"] = text
    viewer = make_member(alice)
    filters = DomainListFilters.read(query)
    assert sorted(names(domain_list_selectors.listed_domains(viewer=viewer, filters=filters))) == names_found
    assert {hit.title for hit in search(viewer=viewer, text=text)} >= {readable(name) for name in names_found}


@pytest.mark.parametrize("query", ["q=%00", "state=nonsense", "show=nonsense", "customer=%00x", "q=" + "a" * 5000])
def test_an_invalid_query_is_no_error(alice: Customer, query: str) -> None:
    make_domain("shop.com", customer=alice)
    assert found(make_member(alice), query) in ([], ["shop.com"])


def test_every_state_is_counted_under_one_heading_and_found_there(alice: Customer) -> None:
    for state in State:
        make_domain(customer=alice, state=state)
    viewer = make_member(alice)
    counts = domain_list_selectors.attention_counts(viewer=viewer, filters=DomainListFilters())
    assert counts.pop("all") == len(State)
    assert sum(counts.values()) == len(State)
    for key, count in counts.items():
        assert len(found(viewer, f"show={key}")) == count


def test_due_domains_are_set_up_or_claimed_not_held_and_sorted_by_time() -> None:
    make_domain("later.com", stage=Stage.READY, next_check_at=NOW + timedelta(seconds=1))
    make_domain("never.com", stage=Stage.READY)
    make_domain("held.com", stage=Stage.READY, next_check_at=NOW, held_at=NOW)
    make_domain("starting.com", stage=Stage.STARTING, next_check_at=NOW)
    make_domain("deleting.com", stage=Stage.DELETING, next_check_at=NOW)
    make_domain("second.com", stage=Stage.READY, next_check_at=NOW)
    make_domain("first.com", stage=Stage.CLAIM, next_check_at=NOW - timedelta(days=1))
    assert names(domain_list_selectors.domains_due(NOW)) == ["first.com", "second.com"]


def test_related_domains_share_whole_labels_and_are_not_claims() -> None:
    for name in ("alice.com", "a.b.alice.com", "xb.alice.com", "balice.com", "b.alice.com"):
        make_domain(name, stage=Stage.READY)
    make_domain("claimed.b.alice.com", stage=Stage.CLAIM)
    related = related_domains(parse_domain("b.alice.com").domain)
    assert sorted(names(related)) == ["a.b.alice.com", "alice.com"]


def test_the_nearest_verified_parent_of_the_same_customer_is_found(alice: Customer) -> None:
    for name in ("alice.com", "b.alice.com"):
        make_domain(name, customer=alice, verified_at=NOW)
    make_domain("c.b.alice.com", verified_at=NOW)
    make_domain("d.c.b.alice.com", customer=alice)
    parent = domain_list_selectors.verified_parent(parse_domain("x.d.c.b.alice.com").domain, alice)
    assert parent is not None
    assert parent.name == "b.alice.com"
    assert domain_list_selectors.verified_parent(parse_domain("x.d.c.b.alice.com").domain, make_customer()) is None


def test_the_records_page_counts_required_records_without_a_lookup() -> None:
    domain = make_domain(
        "shop.com",
        stage=Stage.READY,
        verification_token="t",
        dkim_tokens=["a", "b", "c"],
        dkim_zone="dkim.amazonses.com",
        ses_mail_from="bounce.shop.com",
    )
    RecordCheck.objects.create(domain=domain, key="identity", state=State.VERIFIED, checked_at=NOW, found=["t"])
    page = records_page(domain, can_check_in=0)
    assert (page.done, page.total) == (1, 7)
    todo = records_page(domain, can_check_in=0, only_todo=True)
    assert "identity" not in {row.record.key for group in todo.groups for row in group.rows}
    assert (todo.done, todo.total) == (1, 7)
    dkim = next(row for group in page.groups for row in group.rows if row.record.key == "dkim-2")
    assert (dkim.relative_name, dkim.zone, dkim.label) == ("b._domainkey", "shop.com", "DKIM record 2")


@pytest.mark.parametrize(
    ("state", "checks", "action"),
    [
        (State.WAITING, {}, "copy"),
        (State.WAITING, {"dkim-1": State.VERIFIED}, "check"),
        (State.WRONG, {"dkim-1": State.VERIFIED, "dkim-2": State.WRONG}, "diagnose"),
        (State.AT_RISK, {"dkim-1": State.AT_RISK}, "diagnose"),
        (State.SPREADING, {"dkim-1": State.SPREADING}, "check"),
    ],
)
def test_the_next_action_follows_from_the_state_and_the_checks(
    state: State, checks: dict[str, State], action: str
) -> None:
    domain = make_domain("shop.com", stage=Stage.READY, state=state, **KEYS)
    for key, found in checks.items():
        RecordCheck.objects.create(domain=domain, key=key, state=found, checked_at=NOW)
    assert records_page(domain, can_check_in=0).next_action == action


def test_after_verification_the_next_action_is_an_address_and_then_none() -> None:
    done: dict[str, Any] = {
        "stage": Stage.READY,
        "state": State.VERIFIED,
        "identity_status": "SUCCESS",
        "dkim_status": "SUCCESS",
    }
    domain = make_domain("shop.com", mail_rules={}, **done, **KEYS)
    for record in domain.records:
        RecordCheck.objects.create(domain=domain, key=record.key, state=State.VERIFIED, checked_at=NOW)
    assert records_page(domain, can_check_in=0).next_action == "address"
    Domain.objects.filter(pk=domain.pk).update(receives=False)
    assert records_page(Domain.objects.get(pk=domain.pk), can_check_in=0).next_action == ""


def test_all_records_are_copied_as_lines_of_a_table() -> None:
    page = records_page(make_domain("shop.com", stage=Stage.READY, **KEYS), can_check_in=0)
    lines = [line.split("\t") for line in page.copy_text.splitlines()]
    assert lines[0] == ["Type", "Name", "Value", "Priority", "TTL"]
    assert ["CNAME", "a._domainkey", "a.dkim.amazonses.com", "", "Default"] in lines
    assert len(lines) == 1 + sum(not row.waits_for_policy for group in page.groups for row in group.rows)


def test_only_a_claim_shows_its_challenge() -> None:
    claim: dict[str, Any] = {"stage": Stage.CLAIM, "claim_token": "secret", "claim_reason": "related"}
    row = records_page(make_domain("shop.com", **claim), can_check_in=0).claim_row
    assert row is not None
    assert row.record.value == "inbound-admin-claim=secret"
    assert records_page(make_domain(**claim | {"stage": Stage.READY}), can_check_in=0).claim_row is None


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"stage": Stage.STARTING}, 2),
        ({"stage": Stage.READY, "state": State.VERIFIED}, 3),
        ({"stage": Stage.READY, "state": State.VERIFIED, "age": timedelta(minutes=16)}, None),
        ({"stage": Stage.READY, "held_at": NOW}, None),
        ({"stage": Stage.READY}, 3),
        ({"stage": Stage.READY, "age": timedelta(minutes=30)}, 10),
        ({"stage": Stage.READY, "age": timedelta(hours=3)}, 30),
        ({"stage": Stage.READY, "age": timedelta(days=3)}, 60),
    ],
)
def test_the_page_polls_often_while_fresh_and_stops_when_settled(fields: dict[str, Any], seconds: int | None) -> None:
    age = fields.pop("age", timedelta(0))
    domain = make_domain(**fields)
    Domain.objects.filter(pk=domain.pk).update(watched_from=timezone.now() - age)
    domain.refresh_from_db()
    assert records_page(domain, can_check_in=0).poll_seconds == seconds


IDN = "xn--e1afmkfd.xn--p1ai"  # пример.рф


@pytest.mark.parametrize("text", ["пример", "ПРИМ", "мер.р", "пример.рф", "рф", "xn--e1afm", IDN])
def test_an_internationalized_name_is_found_by_a_part_of_its_unicode_form(alice: Customer, text: str) -> None:
    viewer = make_member(alice)
    make_domain("other.example", customer=alice)
    make_domain("xn--bcher-kva.example", customer=alice)
    shown = make_domain(IDN, customer=alice)
    foreign = make_domain("xn--e1afmkfd.xn--80asehdb")
    filters = DomainListFilters.read(QueryDict(f"q={text}"))
    assert names(domain_list_selectors.listed_domains(viewer=viewer, filters=filters)) == [shown.name]
    assert foreign.name not in {hit.title for hit in search(viewer=viewer, text=text)}
    assert shown.id in {hit.id for hit in search(viewer=viewer, text=text)}
    assert [each.id for each in find_domains(domains_for(viewer), search=text)] == [shown.id]


def test_an_ascii_search_takes_no_extra_query(alice: Customer, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        domain_list_selectors.name_contains("shop.example")


def test_addresses_are_found_by_a_part_of_a_unicode_name(alice: Customer) -> None:
    viewer, domain = make_member(alice), make_domain(IDN, customer=alice)
    make_address(f"info@{IDN}", domain=domain)
    make_address(f"sales@{IDN}", domain=domain)
    for text, number in (("пример", 2), ("info@прим", 1), ("нет", 0)):
        rows = AddressListFilters.read(QueryDict(f"q={text}")).search(addresses_for(viewer))
        assert rows.count() == number
