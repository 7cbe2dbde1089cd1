"""`manage.py migrate_tenants`: the same powers as the pages."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from operations.migration_steps import services as migration_steps_services
from operations.models import ItemState, Migration
from sandbox.process import Sandbox
from tests.operations.factories import calls, make_sender, tenants_at_amazon

pytestmark = pytest.mark.django_db


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("migrate_tenants", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_a_dry_run_lists_every_call_that_is_then_made_and_makes_none(sandbox: Sandbox) -> None:
    customer = make_sender("Northwind", domains=2)
    sandbox.control.clear_calls()
    said = command("--dry-run", "--customer", "northwind")
    assert calls(sandbox) == {}
    assert tenants_at_amazon() == {}
    promised = [line.split()[0] for line in said.splitlines() if line.startswith("  ") and "no API call" not in line]
    with pytest.raises(CommandError, match="--because"):
        command("--customer", customer.pk)
    assert not Migration.objects.exists()
    command("--customer", customer.pk, "--because", "As agreed")
    sandbox.control.clear_calls()
    migration_steps_services.work()
    made = [name for name, number in calls(sandbox).items() for _ in range(number)]
    assert sorted(made) == sorted(promised)
    assert len(promised) == 6 + 2 + 2  # of one customer alone Amazon is asked whose each identity is


def test_a_file_chooses_by_id_or_name_and_says_whom_it_does_not_know(sandbox: Sandbox, tmp_path: Path) -> None:
    first, second, third = make_sender("First", domains=0), make_sender("Second", domains=0), make_sender(domains=0)
    path = tmp_path / "some.csv"
    path.write_text(f"name,plan\n{first.pk},gold\nsecond,silver\nnobody at all,free\n")
    said = command("--csv", str(path), "--per-hour", "60", "--because", "As agreed")
    assert "nobody at all" in said
    migration = Migration.objects.get()
    assert set(migration.items.values_list("customer", flat=True)) == {first.pk, second.pk}
    assert third.pk not in set(migration.items.values_list("customer", flat=True))


def test_it_is_paused_resumed_looked_at_and_rolled_back(sandbox: Sandbox) -> None:
    make_sender("First", domains=1)
    make_sender("Second", domains=1)
    command("--all", "--because", "As agreed")
    key = Migration.objects.get().pk
    assert "paused" in command("--pause", key)
    assert "2 waiting of 2" in command("--status")
    command("--resume", key)
    migration_steps_services.work()
    assert "2 done of 2" in command("--status")
    command("--rollback", key, "--customer", "First", "--because", "as a test")
    migration_steps_services.work()
    states = dict(Migration.objects.get().items.values_list("customer__name", "state"))
    assert states == {"First": ItemState.ROLLED_BACK, "Second": ItemState.DONE}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Choose customers"),
        (("--customer", "nobody"), "No customer"),
        (("--csv", "not-there.csv"), "could not be read"),
        (("--pause", "mig_none"), "No migration mig_none"),
        (("--all", "--because", "as a test"), "No customers to migrate"),
    ],
)
def test_what_cannot_be_done_is_said(sandbox: Sandbox, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        command(*arguments)
