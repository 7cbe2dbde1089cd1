"""`manage.py procrastinate`: as the package has it, but its worker starts only where `manage.py worker` does."""

from typing import Any

from procrastinate.contrib.django.management.commands.procrastinate import Command as OwnCommand

from inbound_admin.management.commands.worker import refuse_to_start


class Command(OwnCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        if options["command"] == "worker":
            refuse_to_start()
        super().handle(*args, **options)
