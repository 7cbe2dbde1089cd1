"""`manage.py create_api_key EMAIL --name N --scopes route`: create a key and print its secret once."""

import sys
from contextlib import redirect_stdout
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.api_keys.core import Scope
from accounts.api_keys.services import create_api_key
from accounts.models.people import User
from inbound_admin.lib.errors import Refused


class Command(BaseCommand):
    help = "Creates an API key for a person and prints its secret once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the person; the key has their permissions")
        parser.add_argument("--name", required=True, help="what will use the key")
        parser.add_argument("--scopes", nargs="+", required=True, help=f"some of: {', '.join(Scope)}")
        parser.add_argument("--days", type=int, help="days until it expires; by default it doesn't expire")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write only the secret to stdout, for scripts."""
        user = User.objects.filter(email__iexact=options["email"]).first()
        if user is None:
            raise CommandError(f"No person has the email address {options['email']}.")
        scopes = [scope for given in options["scopes"] for scope in given.split(",") if scope]
        try:
            with redirect_stdout(sys.stderr):  # where emails go to the console
                made = create_api_key(user=user, name=options["name"], scopes=scopes, actor=None, days=options["days"])
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stderr.write(f"{made.key.id}, for {user.email}. Secret, shown only once:")
        self.stdout.write(made.secret)
