"""`manage.py diagnose DOMAIN [--json]`: why a domain is not verified."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from domains.diagnosis.core.findings import Diagnosis, LinkState, as_json, reply_lines
from domains.diagnosis.services import diagnose
from domains.models.domains import Domain, Stage
from domains.names import core as names_core
from inbound_admin.lib.errors import Refused

_MARKS = {LinkState.OK: "ok", LinkState.BROKEN: "!!", LinkState.UNKNOWN: "??", LinkState.NOT_REACHED: ".."}


class Command(BaseCommand):
    help = "Explains why a domain isn't verified. Exit status 0 only if all required records are correct."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("domain", help="such as example.com")
        parser.add_argument("--json", action="store_true", help="print the diagnosis as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError for an unknown domain. Problems with the domain are not an error, but exit status 1."""
        found = diagnose(_domain(options["domain"]), now=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(as_json(found), indent=2))
        else:
            self._tell(found)
        if not found.is_right:
            sys.exit(1)

    def _tell(self, found: Diagnosis) -> None:
        for link in found.links:
            self.stdout.write(f"{_MARKS[link.state]}  {link.title}{f': {link.sentence}' if link.sentence else ''}")
        for finding in found.findings:
            self.stdout.write(f"\n{'First: ' if finding is found.finding else ''}[{finding.code}]")
            self.stdout.writelines(f"  {line}" for line in reply_lines(finding))
        if not found.findings:
            self.stdout.write("\nNo problems found.")


def _domain(text: str) -> Domain:
    """Return the domain that holds the name, before any claims to it."""
    try:
        name = names_core.parse_existing_domain(text)
    except Refused as refused:
        raise CommandError(str(refused)) from refused
    held = sorted(Domain.objects.filter(name=name), key=lambda domain: domain.stage == Stage.CLAIM)
    if not held:
        raise CommandError(f"{name} isn't a domain here.")
    return held[0]
