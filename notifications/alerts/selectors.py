"""Reads alerts as a viewer may see them, and their recipients."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.urls import NoReverseMatch, reverse

from accounts.models.people import Membership, User
from accounts.people.selectors import Viewer, memberships_of, owners_of, supports_everyone
from inbound_admin.lib.filters import in_values
from inbound_admin.lib.fixed_query import Compared, FixedQuery
from notifications.alerts.core import PAGES, REGION_PAGES, STAFF_PAGES, AlertState, Audience, CustomerPeople, Staff
from notifications.email.core import FAILS_AFTER, MOST_TRIES
from notifications.models.alerts import LIVE, Alert, Notice

OPEN, ACKNOWLEDGED, OVER = "open", "acknowledged", "recovered"  # as the API names them
IN_STATE = {
    OPEN: Q(state=AlertState.OPEN, acknowledged_at=None),
    ACKNOWLEDGED: Q(state=AlertState.OPEN, acknowledged_at__isnull=False),
    OVER: Q(state=AlertState.RECOVERED),
    "all": Q(),
}
_BACKEND = "django.contrib.auth.backends.ModelBackend"


def recipients_of(audience: Audience) -> QuerySet[User]:
    """Return the active people who receive an alert for this audience."""
    if isinstance(audience, CustomerPeople):
        return owners_of(audience.customer_id)
    if isinstance(audience, Staff):
        able = User.objects.with_perm(audience.permission, backend=_BACKEND)
        return User.objects.filter(is_active=True, is_staff=True, pk__in=able.values("pk"))
    return User.objects.filter(is_active=True, pk=audience.user_id)


def may_receive(person: User, *, customer_id: str, permission: str = "") -> bool:
    """Whether the person may still receive it, checked when it is sent. Staff always may what needs no permission."""
    if not person.is_active:
        return False
    if permission:
        return person.is_staff and person.has_perm(permission)
    if not customer_id or person.is_staff or supports_everyone(person):
        return True
    return memberships_of(person).filter(customer=customer_id).exists()


SHOWN = (AlertState.OPEN, AlertState.RECOVERED)  # a suspicion isn't shown yet


def alerts_for(viewer: Viewer) -> QuerySet[Alert]:
    """Return the alerts the viewer can see: their own and, for staff, those of every customer."""
    seen = _own(viewer)
    if supports_everyone(viewer):
        seen |= ~Q(customer_id="")
    return Alert.objects.filter(seen, state__in=SHOWN).select_related("acknowledged_by")


def own_alerts_for(viewer: Viewer) -> QuerySet[Alert]:
    """Return the alerts the viewer can acknowledge and mute."""
    return Alert.objects.filter(_own(viewer), state__in=SHOWN).select_related("acknowledged_by")


def unacknowledged_count(viewer: Viewer) -> int:
    """Return the number at the bell: open, not muted, not acknowledged."""
    if not viewer.is_authenticated:
        return 0
    if viewer.is_staff and viewer.is_active and not viewer.may_be_member:
        return _FOR_STAFF.count(viewer.pk, _permissions_of(viewer))
    if viewer.is_active and not viewer.is_staff:
        return _FOR_MEMBERS.count(viewer.pk)
    return _unacknowledged(_own(viewer)).count()


def _unacknowledged(own: Q) -> QuerySet[Alert]:
    return Alert.objects.filter(own, IN_STATE[OPEN]).exclude(muted_until__gt=Now())


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


def is_unsent(kind: str, *, object_id: str) -> bool:
    """Return whether the open alert has email notices and none was sent. False if nobody wants them."""
    notices = Notice.objects.filter(alert__kind=kind, alert__object_id=object_id, alert__state=AlertState.OPEN)
    return notices.exists() and not notices.filter(sent_at__isnull=False).exists()


def page_of_object(object_type: str, object_id: str, *, staff: bool) -> str:
    """Return the path of the page of an alert's or event's object that the reader may open; "" if there is none."""
    if object_type == "record":
        object_type, object_id = "domain", object_id.partition("/")[0]
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


def _own(viewer: Viewer) -> Q:
    if not isinstance(viewer, User) or not viewer.is_active:
        return Q(pk__in=())
    own = _of_customers(viewer.pk)
    return own | (_of_staff(viewer.pk, _permissions_of(viewer)) if viewer.is_staff else Q(person=viewer.pk))


def _of_customers(person: int | Compared) -> Q:
    return Q(customer_id__in=Membership.objects.filter(user_id=person).order_by().values("customer_id"))


def _of_staff(person: int, permissions: tuple[str, ...] | None) -> Q:
    permitted = ~Q(permission="") if permissions is None else in_values("permission", permissions)
    return Q(person=person) | permitted


def _permissions_of(viewer: User) -> tuple[str, ...] | None:
    """Return None for superusers, who have every permission, so that theirs needn't be read."""
    if viewer.is_superuser and supports_everyone(viewer):
        return None
    return tuple(sorted(viewer.get_all_permissions()))


_FOR_STAFF = FixedQuery(lambda person, permissions: _unacknowledged(_of_staff(person, permissions)))
_FOR_MEMBERS = FixedQuery(lambda person: _unacknowledged(_of_customers(person) | Q(person=person)), compared=1)


SHOWN_FOR = timedelta(days=7)  # after we gave up


def failing_notices(*, now: datetime) -> QuerySet[Notice]:
    """Return the notices that failed for an hour or longer, and those given up in the last week."""
    return Notice.objects.filter(sent_at=None, tries__gte=FAILS_AFTER, due_at__gt=now - SHOWN_FOR)


def failing_sentence(*, now: datetime) -> str:
    """Return what can't be sent, for operators; "" if email is sent."""
    failing = failing_notices(now=now)
    number, people = failing.count(), failing.order_by().values("person").distinct().count()
    if not number:
        return ""
    waiting = (
        f"{number:,} {'notice' if number == 1 else 'notices'} to {people:,} {'person' if people == 1 else 'people'}"
    )
    given_up = failing.filter(tries__gte=MOST_TRIES).count()
    lost = f" We gave up on {given_up:,} of them after 13 days." if given_up else ""
    problem = failing.exclude(problem="").order_by("-due_at").values_list("problem", flat=True).first()
    return f"The mail server doesn't take {waiting}.{lost} Last error: {problem or 'none'}"
