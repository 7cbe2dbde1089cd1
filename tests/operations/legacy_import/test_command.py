"""`manage.py import_legacy` previews each row, then imports it."""

import json
import time
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from domains.models.domains import Domain
from operations.legacy_import import services as legacy_import_services
from operations.models import LegacyImport, LegacyImportState
from sandbox.process import Sandbox
from tests.domains.factories import seed_identities
from tests.operations.legacy_documents import document

pytestmark = pytest.mark.django_db


def run_command(*arguments: str) -> str:
    out = StringIO()
    call_command("import_legacy", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(document()))
    return str(path)


def test_a_preview_shows_each_row_and_stores_none(sandbox: Sandbox, file: str) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    output = run_command(file, "--preview")
    assert "New                  Domain      shop.com  Imported with its SES settings." in output
    assert "6 rows: 6 new." in output
    assert not Domain.objects.exists()
    assert LegacyImport.objects.get().state == LegacyImportState.CANCELLED


def test_an_import_stores_everything_once_and_writes_nothing_to_ses(sandbox: Sandbox, file: str) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    assert "6 rows: 6 new." in run_command(file)
    assert "6 rows: 6 unchanged." in run_command(file)
    assert sandbox.control.write_calls() == ()
    assert Domain.objects.get().name == "shop.com"


def test_the_command_waits_for_the_worker_that_runs_the_same_import(
    sandbox: Sandbox, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker holds the lock at first: our own turn does nothing."""
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    turns, work = iter([False, True, False, True]), legacy_import_services.work
    monkeypatch.setattr(legacy_import_services, "work", lambda: work() if next(turns) else None)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert "6 rows: 6 new." in run_command(file)
    assert LegacyImport.objects.get().state == LegacyImportState.DONE


def test_an_import_that_nobody_continues_is_reported(
    sandbox: Sandbox, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy_import_services, "work", lambda: None)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(CommandError, match="is waiting for another import"):
        run_command(file)


def test_a_directory_of_tables_is_one_import(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("id,email\nu1,alice@example.com\n")
    (tmp_path / "domains.csv").write_text("id,domain,userId\nd1,shop.com,u1\n")
    (tmp_path / "README.txt").write_text("not a table")
    assert "2 rows: 1 new, 1 ownership not proven." in run_command(str(tmp_path))


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="could not be read"):
        run_command(str(tmp_path / "nowhere.json"))
    (tmp_path / "old.json").write_text("[]")
    with pytest.raises(CommandError, match="must be one object"):
        run_command(str(tmp_path / "old.json"))


@pytest.mark.parametrize(
    ("name", "contents"), [("addresses.tsv", "a\tb"), ("missing.txt", None), ("missing.csv", None)]
)
def test_a_file_that_is_missing_or_no_table_refuses_the_whole_import(
    file: str, tmp_path: Path, name: str, contents: str | None
) -> None:
    other = tmp_path / "others" / name
    other.parent.mkdir()
    if contents is not None:
        other.write_text(contents)
    with pytest.raises(CommandError, match=rf"{name}.*Nothing was imported"):
        run_command(file, str(other), "--preview")
    assert not LegacyImport.objects.exists()


def test_a_folder_names_what_is_not_read_and_refuses_to_be_empty(sandbox: Sandbox, file: str, tmp_path: Path) -> None:
    seed_identities(["shop.com"], ownership="Success", dkim="Success")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    output = run_command(str(tmp_path), "--preview")
    assert f"Not read in {tmp_path}: empty, notes.txt" in output
    assert "6 rows: 6 new." in output
    with pytest.raises(CommandError, match=r"empty has no \.csv or \.json file"):
        run_command(str(tmp_path / "empty"))
