"""`manage.py domain_connect`: the template to register with DNS hosts, and the TXT records of our public key."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from domains.domain_connect import core
from domains.domain_connect.services import connect_identity


class Command(BaseCommand):
    help = "Prints the Domain Connect template with our IDs, and the TXT records of our public key."

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError if settings are missing or the key can't be read."""
        ours = connect_identity()
        if ours is None:
            raise CommandError("Set DOMAIN_CONNECT_PROVIDER and DOMAIN_CONNECT_KEY first. See docs/domain-connect.md.")
        self.stdout.write(f"# {ours.provider}.{ours.service}.json")
        made = core.template_for(ours.provider, ours.service, settings.SITE_NAME)
        self.stdout.write(json.dumps(made, indent=2))
        self.stdout.write("\n# Publish these TXT records:")
        for name, value in core.key_records(ours):
            self.stdout.write(f'{name}. TXT "{value}"')
