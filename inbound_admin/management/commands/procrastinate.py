"""`manage.py procrastinate`: Procrastinate's own command, whose worker starts under the conditions of `manage.py worker`."""

from typing import Any

from procrastinate.contrib.django.management.commands.procrastinate import Command as OwnCommand

from inbound_admin.management.commands.worker import refuse_to_start


class Command(OwnCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        if options["command"] == "worker":
            refuse_to_start()
        super().handle(*args, **options)
