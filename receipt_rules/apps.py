from importlib import import_module

from django.apps import AppConfig


class ReceiptRulesConfig(AppConfig):
    name = "receipt_rules"
    verbose_name = "Inbound mail"

    def ready(self) -> None:
        """Connect the receiver of a domain's change of holder."""
        import_module("receipt_rules.transfers.services")
