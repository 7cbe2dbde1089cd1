"""A batch preview shows the result for each line."""

import pytest
from django.conf import LazySettings

from accounts.models.people import MemberRole, Membership
from domains.models.domains import Stage
from operations.batches.core import BatchKind
from operations.domain_actions.core import DomainLine
from operations.domain_actions.selectors import SEVERAL_LINES, TWICE, predict
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff
from tests.receipt_rules.factories import make_address

pytestmark = pytest.mark.django_db
NAMES = ("a.com", "not a domain", "b.com", "c.com")


def test_the_preview_refuses_lines_beyond_the_limit_of_unverified_domains(settings: LazySettings) -> None:
    settings.UNPROVEN_DOMAINS_PER_CUSTOMER = 3
    alice = make_customer("Alice")
    make_domain("waits.com", customer=alice, stage=Stage.STARTING, proven_at=None)
    rows = predict(BatchKind.IMPORT, tuple(DomainLine(name) for name in NAMES), viewer=make_member(alice))
    assert [row.works for row in rows] == [True, False, True, False]
    assert "at most 3 unverified domains" in rows[-1].sentence


def test_the_limit_applies_to_each_customer_but_not_to_staff(settings: LazySettings) -> None:
    settings.UNPROVEN_DOMAINS_PER_CUSTOMER = 1
    alice, bob = make_customer("Alice"), make_customer("Bob")
    both = make_member(alice)
    Membership.objects.create(customer=bob, user=both, role=MemberRole.OWNER)
    lines = (DomainLine("a.com", alice.pk), DomainLine("b.com", bob.pk), DomainLine("c.com", alice.pk))
    assert [row.works for row in predict(BatchKind.IMPORT, lines, viewer=both)] == [True, True, False]
    assert [row.works for row in predict(BatchKind.IMPORT, lines, viewer=make_staff())] == [True, True, True]


def test_the_preview_names_the_domain_that_a_line_adds_and_takes_it_once_however_it_is_written() -> None:
    texts = ("https://www.a.com/x", "*.b.com", "b.com.", "B.com", "c.com")
    rows = predict(
        BatchKind.IMPORT, tuple(DomainLine(text) for text in texts), viewer=make_member(make_customer("Alice"))
    )
    assert [(row.adds, row.works) for row in rows] == [
        ("www.a.com", True),
        ("b.com", True),
        ("", False),
        ("", False),
        ("c.com", True),
    ]
    assert {row.sentence for row in rows if not row.works} == {TWICE}


def test_of_lines_for_different_customers_none_is_added() -> None:
    alice, bob = make_customer("Alice"), make_customer("Bob")
    lines = (DomainLine("a.com", alice.pk), DomainLine("a.com.", bob.pk), DomainLine("b.com", bob.pk))
    rows = predict(BatchKind.IMPORT, lines, viewer=make_staff())
    assert [(row.works, row.sentence == SEVERAL_LINES) for row in rows] == [(False, True), (False, True), (True, False)]


def test_the_preview_of_a_deletion_says_what_receives_the_mail() -> None:
    alice = make_customer("Alice")
    for name, catch_all in (("none.com", False), ("all.com", True), ("both.com", True), ("one.com", False)):
        made = make_domain(name, customer=alice, has_catch_all=catch_all)
        if name in ("both.com", "one.com"):
            make_address(f"a@{name}", made)
    names = ("none.com", "all.com", "both.com", "one.com")
    rows = predict(BatchKind.DELETE, tuple(DomainLine(name) for name in names), viewer=make_member(alice))
    end = "SES identity and the domain are deleted."
    assert [row.sentence for row in rows] == [
        f"It receives no mail. The {end}",
        f"It receives mail by a catch-all. Its receipt rules are removed first. Then the {end}",
        f"It receives mail at 1 address and by a catch-all. Its receipt rules are removed first. Then the {end}",
        f"It receives mail at 1 address. Its receipt rules are removed first. Then the {end}",
    ]
