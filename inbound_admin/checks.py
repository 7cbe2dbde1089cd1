"""System checks for settings that would otherwise fail later."""

import os
import re
from difflib import get_close_matches
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from domains.domain_connect.core import read_key
from inbound_admin.lib.environment import ASKED
from inbound_admin.lib.public_address import parse_resolver
from tenants.policy.core import POLICIES

YEAR = 31_536_000  # seconds
REGION = r"[a-z]{2,}(-[a-z]+)+-\d+"
SHORTEST_NAME, RESEMBLES = 7, 0.88
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


@register()
def region_is_set(**_: Any) -> list[CheckMessage]:
    if settings.AWS_REGION is None or re.fullmatch(REGION, settings.AWS_REGION):
        return []
    hint = "Set AWS_REGION, such as eu-west-1."
    return [Error(f"AWS_REGION is “{settings.AWS_REGION}”, which isn't a region.", hint=hint, id="inbound_admin.E006")]


@register(deploy=True)
def values_can_be_right(**_: Any) -> list[CheckMessage]:
    """Check the values with which a deployment would start and then not work, or with less protection than meant."""
    if settings.SANDBOX:
        return []
    return [
        Warning(f"{name} {sentence}", hint="See docs/deployment.md and .env.example.", id="inbound_admin.W003")
        for name, sentence, is_wrong in (*_addresses(), *_of_aws(), *_of_processes())
        if is_wrong
    ]


_Judged = tuple[str, str, bool]


def _addresses() -> tuple[_Judged, ...]:
    hosts, site = settings.ALLOWED_HOSTS, urlsplit(settings.SITE_URL)
    is_site = site.scheme in ("https", "http") and bool(site.hostname) and not site.query
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    no_host = [host for host in hosts if "/" in host or "*" in host]
    return (
        ("SITE_URL", "must be a URL, such as https://inbound.example.com.", bool(settings.SITE_URL) and not is_site),
        ("SITE_URL", "has http, but HTTPS is on: write https.", is_site and site.scheme == "http" and settings.HTTPS),
        ("ALLOWED_HOSTS", f"has “{', '.join(no_host)}”. Write host names, without https:// and *.", bool(no_host)),
        ("DEFAULT_FROM_EMAIL", f"has no email address: {settings.DEFAULT_FROM_EMAIL}.", "@" not in sender),
        ("EMAIL_URL", "is still the example's.", str(settings.EMAIL_HOST).endswith("smtp.example.com")),
    )


def _of_aws() -> tuple[_Judged, ...]:
    topics = [arn for arn in settings.SNS_TOPIC_ARNS if not re.fullmatch(r"arn:[\w-]+:sns:[\w-]+:\d{12}:[\w.-]+", arn)]
    endpoint, region, calls = settings.AWS_ENDPOINT_URL, settings.AWS_REGION, settings.AWS_CALLS_PER_SECOND
    return (
        ("AWS_REGION", f"is {region}, which AWS doesn't have, as far as boto3 knows.", region not in _known_regions()),
        ("AWS_ENDPOINT_URL", "must begin with https:// or http://.", bool(endpoint) and "://" not in endpoint),
        ("AWS_CALLS_PER_SECOND", f"is {calls:g}. SES allows 1 call a second.", not 0 < calls <= 1),
        ("SNS_TOPIC_ARNS", f"has “{', '.join(topics)}”, which isn't the ARN of a topic.", bool(topics)),
        ("RULE_SET", "is empty.", not settings.RULE_SET),
        ("RECEIVING_BUCKET", "is empty, so no received message would be kept.", not settings.RECEIVING_BUCKET),
        ("TENANT_POLICY", f"must be one of {', '.join(POLICIES)}.", settings.TENANT_POLICY not in POLICIES),
    )


def _of_processes() -> tuple[_Judged, ...]:
    folder, like = settings.PROMETHEUS_MULTIPROC_DIR, _misspelt()
    return (
        ("STAFF_MFA_REQUIRED", "is off: staff sign in with a password alone.", not settings.STAFF_MFA_REQUIRED),
        ("WORKER_JOBS", "must be at least 1.", settings.WORKER_JOBS < 1),
        ("PROMETHEUS_MULTIPROC_DIR", "isn't a directory.", bool(folder) and not Path(folder).is_dir()),
        ("A name", f"in the environment is no setting: {', '.join(like)}.", bool(like)),
    )


def _known_regions() -> set[str]:
    session = boto3.session.Session()
    return {name for each in session.get_available_partitions() for name in session.get_available_regions("ec2", each)}


def _misspelt() -> list[str]:
    """Return names in the environment that resemble a setting's. Others are of other programs."""
    unknown = [name for name in os.environ if name not in ASKED and len(name) >= SHORTEST_NAME]
    found = [(name, get_close_matches(name, ASKED, n=1, cutoff=RESEMBLES)) for name in sorted(unknown)]
    return [f"{name} (did you mean {like[0]}?)" for name, like in found if like]


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
