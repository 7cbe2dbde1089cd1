"""Where a customer's mail goes. Removing is refused while an address or a catch-all uses it."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db import IntegrityError, transaction

from changes import services as changes
from inbound_admin.lib.errors import Refused
from receipt_rules.core.endpoint_secrets import TOKEN, SecretMissing, restored
from receipt_rules.models import Address, CatchAll, Endpoint
from receipt_rules.services.endpoint_configs import checked_config
from receipt_rules.services.forwarding import ask_new
from receipt_rules.services.queue import customer_changed
from receipt_rules.services.subjects import endpoint_subject
from tenants.models import Customer, User

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()/-]{0,200}")


@dataclass(frozen=True)
class Changed:
    """`dropped`: secrets that went, because the URL has another host now; whoever changed it supplies them again."""

    endpoint: Endpoint
    dropped: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        if not self.dropped:
            return ""
        names = ", ".join("verificationToken" if name == TOKEN else name for name in self.dropped)
        return f"The URL has another host now, so its secrets were removed: {names}. Give them again if it needs them."


@dataclass(frozen=True)
class SesSide:
    """What differs from the deployment's default delivery; "" and None are the default. Operators alone may give it."""

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
    ses: SesSide | None = None,
) -> Endpoint:
    """Raises Refused for a name in use or a configuration that cannot work."""
    made = Endpoint(customer=customer, name=endpoint_name(name), type=type, description=description)
    made.config = checked_config(type, _over(config, {})[0])
    _put_ses(made, ses, actor)
    with transaction.atomic():
        _save(made)
        changes.record("endpoint.added", about=endpoint_subject(made), actor=actor, after=endpoint_log(made))
        ask_new(endpoint=made, actor=actor)
    return made


def change_endpoint(
    *,
    endpoint: Endpoint,
    actor: User | None,
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    is_active: bool | None = None,
    description: str | None = None,
    ses: SesSide | None = None,
) -> Changed:
    """What is None stays, what `config` does not name, and what it gives masked. Raises Refused as `add_endpoint`."""
    with transaction.atomic():
        # no_key: addresses that point to it are not kept waiting, who might hold what we need next
        found = Endpoint.objects.select_for_update(of=("self",), no_key=True).select_related("customer")
        locked = found.get(pk=endpoint.pk)
        before = endpoint_log(locked)
        dropped: tuple[str, ...] = ()
        locked.name = locked.name if name is None else endpoint_name(name)
        if config is not None:
            wanted, dropped = _over(config, locked.config)
            locked.config = checked_config(locked.type, wanted)
        locked.description = locked.description if description is None else description
        locked.is_active = locked.is_active if is_active is None else is_active
        _put_ses(locked, ses, actor)
        if (after := endpoint_log(locked)) != before:
            _save(locked)
            changes.record("endpoint.changed", about=endpoint_subject(locked), actor=actor, before=before, after=after)
            if any(before[key] != after[key] for key in asdict(SesSide())):
                customer_changed(locked.customer, actor)
            ask_new(endpoint=locked, actor=actor)
    return Changed(locked, dropped)


def remove_endpoint(*, endpoint: Endpoint, actor: User | None) -> None:
    """Raises Refused while something uses it (ENDPOINT_IN_USE)."""
    with transaction.atomic():
        locked = Endpoint.objects.select_for_update().filter(pk=endpoint.pk).first()
        if locked is None:
            return
        used = [
            *Address.objects.filter(endpoint=locked)[:3],
            *CatchAll.objects.select_related("domain").filter(endpoint=locked)[:3],
        ]
        if used:
            names = ", ".join(map(str, used[:3]))
            raise Refused(f"{locked} is used by {names}. Give those another endpoint first.", code="ENDPOINT_IN_USE")
        changes.record("endpoint.removed", about=endpoint_subject(locked), actor=actor, before=endpoint_log(locked))
        locked.delete()


def refuse_foreign(endpoint: Endpoint | None, customer: Customer) -> None:
    if endpoint is not None and endpoint.customer_id != customer.id:
        raise Refused("That endpoint does not belong to this customer.", code="ENDPOINT_MISSING")


def endpoint_name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= 120:
        raise Refused("Give the endpoint a name of up to 120 characters.", code="ENDPOINT_NAME")
    return name


def _put_ses(endpoint: Endpoint, ses: SesSide | None, actor: User | None) -> None:
    if ses is None or all(getattr(endpoint, key) == value for key, value in asdict(ses).items()):
        return
    if actor is not None and not actor.has_perm("receipt_rules.operate_rules"):
        raise Refused("Where Amazon stores the mail is for operators to decide.", code="NOT_ALLOWED")
    _check_ses(ses)
    for key, value in asdict(ses).items():
        setattr(endpoint, key, value)


def _check_ses(ses: SesSide) -> None:
    if ses.s3_bucket and not _BUCKET.fullmatch(ses.s3_bucket):
        raise Refused(f"{ses.s3_bucket} is not the name of a bucket.", code="ENDPOINT_CONFIG")
    if not _PREFIX.fullmatch(ses.s3_prefix):
        raise Refused("A prefix has up to 200 letters, digits and ! _ . * ' ( ) / -.", code="ENDPOINT_CONFIG")
    for arn, service in ((ses.lambda_arn, "lambda"), (ses.sns_topic, "sns")):
        if arn and not re.fullmatch(rf"arn:[a-z-]+:{service}:[a-z0-9-]+:\d{{12}}:\S+", arn):
            raise Refused(f"{arn} is not an ARN of {service}.", code="ENDPOINT_CONFIG")


def _save(endpoint: Endpoint) -> None:
    try:
        with transaction.atomic():
            endpoint.save()
    except IntegrityError as error:
        raise Refused(f"There is an endpoint called {endpoint} already.", code="ENDPOINT_NAME_TAKEN") from error


def endpoint_log(endpoint: Endpoint) -> dict[str, Any]:
    """For the change log, which masks what is secret in it; whole, so that a change of a secret is seen."""
    ses = {key: getattr(endpoint, key) for key in asdict(SesSide())}
    config = {f"config_{key}": value for key, value in endpoint.config.items()}
    own = {name: getattr(endpoint, name) for name in ("name", "description", "type", "is_active")}
    return {**own, **config, **ses}


def _over(given: Mapping[str, Any], stored: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    try:
        return restored(given, stored)
    except SecretMissing as missing:
        raise Refused(str(missing), code="ENDPOINT_CONFIG") from missing
