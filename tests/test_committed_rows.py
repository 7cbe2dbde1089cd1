"""What a test commits is removed after it, and what `migrate` made stays."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import TransactionTestCase

from accounts.models.people import Customer
from accounts.roles import Role
from audit.models import Change
from audit.services import Subject, record
from domains import jobs
from inbound_admin.lib import counters
from tests import committed_rows
from tests.factories import make_customer, make_member

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def remover() -> committed_rows.Remover:
    made = committed_rows.Remover()
    made.begin(TransactionTestCase)
    return made


def left() -> list[str]:
    """Return the tables that have rows, without those of `migrate`."""
    with connection.cursor() as cursor:
        return committed_rows.filled(cursor)


@pytest.mark.parametrize("superuser", [True, False], ids=["superuser", "owner"])
def test_rows_jobs_counters_and_the_change_log_are_removed(
    remover: committed_rows.Remover, monkeypatch: pytest.MonkeyPatch, superuser: bool
) -> None:
    monkeypatch.setattr(committed_rows, "_is_superuser", lambda cursor: superuser)
    make_member()
    record("domain.added", about=Subject("domain", "dom_1", "shop.example"), actor=None)
    jobs.queue_checks()
    counters.count("counted")
    assert {"accounts_user", "accounts_membership", "audit_change", "procrastinate_jobs", "counts"} <= set(left())
    permissions = set(Permission.objects.values_list("pk", flat=True))
    remover.end(TransactionTestCase())
    assert left() == []
    assert set(Permission.objects.values_list("pk", flat=True)) == permissions


def test_a_changed_role_is_as_migrate_made_it_afterwards(remover: committed_rows.Remover) -> None:
    make_customer()
    wanted = Group.objects.get(name=Role.SUPPORT).permissions.count()
    Group.objects.get(name=Role.SUPPORT).permissions.clear()
    Group.objects.create(name="Made by a test")
    remover.end(TransactionTestCase())
    assert not Customer.objects.exists()
    assert not Change.objects.exists()
    assert set(Group.objects.values_list("name", flat=True)) == {role.value for role in Role}
    assert Group.objects.get(name=Role.SUPPORT).permissions.count() == wanted
