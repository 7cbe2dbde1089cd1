"""Stored secrets are read with any key, and written with the first."""

import pytest
from pytest_django import Settings

from inbound_admin.lib import sealed as inbound_admin_lib_sealed


def test_an_old_key_reads_until_everything_is_resealed(settings: Settings) -> None:
    settings.SEALING_KEY, settings.SEALING_KEY_FALLBACKS = "first", []
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "site", []
    sealed = inbound_admin_lib_sealed.seal("hidden")
    assert "hidden" not in sealed
    settings.SEALING_KEY, settings.SEALING_KEY_FALLBACKS = "second", ["first"]
    assert inbound_admin_lib_sealed.unseal(sealed) == "hidden"
    again = inbound_admin_lib_sealed.reseal(sealed)
    settings.SEALING_KEY_FALLBACKS = []
    assert inbound_admin_lib_sealed.unseal(again) == "hidden"
    with pytest.raises(inbound_admin_lib_sealed.Unreadable, match="SEALING_KEY_FALLBACKS"):
        inbound_admin_lib_sealed.unseal(sealed)


def test_secrets_sealed_with_the_secret_key_stay_readable_with_a_sealing_key(settings: Settings) -> None:
    settings.SEALING_KEY, settings.SECRET_KEY = "", "site"
    sealed = inbound_admin_lib_sealed.seal("hidden")
    settings.SEALING_KEY = "own"
    assert inbound_admin_lib_sealed.unseal(sealed) == "hidden"
