"""Encrypts every stored secret again with the first key, and finds secrets that no key opens.

One list of the columns, which a test compares with the models.
"""

from collections.abc import Callable, Mapping
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import transaction

from inbound_admin.lib.sealed import Unreadable, is_sealed, reseal, unseal
from notifications.models.webhooks import WebhookTarget
from operations.models import LegacyImportRow
from receipt_rules.models.endpoints import Endpoint

SEALED: Mapping[type[Any], tuple[str, ...]] = {
    Endpoint: ("sealed_config",),
    WebhookTarget: ("sealed_url", "secret", "old_secret"),
    LegacyImportRow: ("values",),
    Authenticator: ("data",),
}
TRIED = 50  # rows of each kind, from both ends: keys are replaced in the order of time


def reseal_everything() -> dict[str, int]:
    """Return the number of re-encrypted rows by model. Raises `sealed.Unreadable`; then nothing was changed."""
    with transaction.atomic():
        return {str(model._meta.verbose_name_plural): _reseal(model, fields) for model, fields in SEALED.items()}


def unreadable_secrets() -> list[str]:
    """Return the kinds of rows whose secrets no key opens. Of each kind, the first and last rows are tried."""
    return [str(model._meta.verbose_name_plural) for model, fields in SEALED.items() if not _opens(model, fields)]


def _opens(model: type[Any], fields: tuple[str, ...]) -> bool:
    rows = apps.get_model(model._meta.label).objects
    tried = [*rows.order_by("pk")[:TRIED], *rows.order_by("-pk")[:TRIED]]
    try:
        for row in tried:
            for name in fields:
                _changed(getattr(row, name), unseal)
    except Unreadable:
        return False
    return True


def _reseal(model: type[Any], fields: tuple[str, ...]) -> int:
    number = 0
    for row in apps.get_model(model._meta.label).objects.select_for_update().iterator():
        before = [getattr(row, name) for name in fields]
        after = [_changed(value, reseal) for value in before]
        if before != after:
            for name, value in zip(fields, after, strict=True):
                setattr(row, name, value)
            row.save(update_fields=fields)
            number += 1
    return number


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """Apply the change to encrypted texts at any depth."""
    if isinstance(value, str):
        return change(value) if is_sealed(value) else value
    if isinstance(value, dict):
        return {key: _changed(each, change) for key, each in value.items()}
    return [_changed(each, change) for each in value] if isinstance(value, list) else value
