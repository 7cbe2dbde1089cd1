"""Whether a resource policy lets SES in: the part of IAM that policies for SES use."""

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

SES = "ses.amazonaws.com"
# A condition with another operator, or on a key that SES doesn't send, is false.
_EXACT = ("StringEquals", "StringEqualsIgnoreCase")
_LIKE = ("StringLike", "ArnEquals", "ArnLike")


def allows(
    policy: str | bytes | Mapping[str, Any] | None, *, action: str, resource: str, context: Mapping[str, str]
) -> bool:
    """`context`: what SES sends, `aws:SourceAccount` and `aws:SourceArn`. Its keys are case-insensitive."""
    if not policy:
        return False
    document = policy if isinstance(policy, Mapping) else json.loads(policy)
    matching = [one for one in _list(document.get("Statement")) if _applies(one, action, resource, context)]
    effects = {statement.get("Effect") for statement in matching}
    return "Allow" in effects and "Deny" not in effects


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    return (
        _is_ses(statement.get("Principal"))
        and any(fnmatchcase(action.lower(), str(allowed).lower()) for allowed in _list(statement.get("Action")))
        and any(fnmatchcase(resource, str(allowed)) for allowed in _list(statement.get("Resource")))
        and _conditions_hold(statement.get("Condition") or {}, context)
    )


def _is_ses(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        return SES in _list(principal.get("Service")) or "*" in _list(principal.get("AWS"))
    return bool(principal == "*")


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    sent = {key.lower(): value for key, value in context.items()}
    return all(
        _holds(operator, sent.get(key.lower()), _list(wanted))
        for operator, pairs in conditions.items()
        for key, wanted in pairs.items()
    )


def _holds(operator: str, sent: str | None, wanted: Sequence[Any]) -> bool:
    if sent is None:
        return False
    if operator in _EXACT:
        return sent in [str(value) for value in wanted]
    return operator in _LIKE and any(fnmatchcase(sent, str(value)) for value in wanted)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
