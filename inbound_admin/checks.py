"""System checks for settings that would otherwise fail later."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from domains.domain_connect.core import read_key
from inbound_admin.lib.dns_address import parse_resolver

YEAR = 31_536_000  # seconds
OWN_HOSTS = {"localhost", "127.0.0.1", "[::1]"}


@register()
def resolvers_are_addresses(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for text in settings.DNS_RESOLVERS:
        try:
            parse_resolver(text)
        except ValueError as error:
            found.append(Error(f"DNS_RESOLVERS: {error}", hint="Write host or host:port.", id="inbound_admin.E001"))
    return found


@register()
def check_free_threads(**_: Any) -> list[CheckMessage]:
    """Check that slow requests leave at least one thread free."""
    if 1 <= settings.SLOW_REQUESTS_EACH <= settings.SLOW_REQUESTS_AT_ONCE < settings.WEB_THREADS:
        return []
    message = (
        f"SLOW_REQUESTS_EACH ({settings.SLOW_REQUESTS_EACH}), SLOW_REQUESTS_AT_ONCE ({settings.SLOW_REQUESTS_AT_ONCE})"
        f" and WEB_THREADS ({settings.WEB_THREADS}) must ascend, the last by at least one."
        " Otherwise slow requests could hold every thread."
    )
    return [Error(message, hint="Unset the first two. They default from WEB_THREADS.", id="inbound_admin.E003")]


@register()
def domain_connect_can_sign(**_: Any) -> list[CheckMessage]:
    if not settings.DOMAIN_CONNECT_KEY and not settings.DOMAIN_CONNECT_PROVIDER:
        return []
    hint = "See docs/domain-connect.md."
    if not (settings.DOMAIN_CONNECT_KEY and settings.DOMAIN_CONNECT_PROVIDER):
        message = "Set both DOMAIN_CONNECT_PROVIDER and DOMAIN_CONNECT_KEY, or neither."
        return [Error(message, hint=hint, id="inbound_admin.E005")]
    try:
        read_key(settings.DOMAIN_CONNECT_KEY)
    except ValueError as error:
        return [Error(f"DOMAIN_CONNECT_KEY can't be used: {error}.", hint=hint, id="inbound_admin.E005")]
    return []


@register(deploy=True)
def preload_is_the_last_step(**_: Any) -> list[CheckMessage]:
    ready = settings.SECURE_HSTS_SECONDS >= YEAR and settings.SECURE_HSTS_INCLUDE_SUBDOMAINS
    if ready or not settings.SECURE_HSTS_PRELOAD:
        return []
    message = "HSTS_PRELOAD is on but its prerequisites aren't."
    hint = f"Set HSTS_SECONDS to {YEAR} and HSTS_INCLUDE_SUBDOMAINS to 1 first, or HSTS_PRELOAD to 0."
    return [Error(message, hint=hint, id="inbound_admin.E004")]


@register(deploy=True)
def check_required_settings(**_: Any) -> list[CheckMessage]:
    """Check settings that would otherwise fail late and silently."""
    if settings.SANDBOX:
        return []
    missing = {
        "ALLOWED_HOSTS": ("Only local host names are allowed.", set(settings.ALLOWED_HOSTS) <= OWN_HOSTS),
        "SITE_URL": ("Emails and webhooks contain no links.", not settings.SITE_URL),
        "DEFAULT_FROM_EMAIL": ("Emails are sent from localhost.", "@localhost" in settings.DEFAULT_FROM_EMAIL),
    }
    return [
        Warning(f"{name} is not set: {sentence}", hint=f"Set {name}. See docs/deployment.md.", id="inbound_admin.W002")
        for name, (sentence, is_missing) in missing.items()
        if is_missing
    ]


@register(deploy=True)
def no_sandbox_in_production(**_: Any) -> list[CheckMessage]:
    if not settings.SANDBOX:
        return []
    return [Warning("SANDBOX is on: nothing reaches AWS or public DNS.", id="inbound_admin.W001")]


@register(deploy=True)
def invitations_are_not_printed(**_: Any) -> list[CheckMessage]:
    if settings.SANDBOX or settings.EMAIL_BACKEND != "django.core.mail.backends.console.EmailBackend":
        return []
    message = "Email is printed instead of sent. Anyone who reads the logs could open invitation links."
    return [Error(message, hint="Set EMAIL_URL, such as smtp+tls://user:password@host:587.", id="inbound_admin.E002")]
