"""`manage.py import_legacy`: the system before this one moves in, or what would become of each of its rows."""

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inbound_admin.lib.errors import Problem
from operations.legacy_import import services as legacy_import_services
from operations.legacy_import.core import ImportFate
from operations.models import MovingIn, MovingInState

TABLES = (".csv", ".json")


class Command(BaseCommand):
    help = "Import users, domains, endpoints and addresses from the previous system. SES is only read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, help="a JSON document, CSV files, or a directory of them")
        parser.add_argument("--preview", action="store_true", help="preview each row and store nothing")
        parser.add_argument("--because", default="Imported from the previous system.", help="for the change log")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._do(options)
        except Problem as problem:
            raise CommandError(str(problem)) from problem

    def _do(self, options: dict[str, Any]) -> None:
        moving = legacy_import_services.take_in(
            files=_contents(options["files"]), because=options["because"], actor=None
        )
        legacy_import_services.work()
        moving.refresh_from_db()
        if moving.state == MovingInState.LOOKING:
            raise CommandError(f"{moving.pk} is waiting for another import. Its page shows the progress.")
        if options["preview"]:
            self._tell(moving)
            legacy_import_services.cancel(moving_in=moving, actor=None)
            self.stdout.write("Nothing was stored.")
            return
        legacy_import_services.begin(moving_in=moving, actor=None)
        legacy_import_services.work()
        self._tell(moving)
        moving.refresh_from_db()
        if moving.state != MovingInState.DONE:
            raise CommandError(f"{moving.pk} is not finished; the worker continues it. Its page shows the progress.")

    def _tell(self, moving: MovingIn) -> None:
        found: Counter[str] = Counter()
        for row in moving.rows.all():
            found[row.fate] += 1
            self.stdout.write(
                f"{ImportFate(row.fate).words:<20} {row.get_kind_display():<11} {row.name}  {row.words}".rstrip()
            )
        told = ", ".join(f"{found[fate]} {fate.words.lower()}" for fate in ImportFate if found[fate])
        self.stdout.write(f"{moving.pk}: {sum(found.values())} rows: {told}.")


def _contents(paths: list[Path]) -> dict[str, bytes]:
    try:
        files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
        return {str(file): file.read_bytes() for file in files if file.suffix.lower() in TABLES}
    except OSError as error:
        raise CommandError(f"The import could not be read: {error}") from error
