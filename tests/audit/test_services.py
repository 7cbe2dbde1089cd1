"""The change log: who, what, why, before and after; written once and never touched again."""

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


def test_a_persons_change_names_them_and_the_workers_names_us() -> None:
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


def test_it_outlives_who_made_it_and_what_it_is_about() -> None:
    olga = make_user("olga@ops.example")
    audit_services.record("domain.held", about=SHOP, actor=olga)
    olga.delete()
    assert Change.objects.get().actor_name == "olga@ops.example"


def test_of_before_and_after_only_what_differs_is_kept() -> None:
    change = audit_services.record(
        "x", about=SHOP, actor=None, before={"same": 1, "old": 1, "gone": 1}, after={"same": 1, "old": 2, "new": None}
    )
    assert (change.before, change.after) == ({"old": 1, "gone": 1}, {"old": 2})
    assert audit_services.record("x", about=SHOP, actor=None, before={"a": []}, after={"a": None}).after == {"a": None}


def test_request_ids_are_kept_in_order_and_once() -> None:
    assert audit_services.record("x", about=SHOP, actor=None, aws_request_ids=["b", "a", "b"]).aws_request_ids == [
        "b",
        "a",
    ]


def test_a_change_alone_has_a_bulk_id_of_its_own() -> None:
    ids = {audit_services.record("x", about=SHOP, actor=None).bulk_id for _ in range(3)}
    assert len(ids) == 3
    assert audit_services.record("x", about=SHOP, actor=None, bulk_id="chg_1").bulk_id == "chg_1"


@pytest.mark.parametrize("touch", ["update", "delete", "save"])
def test_what_is_written_is_never_touched_again(touch: str) -> None:
    change = audit_services.record("x", about=SHOP, actor=None)
    ways: dict[str, Callable[[], object]] = {
        "update": lambda: Change.objects.update(because="rewritten"),
        "delete": lambda: Change.objects.filter(pk=change.pk).delete(),
        "save": change.save,
    }
    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        ways[touch]()
    assert Change.objects.get().because == ""


def test_others_read_what_happened_while_it_was_theirs_and_nothing_of_staff() -> None:
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
