"""`manage.py doctor`: whether this deployment can do its work, with a sentence for each fault."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from operations.doctor.services import examine
from receipt_rules.receiving_setup.core import SetupVerdict

_MARKS = {SetupVerdict.RIGHT: "ok", SetupVerdict.WRONG: "fault", SetupVerdict.COULD_NOT_TELL: "?"}


class Command(BaseCommand):
    help = "Check settings, database, worker, DNS, credentials, permissions and receiving. Changes nothing."
    requires_system_checks = ()  # it tells of them itself, and of the rest too

    def handle(self, *args: Any, **options: Any) -> None:
        """Ends with an error when something is wrong or could not be told."""
        bad = 0
        for found in examine():
            bad += found.verdict is not SetupVerdict.RIGHT
            self.stdout.write(f"{_MARKS[found.verdict]:>5}  {found.what}: {found.sentence}")
            if found.repair:
                self.stdout.write(f"       {found.repair}")
        if bad:
            raise CommandError(f"{bad} checks failed.")
