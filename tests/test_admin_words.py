"""Columns and filters of Django admin show labels, not stored codes."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.test import Client

from accounts.roles import Role
from tests.domains.factories import make_domain
from tests.factories import make_customer, make_staff
from tests.receipt_rules.factories import make_address
from tests.tenants.factories import make_tenant

# Codes that are names themselves: AWS's, our API's and the queue's.
NAMES = {"region", "event", "queue_name", "task_name", "ProcrastinateJob.status"}


def _field(model: Any, path: str) -> Any:
    for part in () if path.startswith("__") else path.split("__")[:-1]:
        model = model._meta.get_field(part).related_model
    try:
        return model._meta.get_field(path.rpartition("__")[2])
    except FieldDoesNotExist:
        return None


def _raw() -> Iterator[str]:
    for model, registered in admin.site._registry.items():
        for name in (*registered.list_display, *registered.list_filter):
            field = _field(model, name) if isinstance(name, str) else None
            choices = [(str(value), str(label)) for value, label in getattr(field, "choices", None) or ()]
            in_filter = name in registered.list_filter
            is_code = isinstance(field, models.CharField) and (in_filter or choices)
            if is_code and all(value == label for value, label in choices):
                yield f"{model.__name__}.{name}"


def test_no_column_or_filter_shows_a_code() -> None:
    assert [each for each in _raw() if each not in NAMES and each.rpartition(".")[2] not in NAMES] == []


@pytest.mark.django_db
def test_lists_and_filters_show_labels() -> None:
    domain = make_domain(customer=make_customer())
    make_address(f"a@{domain.name}", domain, rules="carried")
    make_address(f"b@{domain.name}", domain, rules="not_set_up")
    make_tenant(standing="suspended")
    client = Client()
    client.force_login(make_staff(Role.ADMIN))
    addresses, tenants = (client.get(f"/admin/{path}/").text for path in ("receipt_rules/address", "tenants/tenant"))
    assert ("carried" in addresses.replace("=carried", ""), addresses.count("Receiving not set up")) == (False, 2)
    assert tenants.count("Suspended by AWS") == 2  # in the row, and in the filter
    assert client.get("/admin/receipt_rules/address/?rules=carried").text.count("field-address") == 1
