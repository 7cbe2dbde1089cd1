"""Reads alerts as a viewer may see them, and their recipients.

People are known here only by their permissions and memberships.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.urls import NoReverseMatch, reverse

from inbound_admin.lib.database import in_values
from notifications.alerts.core import PAGES, REGION_PAGES, STAFF_PAGES, AlertState, Audience, CustomerPeople, Staff
from notifications.models.alerts import LIVE, Alert

SUPPORTS_EVERYONE = "accounts.support_customer"
MANAGES_STAFF_WEBHOOKS = "notifications.manage_staff_webhooks"
OPEN, ACKNOWLEDGED, OVER = "open", "acknowledged", "recovered"  # as the API names them
IN_STATE = {
    OPEN: Q(state=AlertState.OPEN, acknowledged_at=None),
    ACKNOWLEDGED: Q(state=AlertState.OPEN, acknowledged_at__isnull=False),
    OVER: Q(state=AlertState.RECOVERED),
    "all": Q(),
}
_BACKEND = "django.contrib.auth.backends.ModelBackend"


@dataclass(frozen=True)
class CustomerMembership:
    """One customer that a person is a member of."""

    customer_id: str
    name: str
    is_owner: bool


def memberships_of(viewer: Any) -> tuple[CustomerMembership, ...]:
    """Return the viewer's customers by name; none if not signed in or disabled."""
    if not viewer.is_active or viewer.pk is None:
        return ()
    columns = ("memberships__customer", "memberships__customer__name", "memberships__role")
    rows = get_user_model()._default_manager.filter(pk=viewer.pk).values_list(*columns).order_by(columns[1])
    return tuple(CustomerMembership(str(pk), str(name), role == "owner") for pk, name, role in rows if pk)


def customers_of(viewer: Any) -> "QuerySet[Any]":
    """Return the IDs of the viewer's customers, as a subquery."""
    members = get_user_model()._default_manager.filter(pk=viewer.pk, memberships__customer__isnull=False)
    return members.values("memberships__customer")


def supports_everyone(viewer: Any) -> bool:
    return bool(viewer.is_active and viewer.has_perm(SUPPORTS_EVERYONE))


def recipients_of(audience: Audience) -> "QuerySet[Any]":
    """Return the active people who receive an alert for this audience."""
    people: QuerySet[Any] = get_user_model()._default_manager.filter(is_active=True)
    if isinstance(audience, CustomerPeople):
        return people.filter(memberships__customer=audience.customer_id, memberships__role="owner")
    if isinstance(audience, Staff):
        able: Any = get_user_model().objects
        return people.filter(is_staff=True, pk__in=able.with_perm(audience.permission, backend=_BACKEND).values("pk"))
    return people.filter(pk=audience.user_id)


def customer_names(ids: Iterable[str]) -> dict[str, str]:
    """Return the names of customers with members, for staff pages."""
    columns = ("memberships__customer", "memberships__customer__name")
    people = get_user_model()._default_manager.filter(memberships__customer__in=set(ids))
    return {str(pk): str(name) for pk, name in people.values_list(*columns).distinct()}


def may_receive(person: Any, *, customer_id: str) -> bool:
    """Whether the person may still receive it, checked when it is sent. Staff always may."""
    if not person.is_active:
        return False
    if not customer_id or person.is_staff or supports_everyone(person):
        return True
    return customer_id in {each.customer_id for each in memberships_of(person)}


SHOWN = (AlertState.OPEN, AlertState.RECOVERED)  # a suspicion isn't shown yet


def alerts_for(viewer: Any) -> "QuerySet[Alert]":
    """Return the alerts the viewer can see: their own and, for staff, those of every customer."""
    seen = _own(viewer)
    if supports_everyone(viewer):
        seen |= ~Q(customer_id="")
    return Alert.objects.filter(seen, state__in=SHOWN).select_related("acknowledged_by")


def own_alerts_for(viewer: Any) -> "QuerySet[Alert]":
    """Return the alerts the viewer can acknowledge and mute."""
    return Alert.objects.filter(_own(viewer), state__in=SHOWN).select_related("acknowledged_by")


def unacknowledged_count(viewer: Any) -> int:
    """Return the number at the bell: open, not muted, not acknowledged."""
    if not viewer.is_authenticated:
        return 0
    open_ = Alert.objects.filter(_own(viewer, is_member=viewer.may_be_member), IN_STATE[OPEN])
    return open_.exclude(muted_until__gt=Now()).count()


def open_since(kind: str, object_ids: Iterable[str]) -> dict[str, datetime]:
    """Return since when alerts of this kind are open, by object ID. Objects without an open alert are left out."""
    found = Alert.objects.filter(kind=kind, object_id__in=list(object_ids), state=AlertState.OPEN)
    return dict(found.order_by("-since").values_list("object_id", "since"))  # the earliest, if there are several


def live_alerts_about(object_type: str, object_ids: Iterable[str]) -> set[tuple[str, str]]:
    """Return the kind and object of each alert that is open or suspected, so another check would change it."""
    live = Alert.objects.filter(in_values("object_id", object_ids), object_type=object_type, state__in=LIVE)
    return set(live.order_by().values_list("kind", "object_id"))


def open_objects(kind: str) -> QuerySet[Alert, str]:
    """Return the IDs of objects with an open alert of this kind."""
    return Alert.objects.filter(kind=kind, state=AlertState.OPEN).order_by().values_list("object_id", flat=True)


def page_of_object(object_type: str, object_id: str, *, staff: bool) -> str:
    """Return the path of the page of an alert's or event's object that the reader may open; "" if there is none."""
    if staff and object_type in REGION_PAGES:
        return reverse(REGION_PAGES[object_type])
    if name := PAGES.get(object_type) or (staff and STAFF_PAGES.get(object_type)):
        try:
            return reverse(name, args=(object_id,))
        except NoReverseMatch:  # a name that was stored as an ID by an earlier version
            return ""
    return ""


def is_muted(alert: Alert, now: datetime) -> bool:
    return alert.muted_until is not None and alert.muted_until > now


def _own(viewer: Any, *, is_member: bool = True) -> Q:
    if not viewer.is_active or viewer.pk is None:
        return Q(pk__in=())
    own = Q(person=viewer.pk)
    if is_member:
        own |= Q(customer_id__in=customers_of(viewer))
    if viewer.is_staff and viewer.is_superuser and supports_everyone(viewer):
        own |= ~Q(permission="")  # superusers have every permission, so their permissions needn't be read
    elif viewer.is_staff:
        own |= in_values("permission", viewer.get_all_permissions())
    return own
