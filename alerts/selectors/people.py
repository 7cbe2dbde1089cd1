"""Who is who, as far as this app knows: by what a person may do, and by which customers they belong to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from alerts.core.audiences import Audience, CustomerPeople, Staff

SUPPORTS_EVERYONE = "tenants.support_customer"
MANAGES_STAFF_WEBHOOKS = "alerts.manage_staff_webhooks"
_BACKEND = "django.contrib.auth.backends.ModelBackend"


@dataclass(frozen=True)
class Belonging:
    """One customer that a person is a member of."""

    customer_id: str
    name: str
    is_owner: bool


def belongings_of(viewer: Any) -> tuple[Belonging, ...]:
    """By name; nothing for whoever is not signed in, or switched off."""
    if not viewer.is_active or viewer.pk is None:
        return ()
    columns = ("memberships__customer", "memberships__customer__name", "memberships__role")
    rows = get_user_model()._default_manager.filter(pk=viewer.pk).values_list(*columns).order_by(columns[1])
    return tuple(Belonging(str(pk), str(name), role == "owner") for pk, name, role in rows if pk)


def customers_of(viewer: Any) -> "QuerySet[Any]":
    """The ids of the viewer's customers, for use inside another query."""
    members = get_user_model()._default_manager.filter(pk=viewer.pk, memberships__customer__isnull=False)
    return members.values("memberships__customer")


def supports_everyone(viewer: Any) -> bool:
    return bool(viewer.is_active and viewer.has_perm(SUPPORTS_EVERYONE))


def told_of(audience: Audience) -> "QuerySet[Any]":
    """The active people whom an alert for this audience is told."""
    people: QuerySet[Any] = get_user_model()._default_manager.filter(is_active=True)
    if isinstance(audience, CustomerPeople):
        return people.filter(memberships__customer=audience.customer_id, memberships__role="owner")
    if isinstance(audience, Staff):
        able: Any = get_user_model().objects
        return people.filter(is_staff=True, pk__in=able.with_perm(audience.permission, backend=_BACKEND).values("pk"))
    return people.filter(pk=audience.user_id)


def customer_names(ids: Iterable[str]) -> dict[str, str]:
    """The name of each customer that has members; for pages of staff."""
    columns = ("memberships__customer", "memberships__customer__name")
    people = get_user_model()._default_manager.filter(memberships__customer__in=set(ids))
    return {str(pk): str(name) for pk, name in people.values_list(*columns).distinct()}
