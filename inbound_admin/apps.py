from django.apps import AppConfig

from inbound_admin import checks  # noqa: F401  the import registers the checks


class InboundAdminConfig(AppConfig):
    name = "inbound_admin"
