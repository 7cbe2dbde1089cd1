"""`manage.py import_legacy`: imports the previous system, or previews the result of each row."""

import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inbound_admin.lib.errors import AwsProblem, Problem
from operations.legacy_import import services as legacy_import_services
from operations.models import ImportResult, LegacyImport, LegacyImportState

TABLES = (".csv", ".json")
PATIENCE_SECONDS = 30  # without a row that the worker settles


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
        legacy_import = legacy_import_services.store_import(
            files=_contents(options["files"], self.stdout.write), because=options["because"], actor=None
        )
        next_step = "cancel it there" if options["preview"] else "start it there"
        if not _work_until(
            legacy_import, LegacyImportState.CHECKING, f"The worker previews it; {next_step} when it is ready."
        ):
            raise CommandError(f"{legacy_import.pk} is waiting for another import. Its page shows the progress.")
        if options["preview"]:
            self._print_rows(legacy_import)
            legacy_import_services.cancel(legacy_import=legacy_import, actor=None)
            self.stdout.write("Nothing was stored.")
            return
        legacy_import_services.start(legacy_import=legacy_import, actor=None)
        is_over = _work_until(legacy_import, LegacyImportState.IMPORTING, "The worker continues it.")
        self._print_rows(legacy_import)
        if not is_over:
            raise CommandError(
                f"{legacy_import.pk} is not finished; the worker continues it. Its page shows the progress."
            )

    def _print_rows(self, legacy_import: LegacyImport) -> None:
        found: Counter[str] = Counter()
        for row in legacy_import.rows.all():
            found[row.result] += 1
            self.stdout.write(
                f"{ImportResult(row.result).words:<20} {row.get_kind_display():<11} {row.name}  {row.words}".rstrip()
            )
        counts = ", ".join(f"{found[result]} {result.words.lower()}" for result in ImportResult if found[result])
        self.stdout.write(f"{legacy_import.pk}: {sum(found.values())} rows: {counts}.")


def _work_until(legacy_import: LegacyImport, state: LegacyImportState, or_else: str) -> bool:
    """Work until the import leaves this state. Returns False if it doesn't, although nobody works on it any more.

    The worker may have begun the same import. It settles a row every few seconds, so we wait for it. `or_else`: what
    happens next if SES can't be read now, which ends the command and leaves the import.
    """
    settled, waited = -1, 0
    while waited < PATIENCE_SECONDS:
        try:
            legacy_import_services.work()
        except AwsProblem as problem:
            raise CommandError(f"{problem} {legacy_import.pk} is stored and has a page. {or_else}") from problem
        legacy_import.refresh_from_db()
        if legacy_import.state != state:
            return True
        number = legacy_import.rows.filter(done_at__isnull=False).count()
        settled, waited = number, 0 if number > settled else waited + 1
        time.sleep(1)
    return False


def _contents(paths: list[Path], say: Callable[[str], None]) -> dict[str, bytes]:
    """Read every file that was named. One that can't be read, or isn't a table, refuses the import as a whole."""
    files = [path for path in paths if not path.is_dir()]
    if unknown := [str(file) for file in files if file.suffix.lower() not in TABLES]:
        raise CommandError(f"Only {' and '.join(TABLES)} can be imported: {', '.join(unknown)}. Nothing was imported.")
    try:
        for folder in (path for path in paths if path.is_dir()):
            files += _tables_in(folder, say)
        return {str(file): file.read_bytes() for file in files}
    except OSError as error:
        raise CommandError(f"The import could not be read: {error}. Nothing was imported.") from error


def _tables_in(folder: Path, say: Callable[[str], None]) -> list[Path]:
    """Return the tables in the folder, and say what else is in it. Raises OSError."""
    inside = sorted(folder.iterdir())
    found = [each for each in inside if each.suffix.lower() in TABLES and not each.is_dir()]
    if not found:
        raise CommandError(f"{folder} has no {' or '.join(TABLES)} file. Nothing was imported.")
    if others := [each.name for each in inside if each not in found]:
        say(f"Not read in {folder}: {', '.join(others)}")
    return found
