"""Validates, adds, changes, removes and tests endpoints: the destinations of a customer's mail.

Each type has its own settings. An endpoint that an address, a catch-all or undelivered mail uses can't be removed.
`send_test` sends a test message to a webhook and reports its response.
"""

import base64
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models.people import Customer, User
from audit import services as audit_services
from inbound_admin.lib import slow_work
from inbound_admin.lib.errors import RateLimited, Refused
from inbound_admin.lib.ids import new_id
from inbound_admin.lib.public_url import BadUrl
from inbound_admin.lib.redaction import MASK
from inbound_admin.lib.seen import refuse_if_changed
from notifications.webhooks import gateway as webhooks_gateway
from notifications.webhooks import services as webhooks_services
from notifications.webhooks.core import parse_target
from receipt_rules.addresses.selectors import domains_using, endpoint_subject, endpoints_of, require_routing, used_by
from receipt_rules.endpoints.core import (
    SIGNING_SECRET,
    TOKEN,
    SecretMissing,
    invalid,
    is_email,
    merge_config,
    name_of_target,
    signature_headers,
    webhook_extras,
)
from receipt_rules.forwarding.selectors import endpoint_kinds
from receipt_rules.forwarding.services import request_confirmations
from receipt_rules.jobs import queue_customer_change
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.endpoints import Endpoint, EndpointType
from receipt_rules.received_mail.selectors import kept_for_mail

MOST_MEMBERS = 50
MOST_FORMER_STORES = 3
TEST_EVERY_SECONDS = 10


def validate_config(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the type has, validated. Raises Refused (ENDPOINT_TYPE, ENDPOINT_CONFIG)."""
    if kind == EndpointType.WEBHOOK:
        return {"url": _url(_text(config.get("url", "")).strip())} | webhook_extras(config)
    if kind == EndpointType.EMAIL:
        return {"address": _email(_text(config.get("address", "")))}
    if kind == EndpointType.EMAIL_GROUP:
        return {"addresses": _members(config.get("addresses", ()))}
    raise Refused(f"An endpoint is {endpoint_kinds().phrase}.", code="ENDPOINT_TYPE")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise invalid("An address must be text.")
    return value


def _url(url: str) -> str:
    """Validate the URL as webhooks do. It is validated again on connecting: names are resolved only then."""
    if MASK in url:
        raise invalid(f"Part of the URL is masked ({MASK}). Enter the full URL.")
    try:
        parse_target(url, may_be_private=settings.WEBHOOKS_MAY_BE_PRIVATE)
    except BadUrl as error:
        raise invalid(str(error)) from error
    return url


def _email(text: str) -> str:
    address = text.strip()
    try:
        validate_email(address)
        address.rpartition("@")[2].encode("idna")  # as on sending; a label may be too long in its DNS form
    except (ValidationError, UnicodeError) as error:
        shown = address[:80].encode("utf-8", "replace").decode()
        raise invalid(f"“{shown}” isn't an email address.") from error
    return address


def _members(given: Any) -> list[str]:
    if not isinstance(given, str | list | tuple):
        raise invalid("A group must be a list of addresses.")
    texts = given.replace(",", "\n").splitlines() if isinstance(given, str) else list(given)
    members = list(dict.fromkeys(_email(text) for text in map(_text, texts) if text.strip()))
    if not 1 <= len(members) <= MOST_MEMBERS:
        raise invalid(f"A group must have between 1 and {MOST_MEMBERS} addresses.")
    return members


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()/-]{0,200}")
_PUBLISHED = {TOKEN: "verificationToken", SIGNING_SECRET: "signingSecret"}


@dataclass(frozen=True)
class EndpointChange:
    """`dropped`: secrets that were removed because the URL's host changed; they must be entered again."""

    endpoint: Endpoint
    dropped: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        if not self.dropped:
            return ""
        names = ", ".join(_PUBLISHED.get(name, name) for name in self.dropped)
        return f"The URL's host has changed, so its secrets were removed: {names}. Enter them again if they are needed."


@dataclass(frozen=True)
class SesOptions:
    """SES options that differ from the default delivery; "" and None are the default. Only operators may set them."""

    s3_bucket: str = ""
    s3_prefix: str = ""
    lambda_arn: str = ""
    sns_topic: str = ""
    tls_required: bool | None = None
    scan: bool | None = None


def add_endpoint(
    *,
    customer: Customer,
    name: str,
    type: str,  # noqa: A002  # the endpoint's own word
    config: Mapping[str, Any],
    actor: User | None,
    description: str = "",
) -> Endpoint:
    """Add the endpoint. Raises NotAllowed, and Refused for a name in use or invalid settings."""
    require_routing(actor, customer.pk)
    kinds = endpoint_kinds()
    if type in EndpointType.values and type not in kinds.types:
        raise Refused(kinds.limits, code="ENDPOINT_CONFIG")
    made = Endpoint(customer=customer, name=endpoint_name(name), type=type, description=description)
    made.config = validate_config(type, _merged(config, {})[0])
    with transaction.atomic():
        save_endpoint(made)
        audit_services.record("endpoint.added", about=endpoint_subject(made), actor=actor, after=endpoint_log(made))
        request_confirmations(endpoint=made, actor=actor)
    return made


def change_endpoint(
    *,
    endpoint: Endpoint,
    actor: User | None,
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    is_active: bool | None = None,
    description: str | None = None,
    ses: SesOptions | None = None,
    seen: str = "",
) -> EndpointChange:
    """Change the endpoint. None, and settings that `config` omits or masks, stay. `seen`: of the form that shows it.

    Raises NotAllowed and Refused as `add_endpoint`, and ChangedMeanwhile.
    """
    require_routing(actor, endpoint.customer_id)
    with transaction.atomic():
        # no_key: don't block addresses that point to it, whose transactions may hold locks that we need next
        found = Endpoint.objects.select_for_update(of=("self",), no_key=True).select_related("customer")
        locked = found.filter(pk=endpoint.pk).first()
        if locked is None:
            raise Refused(f"{endpoint} has been removed.", code="ENDPOINT_MISSING")
        before = endpoint_log(locked)
        dropped: tuple[str, ...] = ()
        locked.name = locked.name if name is None else endpoint_name(name)
        if config is not None:
            wanted, dropped = _merged(config, locked.config)
            locked.config = validate_config(locked.type, wanted)
        locked.description = locked.description if description is None else description
        locked.is_active = locked.is_active if is_active is None else is_active
        _set_ses_options(locked, ses, actor)
        if (after := endpoint_log(locked)) != before:
            refuse_if_changed(seen, before)
            save_endpoint(locked)
            audit_services.record(
                "endpoint.changed", about=endpoint_subject(locked), actor=actor, before=before, after=after
            )
            if any(before[key] != after[key] for key in asdict(SesOptions())):
                queue_customer_change(locked.customer, actor, domains=domains_using(locked))
            request_confirmations(endpoint=locked, actor=actor)
    return EndpointChange(locked, dropped)


def make_signing_secret(*, endpoint: Endpoint, actor: User | None, seen: str = "") -> str:
    """Replace the signing secret and return the new one, which can't be read again. Raises as `change_endpoint`."""
    if endpoint.type != EndpointType.WEBHOOK:
        raise Refused("Only webhook endpoints have a signing secret.", code="ENDPOINT_TYPE")
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    change_endpoint(endpoint=endpoint, actor=actor, config={SIGNING_SECRET: secret}, seen=seen)
    return secret


def remove_endpoint(*, endpoint: Endpoint, actor: User | None) -> None:
    """Remove the endpoint. Raises NotAllowed, and Refused while something uses it (ENDPOINT_IN_USE)."""
    require_routing(actor, endpoint.customer_id)
    try:
        with transaction.atomic():
            _remove(endpoint, actor)
            connection.check_constraints()  # an error at the commit could not become a refusal
    except IntegrityError as error:
        raise Refused(f"{endpoint} was just chosen for an address. Reload the page.", code="ENDPOINT_IN_USE") from error


def _remove(endpoint: Endpoint, actor: User | None) -> None:
    locked = Endpoint.objects.select_for_update().filter(pk=endpoint.pk).first()
    if locked is None:
        return
    if used := used_by(locked, 3):
        names = ", ".join(used)
        raise Refused(f"{locked} is used by {names}. Give them another endpoint first.", code="ENDPOINT_IN_USE")
    if why := kept_for_mail(locked):
        raise Refused(why, code="ENDPOINT_IN_USE")
    for model in (Address, CatchAll):  # rows of a domain that has moved to another customer, which don't use it
        model.objects.filter(endpoint=locked).exclude(domain__customer=locked.customer_id).update(endpoint=None)
    audit_services.record("endpoint.removed", about=endpoint_subject(locked), actor=actor, before=endpoint_log(locked))
    locked.delete()


def refuse_foreign(endpoint: Endpoint | None, customer: Customer) -> None:
    if endpoint is not None and endpoint.customer_id != customer.id:
        raise Refused("That endpoint doesn't belong to this customer.", code="ENDPOINT_MISSING")


def endpoint_name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= 120:
        raise Refused("Enter a name of up to 120 characters.", code="ENDPOINT_NAME")
    return name


def _set_ses_options(endpoint: Endpoint, ses: SesOptions | None, actor: User | None) -> None:
    if ses is None or all(getattr(endpoint, key) == value for key, value in asdict(ses).items()):
        return
    if actor is not None and not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Only operators can change where SES stores mail.", code="NOT_ALLOWED")
    _check_ses(ses)
    if any(store := [endpoint.s3_bucket, endpoint.s3_prefix]) and store != [ses.s3_bucket, ses.s3_prefix]:
        others = [each for each in endpoint.former_stores or () if each != store]
        endpoint.former_stores = [store, *others][:MOST_FORMER_STORES]  # mail stored there is found by it
    for key, value in asdict(ses).items():
        setattr(endpoint, key, value)


def _check_ses(ses: SesOptions) -> None:
    if ses.s3_bucket and not _BUCKET.fullmatch(ses.s3_bucket):
        raise invalid(f"{ses.s3_bucket} isn't a valid bucket name.")
    if not _PREFIX.fullmatch(ses.s3_prefix):
        raise invalid("A prefix can have up to 200 letters, digits and ! _ . * ' ( ) / -.")
    for arn, service in ((ses.lambda_arn, "lambda"), (ses.sns_topic, "sns")):
        if arn and not re.fullmatch(rf"arn:[a-z-]+:{service}:[a-z0-9-]+:\d{{12}}:\S+", arn):
            raise invalid(f"{arn} isn't a valid {service} ARN.")


def save_endpoint(endpoint: Endpoint) -> None:
    """Store it. Raises Refused if the customer has another of this name."""
    try:
        with transaction.atomic():
            endpoint.save()
    except IntegrityError as error:
        raise Refused(f"An endpoint named {endpoint} already exists.", code="ENDPOINT_NAME_TAKEN") from error


def endpoint_log(endpoint: Endpoint) -> dict[str, Any]:
    """Return all values for the change log, which masks secrets; complete, so that the log shows a changed secret."""
    ses = {key: getattr(endpoint, key) for key in asdict(SesOptions())}
    config = {f"config_{key}": value for key, value in endpoint.config.items()}
    own = {name: getattr(endpoint, name) for name in ("name", "description", "type", "is_active")}
    return {**own, **config, **ses}


def _merged(given: Mapping[str, Any], stored: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    try:
        return merge_config(given, stored)
    except SecretMissing as missing:
        raise invalid(str(missing)) from missing


@contextmanager
def endpoint_for(
    *, target: str, chosen: Endpoint | None, customer: Customer, actor: User | None
) -> Iterator[Endpoint | None]:
    """Yield the endpoint of `target`, or `chosen` if it is empty. A failure in the block also undoes a new endpoint.

    Raises Refused as `add_endpoint`.
    """
    with transaction.atomic():
        yield _endpoint_at(target.strip(), customer, actor) if target.strip() else chosen


def _endpoint_at(target: str, customer: Customer, actor: User | None) -> Endpoint:
    """Return the customer's endpoint that delivers there, created if none does, however many ask at once."""
    if "@" not in target and "://" not in target:
        kinds = endpoint_kinds()
        raise Refused(f"Enter {kinds.target}, such as {kinds.example}.", code="ENDPOINT_CONFIG")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"endpoint target {customer.pk}"])
    kind, member = (EndpointType.EMAIL, "address") if is_email(target) else (EndpointType.WEBHOOK, "url")
    own = list(endpoints_of(customer))
    for endpoint in own:
        if endpoint.type == kind and endpoint.config.get(member) == target and endpoint.is_active:
            return endpoint
    name = name_of_target(target, used={endpoint.name.lower() for endpoint in own})
    return add_endpoint(customer=customer, name=name, type=kind.value, config={member: target}, actor=actor)


@dataclass(frozen=True)
class EndpointTest:
    """The result of a test. `status=None`: no response. `excerpt`: the start of the response."""

    is_good: bool
    sentence: str
    milliseconds: int
    payload: dict[str, Any]
    status: int | None = None
    excerpt: str = ""


def send_test(*, endpoint: Endpoint, actor: User | None) -> EndpointTest:
    """Send a test message. Staff give a reason before anything is sent.

    Raises Refused (ENDPOINT_NOT_TESTABLE) for an endpoint that forwards mail: the operator's function does that. Raises
    RateLimited within seconds of another test, so that nobody can flood a host with our requests.
    """
    if endpoint.type != EndpointType.WEBHOOK:
        raise Refused(
            "Only webhooks can be tested here. To test forwarding, send a message to one of the endpoint's addresses.",
            code="ENDPOINT_NOT_TESTABLE",
        )
    because = audit_services.reason_for(actor=actor, customer_id=endpoint.customer_id)
    with slow_work.slot(customer=endpoint.customer_id):
        return _send(endpoint, actor, because)


def _send(endpoint: Endpoint, actor: User | None, because: str) -> EndpointTest:
    if not cache.add(f"endpoint-test:{endpoint.pk}", 1, TEST_EVERY_SECONDS):
        sentence = f"You can send one test every {TEST_EVERY_SECONDS} seconds."
        raise RateLimited(sentence, retry_after=TEST_EVERY_SECONDS)
    audit_services.record("endpoint.tested", about=endpoint_subject(endpoint), actor=actor, because=because)
    begun, body = time.monotonic(), _body(endpoint)
    text = json.dumps(body)
    try:
        reply = webhooks_services.post(str(endpoint.config["url"]), text, _headers(endpoint, text))
    except webhooks_gateway.NotDelivered as problem:
        return EndpointTest(is_good=False, sentence=str(problem), milliseconds=_since(begun), payload=body)
    result = "accepted the test message" if reply.is_taken else "answered, but didn't accept the test message"
    sentence = f"The webhook {result} ({reply.status})."
    return EndpointTest(reply.is_taken, sentence, _since(begun), body, reply.status, reply.excerpt)


def _body(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "event": "email.received",
        "timestamp": timezone.now().isoformat(timespec="seconds"),
        "test": True,
        "endpoint": {"id": endpoint.pk, "name": endpoint.name, "type": endpoint.type},
    }


def _headers(endpoint: Endpoint, body: str) -> dict[str, str]:
    """Return what the function sends too (receiving/webhooks.py): a receiver that checks it refuses a bare test."""
    config, name, now = endpoint.config, new_id("test"), timezone.now()
    found = {str(name): str(value) for name, value in config.get("headers", {}).items()} | {
        "Content-Type": "application/json",
        "User-Agent": f"{settings.SITE_NAME} webhooks",
        "X-Webhook-Event": "email.received",
        "X-Endpoint-ID": endpoint.pk,
        "Idempotency-Key": name,
    }
    if TOKEN in config:
        found["X-Webhook-Verification-Token"] = config[TOKEN]
    if SIGNING_SECRET in config:
        found |= signature_headers(config[SIGNING_SECRET], name, now, body)
    return found


def _since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)
