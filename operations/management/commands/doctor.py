"""`manage.py doctor`: checks whether this deployment can work, with a sentence for each fault."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inbound_admin.lib import aws
from operations.doctor.services import examine
from receipt_rules.receiving_setup.core import SetupVerdict

_MARKS = {SetupVerdict.RIGHT: "ok", SetupVerdict.WRONG: "fault", SetupVerdict.COULD_NOT_TELL: "?"}


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Log errors alone: it asks for names that nothing has, and each refusal is a finding of its own."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class Command(BaseCommand):
    help = "Check settings, database, worker, DNS, credentials, permissions and receiving. Changes nothing."
    requires_system_checks = ()  # it reports them itself, with the other findings

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit with an error if something is wrong or could not be checked."""
        bad = 0
        with _quiet(logging.getLogger(aws.__name__)):
            for found in examine():
                bad += found.verdict is not SetupVerdict.RIGHT
                self.stdout.write(f"{_MARKS[found.verdict]:>5}  {found.what}: {found.sentence}")
                if found.repair:
                    self.stdout.write(f"       {found.repair}")
        if bad:
            raise CommandError(f"{bad} checks failed.")
