"""`manage.py migrate_tenants` can do the same as the pages."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from domains.identity import services as identity_services
from inbound_admin.lib import aws
from operations.migration_steps import services as migration_steps_services
from operations.models import ItemState, Migration
from sandbox.process import Sandbox
from tests.operations.factories import make_sender, ses_call_counts, tenants_in_ses

pytestmark = pytest.mark.django_db


def run_command(*arguments: str) -> str:
    out = StringIO()
    call_command("migrate_tenants", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_a_dry_run_lists_exactly_the_calls_that_are_made_later(sandbox: Sandbox) -> None:
    customer = make_sender("Northwind", domains=2)
    sandbox.control.clear_calls()
    output = run_command("--dry-run", "--customer", "northwind")
    assert ses_call_counts(sandbox) == {}
    assert tenants_in_ses() == {}
    promised = [line.split()[0] for line in output.splitlines() if line.startswith("  ") and "no API call" not in line]
    with pytest.raises(CommandError, match="--because"):
        run_command("--customer", customer.pk)
    assert not Migration.objects.exists()
    run_command("--customer", customer.pk, "--because", "As agreed")
    sandbox.control.clear_calls()
    migration_steps_services.work()
    made = [name for name, number in ses_call_counts(sandbox).items() for _ in range(number)]
    assert sorted(made) == sorted(promised)
    assert len(promised) == 1 + 6 + 3 * 2  # for a single customer, each identity's tenant is read too


def test_the_command_associates_identities_below_the_domains_if_it_is_told_to(sandbox: Sandbox) -> None:
    customer = make_sender("Northwind", domains=1)
    name = f"news.{customer.domains.get().name}"
    aws.client("sesv2").create_email_identity(EmailIdentity=name)
    identity_services.read_sub_identities()
    assert "are not switched" in run_command("--dry-run", "--customer", customer.pk)
    output = run_command("--dry-run", "--customer", customer.pk, "--associate-below")
    assert f"Associate identity {name}." in output
    run_command("--customer", customer.pk, "--because", "As agreed", "--associate-below")
    migration_steps_services.work()
    (resources,) = tenants_in_ses().values()
    assert aws.identity_arn(name) in resources


def test_a_file_selects_customers_by_id_or_name_and_unknown_ones_are_reported(sandbox: Sandbox, tmp_path: Path) -> None:
    first, second, third = make_sender("First", domains=0), make_sender("Second", domains=0), make_sender(domains=0)
    path = tmp_path / "some.csv"
    path.write_text(f"name,plan\n{first.pk},gold\nsecond,silver\nnobody at all,free\n")
    output = run_command("--csv", str(path), "--per-hour", "60", "--because", "As agreed")
    assert "nobody at all" in output
    migration = Migration.objects.get()
    assert set(migration.items.values_list("customer", flat=True)) == {first.pk, second.pk}
    assert third.pk not in set(migration.items.values_list("customer", flat=True))


def test_the_command_pauses_resumes_shows_and_rolls_back_a_migration(sandbox: Sandbox) -> None:
    make_sender("First", domains=1)
    make_sender("Second", domains=1)
    run_command("--all", "--because", "As agreed")
    key = Migration.objects.get().pk
    assert "paused" in run_command("--pause", key)
    assert "2 waiting of 2" in run_command("--status")
    run_command("--resume", key)
    migration_steps_services.work()
    assert "2 done of 2" in run_command("--status")
    run_command("--rollback", key, "--customer", "First", "--because", "as a test")
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
def test_an_impossible_request_is_reported(sandbox: Sandbox, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run_command(*arguments)
