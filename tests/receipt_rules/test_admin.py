"""Receiving in Django admin: read-only lists, and a few actions through services within each role's permissions."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from audit.models import Change
from domains.receiving.core import RulesFact
from receipt_rules.admin import RULES_WORDS
from receipt_rules.models.addresses import Address
from receipt_rules.models.runs import PendingChange, Run
from tests.factories import make_staff
from tests.receipt_rules.factories import make_address, make_verified

pytestmark = pytest.mark.django_db
SHOWN = [model for model in apps.get_app_config("receipt_rules").get_models() if admin.site.is_registered(model)]


def signed_in(role: Role) -> Client:
    client = Client()
    client.force_login(make_staff(role))
    return client


def make_run() -> Run:
    return Run.objects.create(kind="approved", region="eu-west-1", digest="d", touched="t", summary="s", calls=3)


def run_action(client: Client, action: str, *rows: Model) -> str:
    url = reverse(f"admin:receipt_rules_{rows[0]._meta.model_name}_changelist")
    return client.post(url, {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True).text


def test_every_fact_about_an_addresss_rules_has_words() -> None:
    assert set(RULES_WORDS) == set(RulesFact) - {RulesFact.NOTHING, RulesFact.CAUGHT}  # CAUGHT: only of a name


@pytest.mark.parametrize("model", SHOWN)
def test_support_can_open_every_list_but_add_nothing(model: type[Model]) -> None:
    client, name = signed_in(Role.SUPPORT), f"admin:receipt_rules_{model._meta.model_name}"
    assert client.get(reverse(f"{name}_changelist")).status_code == 200
    assert client.get(reverse(f"{name}_add")).status_code == 403


def test_an_operator_disables_addresses_through_the_service() -> None:
    domain = make_verified("shop.com")
    rows = [make_address(f"{name}@shop.com", domain) for name in "ab"]
    assert "Done: a@shop.com" in run_action(signed_in(Role.OPERATOR), "switch_off", *rows)
    assert not Address.objects.filter(is_active=True).exists()
    assert Change.objects.filter(what="address.changed").count() == 2
    assert PendingChange.objects.get().customer == domain.customer


def test_support_cannot_disable_an_address() -> None:
    row, client = make_address("a@shop.com", make_verified("shop.com")), signed_in(Role.SUPPORT)
    run_action(client, "switch_off", row)
    row.refresh_from_db()
    assert row.is_active


def test_a_run_is_cancelled_once_and_cannot_be_edited_or_deleted() -> None:
    run, client = make_run(), signed_in(Role.OPERATOR)
    assert "Done: " in run_action(client, "cancel", run)
    run.refresh_from_db()
    assert run.cancelled_at is not None
    Run.objects.update(state="done")
    assert "The run has already ended" in run_action(client, "cancel", run)
    page = client.get(reverse("admin:receipt_rules_run_change", args=[quote(run.pk)]))
    assert page.status_code == 200
    assert 'name="summary"' not in page.text
    assert (
        client.post(reverse("admin:receipt_rules_run_delete", args=[quote(run.pk)]), {"post": "yes"}).status_code == 403
    )
