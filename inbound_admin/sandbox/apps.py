from django.apps import AppConfig


class SandboxConfig(AppConfig):
    name = "inbound_admin.sandbox"
    label = "sandbox"
