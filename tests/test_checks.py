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


def w003(settings: Settings) -> list[str]:
    """Return the names of settings that can't be right, for a deployment that is otherwise right."""
    settings.SANDBOX, settings.HTTPS, settings.STAFF_MFA_REQUIRED = False, True, settings.STAFF_MFA_REQUIRED
    found = registry.run_checks(include_deployment_checks=True)
    return [each.msg.partition(" ")[0] for each in found if each.id == "inbound_admin.W003"]


RIGHT: dict[str, Any] = {
    "SITE_URL": "https://panel.acme.com",
    "ALLOWED_HOSTS": ["panel.acme.com", ".acme.com"],
    "DEFAULT_FROM_EMAIL": "Acme <panel@acme.com>",
    "EMAIL_HOST": "mail.acme.com",
    "AWS_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "",
    "AWS_CALLS_PER_SECOND": 0.9,
    "SNS_TOPIC_ARNS": ("arn:aws:sns:eu-west-1:123456789012:ses-events",),
    "RULE_SET": "inbound-mail",
    "RECEIVING_BUCKET": "inbound-mail",
    "TENANT_POLICY": "standard",
    "STAFF_MFA_REQUIRED": True,
    "WORKER_JOBS": 4,
    "PROMETHEUS_MULTIPROC_DIR": "",
}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("SITE_URL", "panel.acme.com"),
        ("SITE_URL", "http://panel.acme.com"),
        ("ALLOWED_HOSTS", ["*"]),
        ("ALLOWED_HOSTS", ["https://panel.acme.com"]),
        ("DEFAULT_FROM_EMAIL", "panel.acme.com"),
        ("AWS_REGION", "eu-wset-1"),
        ("AWS_ENDPOINT_URL", "localhost"),
        ("AWS_CALLS_PER_SECOND", -1.0),
        ("AWS_CALLS_PER_SECOND", 50.0),
        ("SNS_TOPIC_ARNS", ("nonsense",)),
        ("RULE_SET", ""),
        ("RECEIVING_BUCKET", ""),
        ("TENANT_POLICY", "strickt"),
        ("STAFF_MFA_REQUIRED", False),
        ("WORKER_JOBS", 0),
        ("PROMETHEUS_MULTIPROC_DIR", "/nonexistent"),
    ],
)
def test_a_value_with_which_a_deployment_would_not_work_is_a_warning(settings: Settings, name: str, wrong: Any) -> None:
    for each, value in RIGHT.items():
        setattr(settings, each, value)
    assert w003(settings) == []
    setattr(settings, name, wrong)
    assert w003(settings) == [name]
    settings.SANDBOX = True
    assert "inbound_admin.W003" not in check_ids()


def test_the_mail_server_of_the_example_is_a_warning(settings: Settings) -> None:
    for each, value in (RIGHT | {"EMAIL_HOST": "smtp.example.com"}).items():
        setattr(settings, each, value)
    assert w003(settings) == ["EMAIL_URL"]


def test_a_misspelt_name_is_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for each, value in RIGHT.items():
        setattr(settings, each, value)
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    assert w003(settings) == []
    monkeypatch.setenv("WEB_THREDS", "4")
    found = registry.run_checks(include_deployment_checks=True)
    assert [each.msg for each in found if each.id == "inbound_admin.W003"] == [
        "A name in the environment is no setting: WEB_THREDS (did you mean WEB_THREADS?)."
    ]


@pytest.mark.parametrize("region", ["", "eu-west", "Ireland"])
def test_what_is_no_region_is_an_error(settings: Settings, region: str) -> None:
    settings.AWS_REGION = region
    assert "inbound_admin.E006" in check_ids()
