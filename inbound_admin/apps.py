from django.apps import AppConfig
from django.db.backends.signals import connection_created

from inbound_admin import checks  # noqa: F401  the import registers the checks
from inbound_admin.lib import database


class InboundAdminConfig(AppConfig):
    name = "inbound_admin"

    def ready(self) -> None:
        connection_created.connect(database.set_keepalive, dispatch_uid="inbound_admin.ask_for_a_dead_peer")
