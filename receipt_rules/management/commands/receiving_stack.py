"""`manage.py receiving_stack`: prints the CloudFormation template of receiving with this deployment's names."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from receipt_rules.receiving_stack.services import pack_code, template_for_here


class Command(BaseCommand):
    help = "Print the CloudFormation template for receiving mail; --code also writes the function's code."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--code", metavar="FOLDER", help="write the function's code to this directory, as a ZIP file"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print only the template to standard output, so that a script can read it."""
        key, archive = pack_code()
        if options["code"]:
            self._write(Path(options["code"]), key, archive)
        self.stdout.write(template_for_here(key=key))

    def _write(self, folder: Path, key: str, archive: bytes) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(archive)
        except OSError as error:
            raise CommandError(f"Can't write to {folder}: {error.strerror}.") from error
        self.stderr.write(f"The function's code is in {folder / key}. Copy it to your bucket as {key}.")
