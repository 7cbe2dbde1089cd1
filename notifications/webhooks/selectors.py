"""Read webhook targets and deliveries, as a viewer may see them."""

from collections.abc import Collection

from django.db.models import Q, QuerySet

from accounts.models.people import User
from accounts.people.selectors import Viewer, memberships_of, supports_everyone
from notifications.events.core import is_wanted
from notifications.models.webhooks import Delivery, Event, WebhookTarget


def targets_for(viewer: Viewer) -> QuerySet[WebhookTarget]:
    """Return the targets of the viewer and their customers; for staff also staff targets and every customer's."""
    if not isinstance(viewer, User) or not viewer.is_active:
        return WebhookTarget.objects.none()
    seen = Q(person=viewer.pk) | Q(customer_id__in=memberships_of(viewer).order_by().values("customer"), person=None)
    seen &= ~Q(customer_id="", person=None)
    if viewer.has_perm("notifications.manage_staff_webhooks"):
        seen |= Q(customer_id="", person=None)
    if supports_everyone(viewer):
        seen |= ~Q(customer_id="")
    return WebhookTarget.objects.filter(seen)


def may_manage(viewer: Viewer, target: WebhookTarget) -> bool:
    """Whether the viewer can manage the target: an owner of its customer, its person, or staff with the permission."""
    return target.pk in managed_of(viewer, [target])


def managed_of(viewer: Viewer, targets: Collection[WebhookTarget]) -> frozenset[str]:
    """Return the IDs of the targets the viewer can manage, in one query."""
    owned = {each.customer_id for each in memberships_of(viewer) if each.is_owner}
    of_staff = bool(viewer.has_perm("notifications.manage_staff_webhooks"))
    return frozenset(
        target.pk
        for target in targets
        if (target.person_id is not None and target.person_id == viewer.pk)
        or (target.person_id is None and (of_staff if target.is_of_staff else target.customer_id in owned))
    )


def deliveries_for(viewer: Viewer) -> QuerySet[Delivery]:
    """Return the deliveries to the viewer's targets. To their own, only what they may still receive."""
    found = Delivery.objects.filter(target__in=targets_for(viewer)).select_related("event", "target", "again_by")
    if not isinstance(viewer, User):
        return found
    if viewer.is_staff:
        receivable = Q(event__permission__in=["", *viewer.get_all_permissions()])
    else:
        own = memberships_of(viewer).order_by().values("customer")
        receivable = Q(event__permission="") & (Q(event__customer_id="") | Q(event__customer_id__in=own))
    return found.filter(receivable | ~Q(target__person=viewer.pk))


def targets_of(event: Event) -> list[WebhookTarget]:
    """Return the targets of an event: staff's, and those of its customer. Personal targets only get alerts."""
    whose = Q(customer_id="")
    if event.customer_id and not event.for_staff:
        whose |= Q(customer_id=event.customer_id)
    targets = WebhookTarget.objects.filter(whose, person=None, is_on=True)
    return [target for target in targets if is_wanted(event.event, target.events)]
