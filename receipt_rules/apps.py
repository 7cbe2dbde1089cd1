from django.apps import AppConfig


class ReceiptRulesConfig(AppConfig):
    name = "receipt_rules"
