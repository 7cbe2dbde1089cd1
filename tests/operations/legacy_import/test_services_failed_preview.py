"""A customer of an import whose preview fails unexpectedly."""

from typing import Any

import pytest

from domains.models.domains import Domain
from operations.models import LegacyImportRow
from receipt_rules.models.addresses import Address
from sandbox.process import Sandbox
from tests.operations.legacy_documents import document
from tests.operations.legacy_import.test_services import preview, results

pytestmark = pytest.mark.django_db


def test_a_customer_whose_preview_fails_holds_up_no_other_customer_or_import(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = document()
    found["users"].append({"id": "u2", "email": "bob@example.com", "name": "Bob"})
    save = Address.save

    def fail(self: Address, *args: Any, **kwargs: Any) -> None:
        if self.address == "old@shop.com":
            raise KeyError("unforeseen")
        save(self, *args, **kwargs)

    monkeypatch.setattr(Address, "save", fail)
    shown = results(preview(found))
    assert shown.pop(("person", "bob@example.com")) == "new"
    assert set(shown.values()) == {"failed"}
    assert "internal error" in LegacyImportRow.objects.filter(result="failed")[0].words
    assert not Domain.objects.exists()
