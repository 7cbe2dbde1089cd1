"""`manage.py aws_account`: which AWS account and region the database is about; `--accept` after a move to another."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import services as audit_services
from audit.services import Subject
from inbound_admin.lib import aws, aws_home
from inbound_admin.lib.errors import AwsProblem


class Command(BaseCommand):
    help = "Compare the AWS account and region with those of the database, or accept others."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--accept", metavar="ACCOUNT", help="use this account in AWS_REGION from now on; it must be the current one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        region = settings.AWS_REGION
        try:
            account = aws.ask_account_id()
            if options["accept"]:
                self._accept(region, account, options["accept"])
            problem = aws_home.problem_of(region, lambda: account)
        except AwsProblem as failed:
            raise CommandError(failed.in_full) from failed
        if problem:
            raise CommandError(f"{problem} If it moved there: manage.py aws_account --accept {account}")
        self.stdout.write(f"Account {account}, region {region}: the database is about them.")

    def _accept(self, region: str, account: str, wanted: str) -> None:
        if wanted != account:
            raise CommandError(f"The AWS credentials belong to account {account}, not {wanted}. Nothing was changed.")
        former = aws_home.accept(region, account)
        about = Subject("aws_account", region, f"AWS account in {region}")
        audit_services.record(
            "aws_account.accepted",
            about=about,
            actor=None,
            before={"account": former},
            after={"account": account},
            for_staff=True,
        )
