"""An import is a batch with an item for each customer: paused, resumed, stopped and retried like any other."""

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import Client
from django.urls import reverse

from accounts.models.people import User
from accounts.roles import Role
from audit.models import Change
from inbound_admin.lib.errors import Refused
from operations.batches import services as batches_services
from operations.batches.core import BatchKind
from operations.batches.selectors import batches_for
from operations.legacy_import import services as legacy_import_services
from operations.legacy_rows.services import import_rows
from operations.models import Batch, BatchItem, LegacyImport, LegacyImportState
from operations.reconciler import services as reconciler_services
from sandbox.process import Sandbox
from tests.domains.factories import make_domain
from tests.factories import make_staff
from tests.operations.legacy_documents import document, files

pytestmark = pytest.mark.django_db
PEOPLE = {"users": [{"id": f"u{number}", "email": f"p{number}@example.com"} for number in range(3)]}


@pytest.fixture
def olga() -> User:
    return make_staff(Role.OPERATOR)


def start_import(found: dict[str, Any], actor: User | None) -> LegacyImport:
    legacy_import = legacy_import_services.store_import(files=files(found), because="Contract 12", actor=actor)
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    legacy_import_services.start(legacy_import=legacy_import, actor=actor)
    return legacy_import


def states(legacy_import: LegacyImport) -> dict[str, str]:
    return dict(BatchItem.objects.filter(batch=legacy_import.pk).values_list("name", "state"))


def imported_emails() -> set[str]:
    return set(User.objects.filter(email__regex=r"^p\d@example.com$").values_list("email", flat=True))


def test_each_customer_is_an_item_and_the_batch_has_the_imports_id(sandbox: Sandbox, olga: User) -> None:
    legacy_import = start_import(PEOPLE, olga)
    batch = Batch.objects.get()
    assert (batch.pk, batch.kind, batch.by) == (legacy_import.pk, BatchKind.LEGACY_IMPORT, olga)
    legacy_import_services.work()
    assert states(legacy_import) == {f"p{number}@example.com": "done" for number in range(3)}
    batch.refresh_from_db()
    legacy_import.refresh_from_db()
    assert batch.ended_at
    assert (legacy_import.state, bool(legacy_import.ended_at)) == (LegacyImportState.DONE, True)


def test_a_paused_import_starts_no_customer_until_it_is_resumed(sandbox: Sandbox, olga: User) -> None:
    legacy_import = start_import(PEOPLE, olga)
    legacy_import_services.pause(legacy_import=legacy_import, actor=olga)
    legacy_import_services.work()
    assert not imported_emails()
    assert not legacy_import_services.is_unfinished()
    legacy_import_services.resume(legacy_import=legacy_import, actor=olga)
    assert legacy_import_services.is_unfinished()
    legacy_import_services.work()
    assert len(imported_emails()) == 3
    whats = (
        Change.objects.filter(bulk_id=legacy_import.pk, object_type="bulk")
        .order_by("id")
        .values_list("what", flat=True)
    )
    assert list(whats) == ["bulk.paused", "bulk.resumed"]


@pytest.mark.parametrize("act", [legacy_import_services.pause, legacy_import_services.cancel])
def test_customers_read_in_one_group_wait_if_the_import_is_paused_or_cancelled_meanwhile(
    sandbox: Sandbox, olga: User, monkeypatch: pytest.MonkeyPatch, act: Any
) -> None:
    legacy_import = start_import(PEOPLE, olga)

    def interrupt(*args: Any) -> Any:
        act(legacy_import=legacy_import, actor=olga)
        monkeypatch.undo()
        return import_rows(*args)

    monkeypatch.setattr("operations.legacy_rows.services.import_rows", interrupt)
    legacy_import_services.work()
    assert imported_emails() == {"p0@example.com"}
    left = "waiting" if act is legacy_import_services.pause else "stopped"
    assert list(states(legacy_import).values()).count(left) == 2


def test_customers_with_rejected_rows_count_as_failed_and_are_retried(sandbox: Sandbox, olga: User) -> None:
    bobs = make_domain("shop.com")
    legacy_import = start_import(document(), olga)
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert states(legacy_import) == {"alice@example.com": "refused"}
    assert "rows could not be imported" in BatchItem.objects.get().problem
    bobs.delete()
    legacy_import_services.retry(legacy_import=legacy_import, actor=olga)
    assert Batch.objects.get().ended_at is None
    legacy_import_services.work()
    assert states(legacy_import) == {"alice@example.com": "done"}


def test_an_import_stops_without_its_starters_permission_and_another_operator_retries(
    sandbox: Sandbox, olga: User
) -> None:
    legacy_import = start_import(PEOPLE, olga)
    User.objects.filter(pk=olga.pk).update(is_active=False)
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert (imported_emails(), set(states(legacy_import).values()), legacy_import.state) == (
        set(),
        {"refused"},
        LegacyImportState.DONE,
    )
    adam = make_staff(Role.ADMIN)
    assert legacy_import_services.retry(legacy_import=legacy_import, actor=adam) == 3
    legacy_import_services.work()
    assert len(imported_emails()) == 3
    added = Change.objects.filter(what="person.added")
    assert set(added.values_list("actor_id", flat=True)) == {str(adam.pk)}


def test_an_import_whose_starter_was_deleted_is_not_treated_as_a_command(sandbox: Sandbox, olga: User) -> None:
    legacy_import = start_import(PEOPLE, olga)
    Batch.objects.update(by=None)
    legacy_import_services.work()
    assert (imported_emails(), set(states(legacy_import).values())) == (set(), {"refused"})


def test_an_import_is_marked_as_ended_after_a_crash(sandbox: Sandbox, olga: User) -> None:
    legacy_import = start_import(PEOPLE, olga)
    legacy_import_services.work()
    Batch.objects.update(ended_at=None)
    LegacyImport.objects.update(state=LegacyImportState.IMPORTING)
    assert legacy_import_services.is_unfinished()
    reconciler_services.queue_unfinished()
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert (legacy_import.state, legacy_import_services.is_unfinished()) == (LegacyImportState.DONE, False)


def test_the_page_pauses_resumes_and_shows_the_time_left(sandbox: Sandbox, olga: User, client: Client) -> None:
    client.force_login(olga)
    legacy_import = start_import(PEOPLE, olga)
    page, steer = (
        reverse(f"operations:{name}", args=[legacy_import.pk]) for name in ("legacy_import_rows", "steer_legacy_import")
    )
    assert "About 1 minute left." in client.get(page).text
    paused = client.post(steer, {"do": "pause"}, follow=True).text
    assert "Import paused." in paused
    assert ("Resume import" in paused, "Pause import" in paused, "hx-trigger" in paused) == (True, False, False)
    assert "Pause import" in client.post(steer, {"do": "resume"}, follow=True).text
    assert not batches_for(olga).exists()
    assert client.get(reverse("operations:bulk", args=[legacy_import.pk])).status_code == 404


def test_an_import_that_was_never_started_cannot_be_paused_or_resumed(sandbox: Sandbox, olga: User) -> None:
    legacy_import = legacy_import_services.store_import(files=files(PEOPLE), because="Contract 12", actor=olga)
    for act in (legacy_import_services.pause, legacy_import_services.resume):
        with pytest.raises(Refused, match="not started"):
            act(legacy_import=legacy_import, actor=olga)
    with pytest.raises(Refused, match="Only operators"):
        legacy_import_services.pause(legacy_import=legacy_import, actor=make_staff(Role.SUPPORT))


def models_at_migration() -> Any:
    """Return the app registry with the models as migration 0007 sees them."""
    return MigrationLoader(connection).project_state(("operations", "0007_imports_are_batches")).apps


@pytest.mark.parametrize("by_command", [True, False])
def test_an_unfinished_import_from_before_the_migration_is_continued(
    sandbox: Sandbox, olga: User, *, by_command: bool
) -> None:
    legacy_import = start_import(PEOPLE, None if by_command else olga)
    Batch.objects.all().delete()
    legacy_import.rows.filter(owner="p0@example.com").update(done_at="2026-01-01T00:00Z")
    import_module("operations.migrations.0007_imports_are_batches").continue_imports(models_at_migration(), None)
    assert set(states(legacy_import)) == {"p1@example.com", "p2@example.com"}
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert (len(imported_emails()), legacy_import.state) == (2, LegacyImportState.DONE)


def test_the_migration_marks_only_finished_batches_as_ended(sandbox: Sandbox, olga: User) -> None:
    start_import(PEOPLE, olga)
    done = Batch.objects.create(kind=BatchKind.CHECK, by=olga)
    import_module("operations.migrations.0007_imports_are_batches").mark_ended(apps, None)
    assert list(Batch.objects.filter(ended_at__isnull=False)) == [done]
    assert batches_services.unfinished([BatchKind.LEGACY_IMPORT]).count() == 1
    assert not batches_services.unfinished([BatchKind.CHECK]).exists()


def test_an_import_of_another_region_is_left_to_its_own_deployment(sandbox: Sandbox, olga: User) -> None:
    legacy_import = start_import(PEOPLE, olga)
    LegacyImport.objects.update(region="ap-southeast-2")
    assert not legacy_import_services.is_unfinished()
    legacy_import_services.work()
    assert (imported_emails(), set(states(legacy_import).values())) == (set(), {"waiting"})
