from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inbound_admin.lib.errors import Problem
from sandbox import story
from sandbox.demo import demo_accounts


class Command(BaseCommand):
    help = "Three customers, our staff, and domains in different states, at the sandbox. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--show", action="store_true", help="print the sign-ins and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["show"]:
            self._show()
            return
        # The pretend Amazon has no limit of its own, and a first start should not take a minute.
        settings.AWS_CALLS_PER_SECOND = 0
        try:
            story.people()
            story.domains()
            story.tenants()
            story.reputations()
        except Problem as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(f"The demo is there: {len(story.STORIES)} domains, {len(demo_accounts())} sign-ins.")

    def _show(self) -> None:
        widest = max(len(account.email) for account in demo_accounts())
        for account in demo_accounts():
            self.stdout.write(f"  {account.email:<{widest}}  {account.password}  {account.who}")
