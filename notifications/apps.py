from importlib import import_module

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        """Connect the receivers of the change log."""
        import_module("notifications.alerts.services")
