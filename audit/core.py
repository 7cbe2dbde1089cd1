"""Words of the change log."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inbound_admin.lib.tables import keyed, read_toml

_WORDS = read_toml(Path(__file__).with_name("words.toml"), dict[str, dict[str, str]])
WORDS = keyed((f"{about}.{done}", words) for about, verbs in _WORDS.items() for done, words in verbs.items())
# What changes, events and alerts are about: each `Subject.type`.
OBJECT_TYPES = frozenset(
    "account address amazon aws_account bucket bulk catch_all customer difference domain drift endpoint expectation "
    "forwarding function migration moving_in person probe quota received received_mail receiving record rule_set runs "
    "tenant webhook".split()
)
_TYPES = {"aws_account": "AWS account", "bulk": "Bulk action", "difference": "Drift", "moving_in": "Import"}
NAMES = {
    "dkim_signing": "DKIM signing",
    "dkim_tokens": "DKIM tokens",
    "dmarc_reports_to": "DMARC reports to",
    "dkim_zone": "DKIM zone",
    "mail_from": "MAIL FROM domain",
    "told": "message to the customer",
    "review_on": "review date",
    "on_mx_failure": "MAIL FROM fallback",
    "wants_apex_spf": "SPF record",
    "wants_dmarc": "DMARC record",
}
_WORD = re.compile("[a-z]+(_[a-z]+)+")  # a state such as "not_checked", but no ID
# Statuses of a domain, as its pages show them.
STATES = {
    "not_checked": "Not checked",
    "waiting": "Action needed",
    "spreading": "Pending",
    "verified": "Verified",
    "at_risk": "At risk",
    "wrong": "Needs fixing",
    "could_not_check": "Check failed",
}
STAFF_KEYS = ("run", "steps_done")  # of runs of rule changes, which customers have no page of
VALUES = {"UseDefaultValue": "use SES's MAIL FROM domain", "RejectMessage": "reject outgoing mail"}


@dataclass(frozen=True)
class Detail:
    """One value that a change touched. None: it was absent before, or is absent now."""

    name: str
    old: str | None
    new: str | None
    for_staff: bool = False


def words_for(what: str) -> str:
    """Return the words for a verb, or the verb itself if it has none."""
    return WORDS.get(what, what)


def type_words(object_type: str) -> str:
    """Return the words for a `Subject.type`."""
    return _TYPES.get(object_type) or object_type.replace("_", " ").capitalize()


def details(before: Mapping[str, Any], after: Mapping[str, Any], what: str = "") -> tuple[Detail, ...]:
    """Return the differences in the order in which they were written. `what`: the verb."""
    keys = dict.fromkeys((*before, *after))
    is_domain = what.startswith("domain.")
    found = (_detail(key, before.get(key), after.get(key), is_domain=is_domain) for key in keys)
    return tuple(detail for detail in found if (detail.old, detail.new) != (None, None))


def _detail(key: str, old: Any, new: Any, *, is_domain: bool) -> Detail:
    if key == "state" and is_domain:
        return Detail("status", _text(STATES.get(old, old)), _text(STATES.get(new, new)))
    return Detail(NAMES.get(key, key.replace("_", " ")), _text(old), _text(new), key in STAFF_KEYS)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, str):
        return VALUES.get(value, value.replace("_", " ") if _WORD.fullmatch(value) else value) or None
    return None if value is None else str(value)
