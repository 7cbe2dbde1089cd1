"""`manage.py reseal`: encrypts every stored secret with the first key, so that the other keys can be removed."""

from typing import Any

from django.core.management.base import BaseCommand

from operations.doctor.services import reseal_everything


class Command(BaseCommand):
    help = "Re-encrypt all stored secrets with SEALING_KEY (or SECRET_KEY) after that key was changed."

    def handle(self, *args: Any, **options: Any) -> None:
        for what, number in reseal_everything().items():
            self.stdout.write(f"{what}: {number}")
        self.stdout.write("Done. The earlier keys are no longer needed for stored secrets.")
