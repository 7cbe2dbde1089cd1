"""`manage.py sandbox`: the offline AWS and DNS, until Ctrl-C."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sandbox import commands


class Command(BaseCommand):
    help = "Run an offline Amazon SES and DNS until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        commands.add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        names = ("host", "aws_port", "dns_port", "web_port", "smtp_port", "state_dir", "verify_every", "durable")
        try:
            commands.run(**{name: options[name] for name in names}, say=self._say)
        except OSError as problem:
            raise CommandError(
                f"The sandbox can't start: {problem}. If another one just took its port, start again."
            ) from problem

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
