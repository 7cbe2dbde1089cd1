"""Evaluates whether the policy of a bucket, function or topic allows SES, and has the findings of the setup check.

Pure.

It supports the parts of IAM's policy language that such policies use. What it doesn't understand (an operator, a
condition key that SES may not send, a policy variable) is UNCLEAR: neither allowed nor denied. It never removes a
statement from an existing policy, only adds one.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from inbound_admin.lib.errors import AwsDenied, Problem

SES = "ses.amazonaws.com"
SID = "InboundAdminSes"
_COMPARISONS = {"StringEquals": "exact", "StringEqualsIgnoreCase": "folded", "StringLike": "like", "Bool": "folded"}
_COMPARISONS |= {"ArnEquals": "arn", "ArnLike": "arn", "StringNotEquals": "not exact", "StringNotLike": "not like"}
_COMPARISONS |= {"StringNotEqualsIgnoreCase": "not folded", "ArnNotEquals": "not arn", "ArnNotLike": "not arn"}

Statement = Mapping[str, Any]


class PolicyAnswer(StrEnum):
    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    DENIED = "denied"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class SesCall:
    """A call by SES and its request context; `sent` has lower-case keys, because IAM ignores their case."""

    action: str
    resource: str
    sent: tuple[tuple[str, str], ...]


def ses_call(*, action: str, resource: str, account: str, rule_arn: str) -> SesCall:
    """Return the call that SES makes in this account for a rule (ses.md B, Permissions)."""
    sent = {
        "aws:sourceaccount": account,
        "aws:sourcearn": rule_arn,
        "aws:referer": account,
        "aws:sourceowner": account,
        "aws:securetransport": "true",
        "aws:principalisawsservice": "true",
        "aws:principalservicename": SES,
    }
    return SesCall(action, resource, tuple(sent.items()))


def read_policy(text: str) -> dict[str, Any]:
    """Return the document; an empty one for "". Raises ValueError if it isn't a policy."""
    document = json.loads(text) if text else {}
    if not isinstance(document, dict) or not all(isinstance(one, dict) for one in statements(document)):
        raise ValueError("This isn't a policy.")
    return document


def statements(document: Mapping[str, Any]) -> list[Any]:
    return _list(document.get("Statement"))


def evaluate(document: Mapping[str, Any], asked: SesCall) -> PolicyAnswer:
    """Evaluate the policy. A Deny that applies overrides every Allow; one that may apply makes an Allow unclear."""
    found = {
        effect: [_applies(one, asked) for one in statements(document) if one.get("Effect") == effect]
        for effect in ("Allow", "Deny")
    }
    if True in found["Deny"]:
        return PolicyAnswer.DENIED
    if True in found["Allow"]:
        return PolicyAnswer.UNCLEAR if None in found["Deny"] else PolicyAnswer.ALLOWED
    return PolicyAnswer.UNCLEAR if None in found["Allow"] else PolicyAnswer.NOT_ALLOWED


def evaluate_all(document: Mapping[str, Any], asked: Iterable[SesCall]) -> PolicyAnswer:
    """Return the worst answer for several calls: if one rule isn't allowed, SES refuses it."""
    answers = {evaluate(document, each) for each in asked}
    order = (PolicyAnswer.DENIED, PolicyAnswer.NOT_ALLOWED, PolicyAnswer.UNCLEAR)
    return next((answer for answer in order if answer in answers), PolicyAnswer.ALLOWED)


def denying_statements(document: Mapping[str, Any], asked: Iterable[SesCall]) -> tuple[str, ...]:
    """Return the Sids of statements that deny SES, or "a statement without a Sid"."""
    calls = tuple(asked)
    found = [
        str(one.get("Sid") or "a statement without a Sid")
        for one in statements(document)
        if one.get("Effect") == "Deny" and any(_applies(one, each) for each in calls)
    ]
    return tuple(dict.fromkeys(found))


def ses_statement(*, action: str, resource: str, account: str) -> dict[str, Any]:
    """Allow SES to do it for any rule of this account: a rule's ARN would fix one name (ses.md B)."""
    return {
        "Sid": SID,
        "Effect": "Allow",
        "Principal": {"Service": SES},
        "Action": action,
        "Resource": resource,
        "Condition": {"StringEquals": {"AWS:SourceAccount": account}},
    }


def has_statement(document: Mapping[str, Any], statement: Statement) -> bool:
    """Return whether the policy has the statement, with any Sid."""
    return any({**one, "Sid": ""} == {**statement, "Sid": ""} for one in statements(document))


def with_statement(document: Mapping[str, Any], statement: Statement) -> dict[str, Any]:
    """Return the policy with the statement added at the end; with another Sid if its own is in use."""
    if has_statement(document, statement):
        return dict(document)
    current = statements(document)
    taken = {one.get("Sid") for one in current}
    sids = (f"{statement['Sid']}{number or ''}" for number in (0, *range(2, len(current) + 3)))
    sid = next(sid for sid in sids if sid not in taken)
    start = document or {"Version": "2012-10-17"}  # keep an old policy's version: versions differ in reading variables
    return {**start, "Statement": [*current, {**statement, "Sid": sid}]}


def _applies(statement: Statement, asked: SesCall) -> bool | None:
    """Return whether the statement applies; None if unclear."""
    return _all(
        (
            _names(statement, "Principal", _is_ses),
            _names(statement, "Action", lambda value: _matches(value.lower(), asked.action.lower())),
            _names(statement, "Resource", lambda value: _matches(value, asked.resource)),
            _conditions_hold(statement.get("Condition") or {}, dict(asked.sent)),
        )
    )


def _names(statement: Statement, element: str, is_it: Any) -> bool | None:
    """Return whether an element, or its negation such as NotAction, includes the value."""
    if element in statement:
        return _any(is_it(value) for value in _values(statement[element]))
    found = _any(is_it(value) for value in _values(statement.get(f"Not{element}")))
    return None if found is None else not found


def _values(element: Any) -> list[str]:
    """Principals get their kind as a prefix, so that an account isn't taken for a service."""
    if isinstance(element, Mapping):
        return [f"{kind}:{value}" for kind, values in element.items() for value in _list(values)]
    return [str(value) for value in _list(element)]


def _is_ses(principal: str) -> bool:
    return principal in ("*", "AWS:*", "Service:*", f"Service:{SES}")


def _matches(pattern: str, value: str) -> bool | None:
    return None if "${" in pattern else _pattern(pattern).fullmatch(value) is not None


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], sent: Mapping[str, str]) -> bool | None:
    return _all(
        _holds(operator, sent.get(key.lower()), [str(value) for value in _list(wanted)])
        for operator, pairs in conditions.items()
        for key, wanted in pairs.items()
    )


def _holds(operator: str, sent: str | None, wanted: Sequence[str]) -> bool | None:
    how = _COMPARISONS.get(operator.removesuffix("IfExists"))
    if sent is None or how is None:
        return None
    found = _any(_compare(how.removeprefix("not "), value, sent) for value in wanted)
    return found if found is None or not how.startswith("not ") else not found


def _compare(how: str, wanted: str, sent: str) -> bool | None:
    if "${" in wanted:
        return None
    if how == "arn":
        parts = wanted.split(":", 5), sent.split(":", 5)
        return len(parts[0]) == len(parts[1]) and all(map(_matches, *parts))
    if how == "like":
        return _matches(wanted, sent)
    return wanted == sent if how == "exact" else wanted.lower() == sent.lower()


def _all(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    return False if False in found else None if None in found else True


def _any(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    return True if True in found else None if None in found else False


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


class SetupVerdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    COULD_NOT_TELL = "could not tell"


class Button(StrEnum):
    """What an operator can apply after a preview."""

    NONE = ""
    BUCKET_POLICY = "bucket_policy"
    FUNCTION_PERMISSION = "function_permission"


@dataclass(frozen=True)
class SetupFinding:
    """`repair` says what to do; "" if nothing. `paste` is a policy or a command to copy.

    `shown` is the current policy. `button` is for the resource `name`.
    """

    what: str
    verdict: SetupVerdict
    sentence: str
    repair: str = ""
    paste: str = ""
    shown: str = ""
    button: Button = Button.NONE
    name: str = ""


ALLOW_READ = "Give our credentials the permissions listed in the README, then check again."


def could_not_tell(what: str, problem: Problem) -> SetupFinding:
    """Return the finding of a failed read, which proves nothing."""
    repair = ALLOW_READ if isinstance(problem, AwsDenied) else ""
    return SetupFinding(what, SetupVerdict.COULD_NOT_TELL, str(problem), repair)


MOST_NAMED = 5


def first_of(names: Sequence[str]) -> str:
    """The first names for a sentence, and the number of the others."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
