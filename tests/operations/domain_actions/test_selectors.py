"""A batch preview shows the result for each line."""

import pytest
from django.conf import LazySettings

from accounts.models.people import MemberRole, Membership
from domains.models.domains import Stage
from operations.batches.core import BatchKind
from operations.domain_actions.core import DomainLine
from operations.domain_actions.selectors import predict
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_member, make_staff

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
