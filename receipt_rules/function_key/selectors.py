"""Reads the API keys that the receiving function may have."""

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings

from accounts.api_keys.core import FUNCTION_SCOPES, KeyState, Scope, key_state
from accounts.models.api_keys import ApiKey
from accounts.people.selectors import supports_everyone
from receipt_rules.function_key.core import KeyProblem, KeyReport, KeyUse, report
from receipt_rules.models.runs import ActiveRuleSet

_PROBLEMS = {KeyState.EXPIRED: KeyProblem.EXPIRED, KeyState.REVOKED: KeyProblem.REVOKED, KeyState.VALID: None}


def key_report(now: datetime) -> KeyReport:
    """Return what is known of the function's key. Nothing is reported where no function is set."""
    if not settings.RECEIVING_FUNCTION:
        return KeyReport()
    keys = ApiKey.objects.filter(scopes__contains=[Scope.ROUTE]).select_related("user")
    here = ActiveRuleSet.objects.filter(region=settings.AWS_REGION, function_key_at__isnull=False)
    known = dict(here.values_list("function_key", "function_key_at"))
    return report([_use(key, now, known) for key in keys], now)


def last_lookup() -> datetime | None:
    """Return when a key was last accepted for route lookup; None if never."""
    used = ApiKey.objects.filter(scopes__contains=[Scope.ROUTE], last_used_at__isnull=False).order_by("-last_used_at")
    return used.values_list("last_used_at", flat=True).first()


def _use(key: ApiKey, now: datetime, known: Mapping[str, datetime | None]) -> KeyUse:
    """`known`: by ID, when our function used a key; empty for a function that doesn't tell: then any use counts."""
    problem = _PROBLEMS[key_state(now, expires_at=key.expires_at, revoked_at=key.revoked_at)]
    if problem is None and not supports_everyone(key.user):
        problem = KeyProblem.NOT_STAFF
    has_both = set(key.scopes) >= FUNCTION_SCOPES
    by_function = known.get(key.pk) if known else key.last_used_at
    return KeyUse(str(key), problem, has_both, key.last_used_at, key.last_refused_at, key.expires_at, by_function)
