from importlib import import_module

from django.apps import AppConfig


class ReceiptRulesConfig(AppConfig):
    name = "receipt_rules"
    verbose_name = "Inbound mail"

    def ready(self) -> None:
        """Connects what follows a change of a domain's holder."""
        import_module("receipt_rules.holders.services")
