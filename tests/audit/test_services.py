"""The change log: actor, event, reason, before and after; written once and never changed."""

from collections.abc import Callable

import pytest
from django.db import ProgrammingError, transaction

from audit import services as audit_services
from audit.models import ActorKind, Change
from audit.selectors import changes_of
from audit.services import Subject
from tests.factories import make_user

pytestmark = pytest.mark.django_db
SHOP = Subject("domain", "dom_1", "shop.com", "cus_alice")


def test_a_change_names_its_person_or_the_worker() -> None:
    olga = make_user("olga@ops.example")
    by_person = audit_services.record("domain.held", about=SHOP, actor=olga, because="Abuse")
    by_worker = audit_services.record("domain.set_up", about=SHOP, actor=None)
    assert (by_person.actor_kind, by_person.actor_id, by_person.actor_name) == (
        ActorKind.PERSON,
        str(olga.pk),
        "olga@ops.example",
    )
    assert (by_worker.actor_kind, by_worker.actor_id, by_worker.actor_name) == (ActorKind.WORKER, "", "Inbound Admin")
    assert (by_person.object_type, by_person.object_id, by_person.object_name, by_person.customer_id) == (
        "domain",
        "dom_1",
        "shop.com",
        "cus_alice",
    )


def test_a_change_outlives_its_actor() -> None:
    olga = make_user("olga@ops.example")
    audit_services.record("domain.held", about=SHOP, actor=olga)
    olga.delete()
    assert Change.objects.get().actor_name == "olga@ops.example"


def test_only_differing_values_are_stored() -> None:
    change = audit_services.record(
        "x", about=SHOP, actor=None, before={"same": 1, "old": 1, "gone": 1}, after={"same": 1, "old": 2, "new": None}
    )
    assert (change.before, change.after) == ({"old": 1, "gone": 1}, {"old": 2})
    assert audit_services.record("x", about=SHOP, actor=None, before={"a": []}, after={"a": None}).after == {"a": None}


def test_request_ids_are_stored_in_order_without_duplicates() -> None:
    assert audit_services.record("x", about=SHOP, actor=None, aws_request_ids=["b", "a", "b"]).aws_request_ids == [
        "b",
        "a",
    ]


def test_a_single_change_has_its_own_bulk_id() -> None:
    ids = {audit_services.record("x", about=SHOP, actor=None).bulk_id for _ in range(3)}
    assert len(ids) == 3
    assert audit_services.record("x", about=SHOP, actor=None, bulk_id="chg_1").bulk_id == "chg_1"


@pytest.mark.parametrize("touch", ["update", "delete", "save"])
def test_a_stored_change_cannot_be_updated_or_deleted(touch: str) -> None:
    change = audit_services.record("x", about=SHOP, actor=None)
    ways: dict[str, Callable[[], object]] = {
        "update": lambda: Change.objects.update(because="rewritten"),
        "delete": lambda: Change.objects.filter(pk=change.pk).delete(),
        "save": change.save,
    }
    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        ways[touch]()
    assert Change.objects.get().because == ""


def test_each_customer_reads_only_their_own_time_and_no_staff_rows() -> None:
    bobs = Subject("domain", "dom_1", "shop.com", "cus_bob")
    audit_services.record("first", about=SHOP, actor=None)
    audit_services.record("second", about=bobs, actor=None)
    audit_services.record("third", about=bobs, actor=None, for_staff=True)
    audit_services.record("other", about=Subject("domain", "dom_2", "x.com", "cus_bob"), actor=None)

    def read(of_customers: list[str] | None) -> list[str]:
        return [change.what for change in changes_of("domain", "dom_1", of_customers=of_customers)]

    assert read(["cus_alice"]) == ["first"]
    assert read(["cus_bob"]) == ["second"]
    assert read(["cus_alice", "cus_bob"]) == ["second", "first"]
    assert read(None) == ["third", "second", "first"]
    assert read([]) == []
