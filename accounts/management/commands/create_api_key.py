"""`manage.py create_api_key EMAIL --name N --scopes route`: makes a key, and prints its secret this once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.api_keys.core import Scope
from accounts.api_keys.services import create_api_key
from accounts.models.people import User
from inbound_admin.lib.errors import Refused


class Command(BaseCommand):
    help = "Makes an API key for a person, and prints its secret, which nobody can read again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="whose key it is: it can do what this person may")
        parser.add_argument("--name", required=True, help="who or what will use it")
        parser.add_argument("--scopes", nargs="+", required=True, help=f"some of: {', '.join(Scope)}")
        parser.add_argument("--days", type=int, help="how long it lives; without an end if not given")

    def handle(self, *args: Any, **options: Any) -> None:
        """The secret alone goes to the output, so that a script can take it."""
        user = User.objects.filter(email__iexact=options["email"]).first()
        if user is None:
            raise CommandError(f"Nobody signs in as {options['email']}.")
        scopes = [scope for given in options["scopes"] for scope in given.split(",") if scope]
        try:
            made = create_api_key(user=user, name=options["name"], scopes=scopes, actor=None, days=options["days"])
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stderr.write(f"{made.key.id}, for {user.email}. This is its secret; it is not shown again:")
        self.stdout.write(made.secret)
