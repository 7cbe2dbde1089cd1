from importlib import import_module

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "alerts"

    def ready(self) -> None:
        """Connects what listens to the change log."""
        import_module("alerts.services.staff_acts")
