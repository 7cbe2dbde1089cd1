"""The change log can be searched by any field, and only retention deletes rows."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.http import QueryDict
from django.utils import timezone

from audit import selectors as audit_selectors
from audit import services as audit_services
from audit.models import Change
from tests.factories import make_user

pytestmark = pytest.mark.django_db
SHOP = audit_services.Subject("domain", "dom_1", "shop.example", "cus_1")
NIGHT = datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC)


def found(query: str, of: list[str] | None = None) -> list[str]:
    filters = audit_selectors.ChangeListFilters.read(QueryDict(query))
    return [change.what for change in audit_selectors.find_changes(filters, of_customers=of)]


@pytest.fixture
def log() -> None:
    olga = make_user("olga@staff.example")
    audit_services.record("domain.added", about=SHOP, actor=olga, because="Asked by phone")
    audit_services.record("domain.note", about=SHOP, actor=olga, after={"note": "x"}, for_staff=True)
    audit_services.record(
        "rules.applied", about=audit_services.Subject("run", "run_1", "run 1"), actor=None, bulk_id="chg_bulk"
    )
    other = audit_services.Subject("domain", "dom_2", "other.example", "cus_2")
    audit_services.record("domain.set_up", about=other, actor=None, aws_request_ids=["req-1"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["domain.set_up", "rules.applied", "domain.note", "domain.added"]),
        ("q=shop", ["domain.note", "domain.added"]),
        ("q=PHONE", ["domain.added"]),
        ("q=olga@", ["domain.note", "domain.added"]),
        ("q=req-1", ["domain.set_up"]),
        ("q=dom_2", ["domain.set_up"]),
        ("by=worker", ["domain.set_up", "rules.applied"]),
        ("by=nonsense&what=domain.added", ["domain.added"]),
        ("about=run", ["rules.applied"]),
        ("bulk=chg_bulk", ["rules.applied"]),
        ("customer=cus_2", ["domain.set_up"]),
        ("since=yesterday&q=%00shop", ["domain.note", "domain.added"]),
        ("until=9999-12-31&q=other", ["domain.set_up"]),
    ],
)
def test_a_change_is_found_by_any_of_its_fields(log: None, query: str, expected: list[str]) -> None:
    assert found(query) == expected


def test_a_customer_sees_only_their_own_rows_and_no_staff_rows(log: None) -> None:
    assert found("", of=["cus_1"]) == ["domain.added"]
    assert found("customer=cus_2", of=["cus_1"]) == []
    assert found("", of=[]) == []


def test_the_last_day_is_included_completely() -> None:
    change = audit_services.record("domain.added", about=SHOP, actor=None)
    with pytest.raises(DatabaseError), transaction.atomic():
        Change.objects.filter(pk=change.pk).update(at=NIGHT)
    day = change.at.date()
    assert found(f"since={day}&until={day}") == ["domain.added"]
    assert found(f"until={day - timedelta(days=1)}") == []
    assert found(f"since={day + timedelta(days=1)}") == []


def test_only_retention_deletes_rows(log: None) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        Change.objects.all().delete()
    assert audit_services.delete_before(timezone.now() - timedelta(days=1)) == 0
    assert audit_services.delete_before(timezone.now() + timedelta(seconds=5)) == 4
    assert not Change.objects.exists()


def test_after_retention_the_log_is_append_only_again(log: None) -> None:
    audit_services.delete_before(timezone.now() - timedelta(days=1))
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_change")
