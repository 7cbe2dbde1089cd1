"""API keys are made, used and revoked. The secret is in the caller's hands alone; we know its hash."""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.api_keys.core import OF_EVERYBODY, KeyState, Scope, is_use_worth_writing, key_state, scopes_named
from accounts.invitations.core import hash_of
from accounts.models.api_keys import ApiKey
from accounts.models.people import User
from accounts.people.selectors import lacks_second_factor, supports_everyone, working_keys_of
from accounts.people.services import person_subject, tell_of_account
from audit import services as audit_services
from inbound_admin.lib.errors import NotAllowed, Refused
from inbound_admin.lib.mail_names import mail_name

_PREFIX, _SHOWN, _LONGEST = "ia_", 8, 120
# Of a person's row only what permissions ask: this stands before every call.
_NEEDED = (
    *("name", "starts", "secret_hash", "scopes", "last_used_at", "expires_at", "revoked_at"),
    *("user__is_active", "user__is_staff", "user__is_superuser", "user__email"),
)


class BadKey(Refused):
    """No such key, or it is good no more."""

    code = "BAD_KEY"
    status = 401


@dataclass(frozen=True)
class Created:
    """`secret` is never to be had again."""

    key: ApiKey
    secret: str


@transaction.atomic
def create_api_key(
    *, user: User, name: str, scopes: Iterable[str], actor: User | None, days: int | None = None
) -> Created:
    """Raises Refused; NotAllowed where a scope reaches every customer and the user may not see them."""
    name, wanted = " ".join(name.split()), _scopes(scopes)
    if not name or len(name) > _LONGEST:
        raise Refused(f"A key needs a name of at most {_LONGEST} characters, that says who will use it.")
    if days is not None and not 1 <= days <= 3650:
        raise Refused("A key lives for between one and 3650 days, or without an end.")
    _may_have(user, wanted)
    _has_factor(user, wanted)
    secret = _PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        user=user,
        name=name,
        secret_hash=hash_of(secret),
        starts=secret[:_SHOWN],
        scopes=list(wanted),
        expires_at=None if days is None else timezone.now() + timedelta(days=days),
    )
    audit_services.record("api_key.created", about=person_subject(user), actor=actor, after=_told(key), for_staff=True)
    tell_of_account(person=user, what=f"A new API key works for your account: {_described(key)}.")
    return Created(key, secret)


@transaction.atomic
def revoke_api_key(*, key: ApiKey, actor: User | None) -> None:
    """It opens nothing from the next call on. Revoking again changes nothing."""
    locked = ApiKey.objects.select_for_update(of=("self",)).select_related("user").get(pk=key.pk)
    if locked.revoked_at is not None:
        return
    locked.revoked_at = timezone.now()
    locked.save(update_fields=("revoked_at",))
    audit_services.record(
        "api_key.revoked", about=person_subject(locked.user), actor=actor, before=_told(locked), for_staff=True
    )


@transaction.atomic
def revoke_api_keys(*, person: User) -> None:
    """All that work, as the person chose with a new password."""
    for key in working_keys_of(person):
        revoke_api_key(key=key, actor=person)


def use_api_key(*, secret: str, scopes: Iterable[Scope], now: datetime) -> ApiKey:
    """The key, if it has all these scopes. Raises BadKey or NotAllowed, neither of which says more than it must."""
    hashed = hash_of(secret)
    found = ApiKey.objects.select_related("user").only(*_NEEDED).order_by().filter(secret_hash=hashed)
    key = next(iter(found), None)
    if key is None or not hmac.compare_digest(key.secret_hash, hashed) or not key.user.is_active:
        raise BadKey("This key is not known.")
    state = key_state(now, expires_at=key.expires_at, revoked_at=key.revoked_at)
    if state is not KeyState.VALID:
        raise BadKey(f"This key is {state}.", code=f"KEY_{state.upper()}")
    wanted = tuple(scopes)
    if missing := [scope for scope in wanted if scope not in key.scopes]:
        raise NotAllowed(f"This key lacks the scope “{missing[0]}”.", code="SCOPE_MISSING")
    _may_have(key.user, wanted)
    _has_factor(key.user, key.scopes)
    if is_use_worth_writing(now, key.last_used_at):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def _scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    try:
        wanted = scopes_named(names)
    except ValueError as error:
        raise Refused(f"A scope is one of {', '.join(Scope)}.") from error
    if not wanted:
        raise Refused("A key without a scope opens nothing. Name at least one.")
    return wanted


def _may_have(user: User, scopes: Iterable[Scope]) -> None:
    """Also at each use: who has left our staff takes no key along."""
    if OF_EVERYBODY.intersection(scopes) and not supports_everyone(user):
        raise NotAllowed("This scope reaches every customer, and is for staff who may see them.", code="STAFF_ONLY")


def _has_factor(user: User, scopes: Iterable[str]) -> None:
    """A key is no way around what the sign-in asks for."""
    if Scope.STAFF in scopes and lacks_second_factor(user):
        raise NotAllowed(
            "Keys with the scope “staff” work only for people with two-step sign-in. Set it up under Your account.",
            code="MFA_REQUIRED",
        )


def _described(key: ApiKey) -> str:
    """Its own name, and what it may do."""
    name = mail_name(key.name, otherwise="without a name")
    until = f"until {key.expires_at:%-d %B %Y}" if key.expires_at else "until it is revoked"
    return f"{name} ({key.starts}…), may {', '.join(key.scopes)}, {until}"


def _told(key: ApiKey) -> dict[str, object]:
    return {
        "key": str(key),
        "scopes": list(key.scopes),
        "until": key.expires_at.isoformat(timespec="seconds") if key.expires_at else None,
    }
