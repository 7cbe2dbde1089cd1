"""The system checks of `manage.py check --deploy` for settings that would cause harm later."""

from typing import Any

import pytest
from django.core.checks import registry
from pytest_django import Settings

CONSOLE = "django.core.mail.backends.console.EmailBackend"


def check_ids() -> set[str | None]:
    return {message.id for message in registry.run_checks(tags=None, include_deployment_checks=True)}


def test_printing_invitation_links_to_the_logs_is_an_error(settings: Settings) -> None:
    settings.SANDBOX, settings.EMAIL_BACKEND = False, CONSOLE
    found = [each for each in registry.run_checks(include_deployment_checks=True) if each.id == "inbound_admin.E002"]
    assert [each.is_serious() for each in found] == [True]
    assert "EMAIL_URL" in str(found[0].hint)


@pytest.mark.parametrize(
    ("sandbox", "backend"), [(True, CONSOLE), (False, "django.core.mail.backends.smtp.EmailBackend")]
)
def test_the_sandbox_can_print_its_mail_and_a_deployment_can_send_it(
    settings: Settings, sandbox: bool, backend: str
) -> None:
    settings.SANDBOX, settings.EMAIL_BACKEND = sandbox, backend
    assert "inbound_admin.E002" not in check_ids()


@pytest.mark.parametrize(
    ("seconds", "subdomains", "preload", "refused"),
    [
        (3600, False, False, False),
        (3600, True, True, True),
        (31_536_000, False, True, True),
        (31_536_000, True, True, False),
    ],
)
def test_preload_without_its_preconditions_is_an_error(
    settings: Settings, seconds: int, subdomains: bool, preload: bool, refused: bool
) -> None:
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = seconds, subdomains
    settings.SECURE_HSTS_PRELOAD = preload
    assert ("inbound_admin.E004" in check_ids()) is refused


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"]),
        ("SITE_URL", ""),
        ("DEFAULT_FROM_EMAIL", "Inbound Admin <inbound-admin@localhost>"),
    ],
)
def test_a_setting_left_at_its_default_is_a_warning(settings: Settings, name: str, default: Any) -> None:
    settings.SANDBOX = False
    settings.ALLOWED_HOSTS, settings.SITE_URL = ["panel.example.com"], "https://panel.example.com"
    settings.DEFAULT_FROM_EMAIL = "panel@example.com"
    assert "inbound_admin.W002" not in check_ids()
    setattr(settings, name, default)
    found = [each for each in registry.run_checks(include_deployment_checks=True) if each.id == "inbound_admin.W002"]
    assert [each.msg.startswith(f"{name} is not set") for each in found] == [True]
    settings.SANDBOX = True
    assert "inbound_admin.W002" not in check_ids()
