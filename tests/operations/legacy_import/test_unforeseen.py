"""An import after an outage or an unforeseen error: what waits says why, and each customer fails alone."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse

from accounts.models.people import User
from accounts.roles import Role
from domains.adoption import services as adoption_services
from inbound_admin.lib.errors import AwsProblem
from operations.legacy_import import services as legacy_import_services
from operations.models import BatchItem, LegacyImport, LegacyImportRow, LegacyImportState
from sandbox.process import Sandbox
from tests.factories import make_staff
from tests.operations.legacy_documents import document, files

pytestmark = pytest.mark.django_db
PEOPLE = [{"id": f"u{number}", "email": f"p{number}@example.com"} for number in range(3)]
DESK = {"id": "e1", "name": "Desk", "type": "webhook", "config": {"url": "https://desk.example/mail"}, "userId": "u0"}


def start_import(found: dict[str, Any]) -> LegacyImport:
    legacy_import = legacy_import_services.store_import(files=files(found), because="Contract 12", actor=None)
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    legacy_import_services.start(legacy_import=legacy_import, actor=None)
    return legacy_import


def states() -> dict[str, str]:
    return dict(BatchItem.objects.values_list("name", "state"))


def test_a_customer_with_an_unreadable_secret_fails_alone_among_those_read_together(sandbox: Sandbox) -> None:
    legacy_import = start_import({"users": PEOPLE, "endpoints": [DESK]})
    row = LegacyImportRow.objects.get(kind="endpoint")
    row.values["config"] = "sealed with a key that is lost"
    row.save()
    legacy_import_services.work()
    assert states() == {"p0@example.com": "refused", "p1@example.com": "done", "p2@example.com": "done"}
    assert set(User.objects.filter(email__endswith="@example.com").values_list("email", flat=True)) >= {
        "p1@example.com",
        "p2@example.com",
    }
    legacy_import.refresh_from_db()
    assert legacy_import.state == LegacyImportState.DONE


def test_an_unforeseen_error_fails_its_customer_alone(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    start_import({"users": PEOPLE})
    save = User.save

    def fail(self: User, *args: Any, **kwargs: Any) -> None:
        if self.email == "p0@example.com":
            raise KeyError("unforeseen")
        save(self, *args, **kwargs)

    monkeypatch.setattr(User, "save", fail)
    legacy_import_services.work()
    assert states() == {"p0@example.com": "refused", "p1@example.com": "done", "p2@example.com": "done"}
    assert "internal error" in BatchItem.objects.get(name="p0@example.com").problem


def test_a_preview_that_fails_unexpectedly_says_so(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(names: object) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(adoption_services, "read_identities", fail)
    legacy_import = legacy_import_services.store_import(files=files(document()), because="Contract 12", actor=None)
    legacy_import_services.work()
    client.force_login(make_staff(Role.OPERATOR))
    page = client.get(reverse("operations:legacy_import_rows", args=[legacy_import.pk])).text
    assert "internal error" in page
    assert "Cancel import" in page
    monkeypatch.undo()
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert (legacy_import.state, legacy_import.problem) == (LegacyImportState.READY, "")


@pytest.mark.parametrize(("preview", "step"), [(True, "cancel it there"), (False, "start it there")])
def test_the_command_names_the_import_that_waits_for_ses_and_its_next_step(
    sandbox: Sandbox, tmp_path: Path, preview: bool, step: str
) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(document()))
    sandbox.control.add_fault("throttle", times=50)
    with pytest.raises(CommandError) as error:
        call_command("import_legacy", str(path), *(["--preview"] if preview else []), stdout=StringIO())
    stored = LegacyImport.objects.get()
    assert (stored.pk in str(error.value), step in str(error.value)) == (True, True)
    assert stored.state == LegacyImportState.CHECKING


def test_the_command_says_that_the_worker_continues_a_started_import(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, start = tmp_path / "old.json", legacy_import_services.start
    path.write_text(json.dumps(document()))

    def begin_outage(**given: Any) -> None:
        start(**given)
        sandbox.control.add_fault("throttle", times=50)

    monkeypatch.setattr(legacy_import_services, "start", begin_outage)
    with pytest.raises(CommandError, match="The worker continues"):
        call_command("import_legacy", str(path), stdout=StringIO())
    sandbox.control.clear_faults()
    legacy_import_services.work()
    assert LegacyImport.objects.get().state == LegacyImportState.DONE


def test_the_page_of_an_import_that_waits_for_ses_says_that_it_is_tried_again(sandbox: Sandbox, client: Client) -> None:
    legacy_import = legacy_import_services.store_import(files=files(document()), because="Contract 12", actor=None)
    sandbox.control.add_fault("throttle", times=50)
    with pytest.raises(AwsProblem):
        legacy_import_services.work()
    client.force_login(make_staff(Role.OPERATOR))
    page = client.get(reverse("operations:legacy_import_rows", args=[legacy_import.pk])).text
    assert "We retry automatically." in page
    assert "Try again in a moment" not in page
