"""No page or API call sets a field that its form or body does not have: a role, an owner, a state, a proof."""

from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.db.models import Field
from django.test import Client
from django.urls import reverse

from accounts.models.people import Customer, User
from accounts.roles import Role
from audit.models import ActorKind, Change
from domains.models.domains import Domain
from sandbox.process import Sandbox
from tests.api_client import description
from tests.api_rows import World as ApiWorld
from tests.factories import make_customer, make_member, make_staff
from tests.test_api_access import TABLE, _api, _called, world
from tests.writes.every import WRITES
from tests.writes.world import World, Write

pytestmark = pytest.mark.django_db
api_world = world  # the fixture under another name
APPS = ("accounts", "audit", "domains", "notifications", "operations", "receipt_rules", "tenants")
FLAG_FIELDS = (
    "is_staff is_superuser is_active staff admin verified is_verified is_proven email_verified approved confirmed "
    "is_paused sends receives owned"
).split()
OWNER_FIELDS = (
    "customer customer_id customerId owner owner_id ownerId about_customer_id holder holder_id tenant tenant_id".split()
)
OTHER_FIELDS = {
    **dict.fromkeys(("role", "roles", "groups", "group"), Role.ADMIN.value),
    **dict.fromkeys(("scope", "scopes"), "staff"),
    **dict.fromkeys(("state", "stage", "override_state", "identity_status", "staff_status"), "verified"),
    **dict.fromkeys(("password", "new_password", "secret", "secret_hash", "token", "claim_token"), "of-the-attacker"),
    **dict.fromkeys(("id", "pk", "user", "user_id", "actor", "by", "by_id", "created_at", "proven_at"), "1"),
}


ALL_CUSTOMERS = ("operations:plan_migration",)  # a migration of all customers includes Bob


def extra_fields(bob: Customer) -> dict[str, str]:
    return {**dict.fromkeys(FLAG_FIELDS, "on"), **dict.fromkeys(OWNER_FIELDS, bob.pk), **OTHER_FIELDS}


def rights() -> list[Any]:
    """Return the permissions of each user."""
    return [
        (
            user.pk,
            user.is_staff,
            user.is_superuser,
            user.is_active,
            user.password,
            sorted(user.groups.values_list("name", flat=True)),
        )
        for user in User.objects.order_by("pk")
    ]


def owned_by(customer: Customer) -> dict[str, int]:
    """Return how many rows of each table refer to the customer."""
    found = {}
    for label in APPS:
        for model in apps.get_app_config(label).get_models():
            for field in model._meta.concrete_fields:
                if _names_customers(field):
                    name = f"{model.__name__}.{field.attname}"
                    found[name] = model._default_manager.filter(**{field.attname: customer.pk}).count()
    return found


def _names_customers(field: "Field[Any, Any]") -> bool:
    return field.related_model is Customer or field.name in ("customer_id", "about_customer_id")


@pytest.fixture
def bob(db: None) -> Customer:
    customer = make_customer("Bob Ltd")
    make_member(customer)
    return customer


@pytest.fixture
def page_world(sandbox: Sandbox) -> World:
    customer = make_customer("Alice Ltd")
    roles = {"sam": Role.SUPPORT, "olga": Role.OPERATOR, "tess": Role.TRUST_AND_SAFETY, "adam": Role.ADMIN}
    staff = {name: make_staff(role) for name, role in roles.items()}
    return World(sandbox, customer, {"alice": make_member(customer), **staff})


@pytest.mark.parametrize("write", WRITES, ids=str)
def test_a_form_sets_only_its_own_fields(write: Write, page_world: World, bob: Customer) -> None:
    """Extra fields are ignored or refused: the change log has the same change, or none."""
    post, client = write.of(page_world), Client()
    client.force_login(page_world.people[write.who])
    known = set(Change.objects.values_list("pk", flat=True))
    held, rows, proven = rights(), owned_by(bob), Domain.objects.exclude(override_state="").count()
    client.post(reverse(write.name, args=post.args) + post.query, extra_fields(bob) | post.form)
    lines = Change.objects.exclude(pk__in=known).filter(actor_kind=ActorKind.PERSON)
    assert {line.what for line in lines} <= {write.what, *write.beside}
    assert [each for each in rights() if each[0] in {one[0] for one in held}] == held
    assert not [each for each in rights() if each not in held and (each[1] or each[2] or each[5])]
    if write.name not in ALL_CUSTOMERS:
        assert owned_by(bob) == rows
    if not write.what.startswith("domain."):
        assert Domain.objects.exclude(override_state="").count() == proven


def form_classes() -> Iterator[type[forms.BaseForm]]:
    pending: list[Any] = [forms.BaseForm]
    while pending:
        found = pending.pop()
        pending += found.__subclasses__()
        if found.__module__.partition(".")[0] in APPS and not found.__module__.endswith(".admin"):
            yield found


def test_no_page_form_takes_its_fields_from_a_model() -> None:
    found = list(form_classes())
    assert len(found) > 20
    assert not [one for one in found if issubclass(one, forms.BaseModelForm)]


# Operations that somebody in the table can call; the two for the delivery function need their own scope.
WRITING = sorted(
    name for name, row in TABLE.items() if row.body and not name.startswith("GET") and min(row.statuses) < 300
)


def body_schema(operation: str) -> dict[str, Any] | None:
    """Return the schema of its body, or None."""
    method, _, path = operation.partition(" ")
    body = description()["paths"][path][method.lower()].get("requestBody")
    return body["content"]["application/json"]["schema"] if body else None


@pytest.mark.parametrize("operation", WRITING)
def test_an_extra_field_in_a_body_is_refused_or_ignored(operation: str, api_world: ApiWorld, bob: Customer) -> None:
    """Our own operations refuse it; the older families ignore it, as their clients expect."""
    row = TABLE[operation]
    if row.prepare:
        row.prepare(api_world)
    sent_body = row.body(api_world) if row.body else None
    who = "alice" if row.statuses[1] < 300 else "adam"
    held, rows = rights(), owned_by(bob)
    caller = _api(who, api_world)
    held = rights() if who != "alice" else held
    if not isinstance(sent_body, dict):
        pytest.skip("its body is a list")
    extra = {"isStaff": True, "isSuperuser": True, "role": "owner", "stateOfAnAttacker": "verified", "ownerId": bob.pk}
    answer = _called(operation, caller, api_world.ids, extra | sent_body)
    schema = body_schema(operation)
    assert schema is not None
    if operation.split(" ")[1].startswith("/api/v2") and is_closed(schema):
        assert answer.status_code in (400, 422), answer.content
    assert rights() == held
    assert owned_by(bob) == rows


def is_closed(schema: dict[str, Any]) -> bool:
    components = description()["components"]["schemas"]
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return components.get(name, schema).get("additionalProperties") is False


def test_most_bodies_refuse_extra_fields() -> None:
    closed = [operation for operation in WRITING if (schema := body_schema(operation)) and is_closed(schema)]
    assert len(closed) >= 18
