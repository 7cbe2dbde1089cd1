"""Create, use and revoke API keys. Only the caller has the secret; we store its hash."""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.api_keys.core import (
    FUNCTION_SCOPES,
    OF_EVERYBODY,
    KeyState,
    Scope,
    is_use_worth_writing,
    key_state,
    scopes_named,
)
from accounts.members.core import hash_of
from accounts.models.api_keys import ApiKey
from accounts.models.people import User
from accounts.people.selectors import lacks_second_factor, supports_everyone, working_keys_of
from accounts.people.services import notify_about_account, person_subject
from audit import services as audit_services
from inbound_admin.lib.errors import NotAllowed, Refused
from inbound_admin.lib.mail_names import mail_name

_PREFIX, _SHOWN, _LONGEST = "ia_", 8, 120
# The columns of a person that permissions need, since these are read before every call.
_NEEDED = (
    *("name", "starts", "secret_hash", "scopes", "last_used_at", "last_refused_at", "expires_at", "revoked_at"),
    *("user__is_active", "user__is_staff", "user__is_superuser", "user__email"),
)


class BadKey(Refused):
    """The key is unknown, expired or revoked."""

    code = "BAD_KEY"
    status = 401


@dataclass(frozen=True)
class Created:
    """A new key. `secret` can't be retrieved again."""

    key: ApiKey
    secret: str


@transaction.atomic
def create_api_key(
    *, user: User, name: str, scopes: Iterable[str], actor: User | None, days: int | None = None
) -> Created:
    """Raises Refused; NotAllowed if a scope reaches every customer and the user may not see them."""
    name, wanted = " ".join(name.split()), _scopes(scopes)
    if not name or len(name) > _LONGEST:
        raise Refused(f"Enter a name of at most {_LONGEST} characters that says what will use the key.")
    if days is not None and not 1 <= days <= 3650:
        raise Refused("Choose between 1 and 3,650 days, or no expiry.")
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
    audit_services.record(
        "api_key.created", about=person_subject(user), actor=actor, after=_logged_key(key), for_staff=True
    )
    notify_about_account(person=user, what=f"A new API key was created for your account: {_description_of(key)}.")
    return Created(key, secret)


@transaction.atomic
def revoke_api_key(*, key: ApiKey, actor: User | None) -> None:
    """Revoke the key, effective from the next call. Revoking it again changes nothing."""
    locked = ApiKey.locked(key.pk, "user")
    if locked.revoked_at is not None:
        return
    locked.revoked_at = timezone.now()
    locked.save(update_fields=("revoked_at",))
    audit_services.record(
        "api_key.revoked", about=person_subject(locked.user), actor=actor, before=_logged_key(locked), for_staff=True
    )


@transaction.atomic
def revoke_api_keys(*, person: User) -> None:
    """Revoke all active keys, as the person chose with a new password."""
    for key in working_keys_of(person):
        revoke_api_key(key=key, actor=person)


def use_api_key(*, secret: str, scopes: Iterable[Scope], now: datetime) -> ApiKey:
    """Return the key if it has all these scopes. Raises BadKey or NotAllowed without revealing more than needed.

    A refused call of the receiving function is stored with its key: without it, no mail is delivered.
    """
    hashed, wanted = hash_of(secret), tuple(scopes)
    found = ApiKey.objects.select_related("user").only(*_NEEDED).order_by().filter(secret_hash=hashed)
    key = next(iter(found), None)
    if key is None or not hmac.compare_digest(key.secret_hash, hashed):
        raise BadKey("Unknown API key.")
    try:
        _may_be_used(key, wanted, now)
    except Refused:
        is_function = FUNCTION_SCOPES.intersection(wanted) and FUNCTION_SCOPES.intersection(key.scopes)
        if is_function and is_use_worth_writing(now, key.last_refused_at):
            ApiKey.objects.filter(pk=key.pk).update(last_refused_at=now)
        raise
    if is_use_worth_writing(now, key.last_used_at):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def _may_be_used(key: ApiKey, wanted: tuple[Scope, ...], now: datetime) -> None:
    if not key.user.is_active:
        raise BadKey("Unknown API key.")
    state = key_state(now, expires_at=key.expires_at, revoked_at=key.revoked_at)
    if state is not KeyState.VALID:
        raise BadKey(f"This API key is {state}.", code=f"KEY_{state.upper()}")
    if missing := [scope for scope in wanted if scope not in key.scopes]:
        is_out_of_reach = missing[0] in OF_EVERYBODY and not supports_everyone(key.user)
        sentence = f"This API key doesn't have the scope “{missing[0]}”."
        sentence = "This operation is for staff only." if is_out_of_reach else sentence
        raise NotAllowed(sentence, code="SCOPE_MISSING")
    _may_have(key.user, wanted)
    _has_factor(key.user, key.scopes)


def _scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    try:
        wanted = scopes_named(names)
    except ValueError as error:
        raise Refused(f"Unknown scope. Choose from: {', '.join(Scope)}.") from error
    if not wanted:
        raise Refused("Choose at least one scope.")
    return wanted


def _may_have(user: User, scopes: Iterable[Scope]) -> None:
    """Checked at each use too, so former staff lose access."""
    if OF_EVERYBODY.intersection(scopes) and not supports_everyone(user):
        raise NotAllowed("This scope gives access to every customer, so it is for staff only.", code="STAFF_ONLY")


def _has_factor(user: User, scopes: Iterable[str]) -> None:
    """A key can't bypass the two-step sign-in required of staff."""
    if Scope.STAFF in scopes and lacks_second_factor(user):
        raise NotAllowed(
            "The scope “staff” requires two-step sign-in. Set it up under Your account.",
            code="MFA_REQUIRED",
        )


def _description_of(key: ApiKey) -> str:
    """Return the key's name, scopes and expiry as text."""
    name = mail_name(key.name, otherwise="unnamed")
    until = f"expires {key.expires_at:%-d %B %Y}" if key.expires_at else "no expiry"
    return f"{name} ({key.starts}…), scopes {', '.join(key.scopes)}, {until}"


def _logged_key(key: ApiKey) -> dict[str, object]:
    return {
        "key": str(key),
        "scopes": list(key.scopes),
        "until": key.expires_at.isoformat(timespec="seconds") if key.expires_at else None,
    }
