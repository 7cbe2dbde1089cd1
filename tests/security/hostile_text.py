"""Markup, a formula and a script URL in every text column of every row, and the detection of markup that gets
active.
"""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import count
from typing import Any

import pgtrigger
from django.apps import apps
from django.db import models

from receipt_rules.models.endpoints import Endpoint

MARK = "onxss"
# Ends an attribute of either kind and an element, and starts its own; for a spreadsheet it is a formula.
MARKUP = f"=\"'></script></textarea></title><xss {MARK}=1>"
ADDRESS = f"javascript:{MARK}(1)"
APPS = ("accounts", "audit", "domains", "notifications", "operations", "receipt_rules", "tenants")
# Written only by our code, in a grammar without markup: keys, states, names of DNS and AWS.
INTERNAL = set(
    "id kind state stage region type event permission object_type object_id customer_id about_customer_id code key "
    "zone token claim_token deletion_bulk_id bulk_id digest touched role scopes area fate decision standing policy "
    "policy_told suppression suppression_told ses_policy ses_suppression staff_status amazon_status aggregate impact "
    "layer old new arn identity_status dkim_status mail_from_status on_mx_failure ses_on_mx_failure dkim_origin "
    "override_state known_state receiving_state provider pace verdict chosen form severity status outcome actor_kind "
    "what claim_reason password secret old_secret sealed_url sealed_config hash prefix rules mail_from_label "
    "verification_token dkim_tokens dkim_zone unwanted by_mail theme timezone call rates_source".split()
)
# JSON columns with texts by others; the rest contain our own states.
FOREIGN_JSON = set(
    "Change.before Change.after Event.data Batch.words RecordCheck.found Difference.wanted Difference.found "
    "LegacyImportRow.values IgnoredDifference.because".split()
)
_numbers = count(1)
NAMES_OF_DNS = {"Domain.name", "Domain.ses_mail_from", "Address.address", "User.email", "Invitation.email"}


def plant(text: str) -> int:
    """Write the text into all text columns. Return their number."""
    planted = 0
    with pgtrigger.ignore():
        for model in apps.get_models():
            if model._meta.app_label in APPS and not model._meta.proxy:
                columns = [field for field in model._meta.concrete_fields if _is_planted(model, field)]
                planted += len(columns)
                for row in model._default_manager.all():
                    model._default_manager.filter(pk=row.pk).update(
                        **{each.name: _with(text, row, each) for each in columns}
                    )
    for endpoint in Endpoint.objects.all():
        endpoint.config = {"url": f"https://a.example/{text}", "headers": {"X-Any": text}}
        endpoint.save()
    return planted


def _is_planted(model: type[models.Model], field: Any) -> bool:
    if field.name in INTERNAL or field.primary_key or field.choices or f"{model.__name__}.{field.name}" in NAMES_OF_DNS:
        return False
    if field.get_internal_type() == "JSONField":
        return f"{model.__name__}.{field.name}" in FOREIGN_JSON
    return field.get_internal_type() in ("CharField", "TextField", "ArrayField")


def _with(text: str, row: models.Model, field: Any) -> Any:
    value = getattr(row, field.attname)
    if field.get_internal_type() == "JSONField":
        return _deep(value, text)
    if field.get_internal_type() == "ArrayField":
        return [text for _ in value] if value else value
    number = f" {next(_numbers)}"  # some columns are unique
    return text[: (field.max_length or 10_000) - len(number)] + number


def _deep(value: Any, text: str) -> Any:
    """Replace every text in the value."""
    if isinstance(value, str):
        return text
    if isinstance(value, list):
        return [_deep(each, text) for each in value]
    return {key: _deep(each, text) for key, each in value.items()} if isinstance(value, dict) else value


class ActiveMarkup(HTMLParser):
    """Find elements and attributes that a browser would create from a text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "xss" or any(name.startswith(MARK) for name, _ in attrs):
            self.found.append(f"<{tag} {dict(attrs)}>")
        for name, value in attrs:
            self.found += [f"<{tag} {name}={value}>" for _ in _runs(name, value or "")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)


def _runs(name: str, value: str) -> Iterator[str]:
    """Yield script URLs, and JSON that a text has broken."""
    leads = name in ("href", "src", "action", "formaction") or name.startswith("hx-")
    if leads and value.strip().lower().startswith(("javascript:", "data:text")):
        yield value
    if name in ("hx-vals", "hx-headers") and not _is_json(value):
        yield value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def active_markup(page: str) -> list[str]:
    parser = ActiveMarkup()
    parser.feed(page)
    parser.close()
    return parser.found
