from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from domains.models.domains import Domain
from inbound_admin.lib.errors import Problem
from sandbox import mail_story, story
from sandbox.company import build
from sandbox.demo import demo_accounts
from sandbox.demo_progress import ProgressFile
from sandbox.panel import control


class Command(BaseCommand):
    help = "Three customers, our staff, and domains in different states, at the sandbox. Safe to repeat."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--company", action="store_true", help="a dozen customers with a month of history instead")
        parser.add_argument("--show", action="store_true", help="print the sign-ins and change nothing")
        parser.add_argument(
            "--mail", action="store_true", help="tell the sandbox where we are, and print where mail goes in"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["show"] or options["mail"]:
            if options["show"]:
                self._show()
            if options["mail"]:
                self._show_mail()
            return
        # The pretend Amazon has no limit of its own, and a first start should not take a minute.
        settings.AWS_CALLS_PER_SECOND = 0
        try:
            if options["company"]:
                build.make(ProgressFile(settings.DEMO_PROGRESS))
            story.people()
            story.domains()
            story.tenants()
            story.reputations()
            mail_story.mail()
        except Problem as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(f"The demo is there: {Domain.objects.count()} domains, {len(demo_accounts())} sign-ins.")

    def _show(self) -> None:
        widest = max(len(account.email) for account in demo_accounts())
        for account in demo_accounts():
            self.stdout.write(f"  {account.email:<{widest}}  {account.password}  {account.who}")

    def _show_mail(self) -> None:
        """The sandbox is told where we are: its function asks and reports there."""
        try:
            with control() as host:
                mail_story.connect(host)
                address, sink = host.smtp_address(), host.sink_url()
        except Problem as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write("")
        self.stdout.write(f"  Mail for {mail_story.ADDRESS} goes in at {address} (SMTP) and comes out at {sink}")
