"""`manage.py migrate_tenants`: migrates customers into SES tenants, with all functions of the pages."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models.people import Customer
from inbound_admin.lib.errors import Problem
from operations.models import Migration, MigrationItem
from operations.tenant_migration import services as tenant_migration_services
from operations.tenant_migration.core import Chosen, calls, plan
from operations.tenant_migration.selectors import (
    counts,
    forecast,
    held_by_pause,
    inventory_of,
    kept_by_pause,
    migrations,
    seconds_needed,
)
from operations.tenant_migration.services import Choice

BELOW = "associate identities that SES has below the customers' domains; without it, such customers aren't switched"


class Command(BaseCommand):
    help = "Migrate customers into SES tenants. Preview with --dry-run; the worker runs the migration."

    def add_arguments(self, parser: ArgumentParser) -> None:
        whom = parser.add_mutually_exclusive_group()
        whom.add_argument("--customer", metavar="ID", help="one customer, by ID or full name")
        whom.add_argument("--all", action="store_true", help="all customers that are not migrated yet")
        whom.add_argument("--filter", metavar="TEXT", help="customers whose name contains this text")
        whom.add_argument(
            "--csv", metavar="FILE", type=Path, help="customers listed in a file, one ID or name per line"
        )
        parser.add_argument("--dry-run", action="store_true", help="list every API call and stop")
        parser.add_argument("--per-hour", type=int, metavar="N", help="maximum number of customers started per hour")
        parser.add_argument("--policy", default="", help="reputation policy of the tenants: standard, strict or none")
        parser.add_argument("--because", default="", help="reason for the log; required to start and to roll back")
        parser.add_argument("--associate-below", action="store_true", help=BELOW)
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--status", action="store_true", help="list migrations and their progress")
        for name, words in (
            ("pause", "pause: start no further customer"),
            ("resume", "resume a paused migration"),
            ("cancel", "cancel: start no further customer"),
            ("retry", "retry failed customers"),
        ):
            what.add_argument(f"--{name}", metavar="MIGRATION", help=words)
        what.add_argument(
            "--rollback",
            metavar="MIGRATION",
            help="roll back: sends stop naming the tenants; with --customer, only for that customer",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._do(options)
        except Problem as problem:
            raise CommandError(str(problem)) from problem

    def _do(self, options: dict[str, Any]) -> None:
        if options["status"]:
            self._status()
        elif name := next((each for each in ("pause", "resume", "cancel", "retry", "rollback") if options[each]), ""):
            self._steer(name, options)
        elif options["dry_run"]:
            self._dry_run(_choice(options), associates_below=options["associate_below"])
        else:
            self._begin(_choice(options), options)

    def _dry_run(self, choice: Choice, *, associates_below: bool) -> None:
        total, is_alone = 0, choice.chosen == Chosen.CUSTOMER
        for customer in choice.customers:
            inventory = inventory_of(customer, is_alone=is_alone, associates_below=associates_below)
            steps = plan(inventory)
            total += calls(steps)
            self.stdout.write(f"{customer} ({customer.pk}): {calls(steps)} calls")
            for step in steps:
                mark = "already done" if step.stands else step.call or "no API call"
                self.stdout.write(f"  {mark:<34} {step.sentence}")
            for sentence in inventory.left_out:
                self.stdout.write(f"  {'left out':<34} {sentence}")
        self._left_out(choice)
        chosen = Customer.objects.filter(pk__in=[customer.pk for customer in choice.customers])
        for sentence in forecast(chosen, associates_below=associates_below).warnings:
            self.stdout.write(sentence)
        seconds = seconds_needed(len(choice.customers), total, None)
        self.stdout.write(f"{len(choice.customers)} customers, {total} calls, about {seconds // 60 + 1} minutes.")
        self.stdout.write("Nothing was changed.")

    def _begin(self, choice: Choice, options: dict[str, Any]) -> None:
        if not options["because"].strip():
            raise CommandError("Enter a reason with --because “…”. It is saved in the change log.")
        migration = tenant_migration_services.plan_migration(
            choice=choice,
            actor=None,
            because=options["because"],
            policy=options["policy"],
            at_most_per_hour=options["per_hour"],
            associates_below=options["associate_below"],
        )
        tenant_migration_services.start(migration=migration, actor=None)
        self._left_out(choice)
        number = migration.items.count()
        self.stdout.write(f"{migration.pk}: {number} customers queued; --status shows the progress.")

    def _left_out(self, choice: Choice) -> None:
        for sentence in choice.left_out:
            self.stderr.write(f"Left out: {sentence}")

    def _status(self) -> None:
        for migration in migrations():
            found = counts(migration)
            groups = ", ".join(f"{number} {key}" for key, number in found.by_group.items() if number)
            left = f", about {found.seconds_left // 60 + 1} minutes left" if found.seconds_left else ""
            self.stdout.write(f"{migration.pk} {migration.get_state_display()}: {groups} of {found.total}{left}")
            if migration.waits_because:
                self.stdout.write(f"  {migration.waits_because}")
            for item in migration.items.exclude(problem="").select_related("customer"):
                self.stdout.write(f"  {item.customer} ({item.customer_id}): {item.problem}")

    def _steer(self, name: str, options: dict[str, Any]) -> None:
        migration = Migration.objects.filter(pk=options[name]).first()
        if migration is None:
            raise CommandError(f"No migration {options[name]}. --status lists all migrations.")
        if name == "rollback":
            number = tenant_migration_services.roll_back(
                migration=migration, actor=None, because=options["because"], item=_item(migration, options["customer"])
            )
            self.stdout.write(f"{number} customers queued for rollback.")
            if held := held_by_pause([*kept_by_pause(migration).values()]):
                self.stdout.write(held)
        elif name == "retry":
            number = tenant_migration_services.retry(migration=migration, actor=None)
            waits = tenant_migration_services.waits_for_resume(migration)
            self.stdout.write(f"{number} customers queued for retry.{waits}")
        else:
            {
                "pause": tenant_migration_services.pause,
                "resume": tenant_migration_services.resume,
                "cancel": tenant_migration_services.cancel,
            }[name](migration=migration, actor=None)
            self.stdout.write(f"{migration.pk} is {migration.get_state_display().lower()}.")


def _choice(options: dict[str, Any]) -> Choice:
    if options["all"]:
        return tenant_migration_services.all_of_them()
    if options["filter"] is not None:
        return tenant_migration_services.by_filter(options["filter"])
    if options["csv"] is not None:
        return tenant_migration_services.by_file(_read(options["csv"]), options["csv"].name)
    if options["customer"]:
        return tenant_migration_services.one(_customer(options["customer"]))
    raise CommandError("Choose customers with --customer, --all, --filter or --csv, or use --status.")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"The file {path} could not be read: {error}") from error


def _customer(text: str) -> Customer:
    found = list(Customer.objects.filter(pk=text)) or list(Customer.objects.filter(name__iexact=text)[:2])
    if len(found) != 1:
        raise CommandError(f"{'Several customers are' if found else 'No customer is'} called {text}; use the ID.")
    return found[0]


def _item(migration: Migration, text: str | None) -> MigrationItem | None:
    if not text:
        return None
    item = migration.items.filter(customer=_customer(text)).first()
    if item is None:
        raise CommandError(f"{text} is not part of {migration.pk}.")
    return item
