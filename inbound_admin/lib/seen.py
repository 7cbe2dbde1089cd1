"""Stops a form from overwriting what somebody else changed after the form was opened.

The form carries a fingerprint of the stored values that it showed (`SeenField`). The service compares it with the
locked row before it writes (`refuse_if_changed`).
"""

import json
from collections.abc import Mapping

from django import forms
from django.utils.crypto import salted_hmac

from inbound_admin.lib.errors import ChangedMeanwhile

_SALT = "inbound_admin.lib.seen"


class SeenField(forms.CharField):
    """Hidden. Without a value, nothing is compared."""

    def __init__(self) -> None:
        super().__init__(required=False, max_length=64, widget=forms.HiddenInput)


def fingerprint(values: Mapping[str, object]) -> str:
    """Return a fingerprint that reveals none of the values, which may be secrets."""
    return salted_hmac(_SALT, json.dumps(values, sort_keys=True, default=str)).hexdigest()


def refuse_if_changed(seen: str, values: Mapping[str, object]) -> None:
    """Raise ChangedMeanwhile unless the form showed these values. Call it only if the form would change them."""
    if seen and seen != fingerprint(values):
        raise ChangedMeanwhile
