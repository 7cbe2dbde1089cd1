"""What `manage.py check` says about settings that would only fail later."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

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
def some_threads_never_wait(**_: Any) -> list[CheckMessage]:
    """The places for slow requests are fewer than the threads, and at least one."""
    if 1 <= settings.SLOW_REQUESTS_EACH <= settings.SLOW_REQUESTS_AT_ONCE < settings.WEB_THREADS:
        return []
    said = (
        f"SLOW_REQUESTS_EACH ({settings.SLOW_REQUESTS_EACH}), SLOW_REQUESTS_AT_ONCE ({settings.SLOW_REQUESTS_AT_ONCE})"
        f" and WEB_THREADS ({settings.WEB_THREADS}) must ascend, the last by one at least: slow requests would hold"
        " every thread."
    )
    return [Error(said, hint="Unset the first two: they follow from WEB_THREADS.", id="inbound_admin.E003")]


@register()
def domain_connect_can_sign(**_: Any) -> list[CheckMessage]:
    if not settings.DOMAIN_CONNECT_KEY and not settings.DOMAIN_CONNECT_PROVIDER:
        return []
    hint = "docs/domain-connect.md says how to make it."
    if not (settings.DOMAIN_CONNECT_KEY and settings.DOMAIN_CONNECT_PROVIDER):
        said = "DOMAIN_CONNECT_PROVIDER and DOMAIN_CONNECT_KEY belong together, and one of them is not set."
        return [Error(said, hint=hint, id="inbound_admin.E005")]
    try:
        key = load_pem_private_key(settings.DOMAIN_CONNECT_KEY.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError):
        return [Error("DOMAIN_CONNECT_KEY is no private key in PEM.", hint=hint, id="inbound_admin.E005")]
    if isinstance(key, RSAPrivateKey) and key.key_size >= 2048:
        return []
    return [Error("DOMAIN_CONNECT_KEY is no RSA key of 2048 bits or more.", hint=hint, id="inbound_admin.E005")]


@register(deploy=True)
def preload_is_the_last_step(**_: Any) -> list[CheckMessage]:
    ready = settings.SECURE_HSTS_SECONDS >= YEAR and settings.SECURE_HSTS_INCLUDE_SUBDOMAINS
    if ready or not settings.SECURE_HSTS_PRELOAD:
        return []
    said = "HSTS_PRELOAD is on before the steps that it needs."
    hint = f"Set HSTS_SECONDS to {YEAR} and HSTS_INCLUDE_SUBDOMAINS to 1 first, or HSTS_PRELOAD to 0."
    return [Error(said, hint=hint, id="inbound_admin.E003")]


@register(deploy=True)
def what_no_default_can_know_is_set(**_: Any) -> list[CheckMessage]:
    """Each would fail late and quietly: mails without links, or from nobody; every request refused."""
    if settings.SANDBOX:
        return []
    missing = {
        "ALLOWED_HOSTS": ("No name but this machine's own is allowed.", set(settings.ALLOWED_HOSTS) <= OWN_HOSTS),
        "SITE_URL": ("Mails and webhooks carry no links.", not settings.SITE_URL),
        "DEFAULT_FROM_EMAIL": ("Mails have a sender at localhost.", "@localhost" in settings.DEFAULT_FROM_EMAIL),
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
    return [Warning("SANDBOX is on: nothing here reaches Amazon or the real DNS.", id="inbound_admin.W001")]


@register(deploy=True)
def invitations_are_not_printed(**_: Any) -> list[CheckMessage]:
    if settings.SANDBOX or settings.EMAIL_BACKEND != "django.core.mail.backends.console.EmailBackend":
        return []
    said = "E-mail is printed instead of sent: whoever reads the logs could open the links of invitations."
    return [Error(said, hint="Set EMAIL_URL, such as smtp+tls://user:password@host:587.", id="inbound_admin.E002")]
