"""`manage.py check_receiving`: whether this deployment can receive, with the fix for each failed requirement."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from receipt_rules.receiving_setup.core import SetupFinding, SetupVerdict
from receipt_rules.receiving_setup.services import check_setup

_MARKS = {SetupVerdict.RIGHT: "ok", SetupVerdict.WRONG: "to do", SetupVerdict.COULD_NOT_TELL: "?"}


class Command(BaseCommand):
    help = "Check whether this deployment can receive mail, and print how to fix what's missing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--policies", action="store_true", help="also print the policies to paste")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit with an error if a requirement isn't confirmed."""
        found = check_setup()
        for finding in found:
            self._print(finding, policies=options["policies"])
        bad = sum(finding.verdict is not SetupVerdict.RIGHT for finding in found)
        if bad:
            raise CommandError(f"{bad} of {len(found)} requirements not confirmed.")

    def _print(self, finding: SetupFinding, *, policies: bool) -> None:
        self.stdout.write(f"{_MARKS[finding.verdict]:>5}  {finding.what}: {finding.sentence}")
        if finding.repair:
            self.stdout.write(f"       {finding.repair}")
        if policies and finding.paste:
            self.stdout.write(finding.paste)
