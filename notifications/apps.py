from importlib import import_module

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        """Connects what listens to the change log."""
        import_module("notifications.staff_acts.services")
