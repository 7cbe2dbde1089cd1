from collections.abc import Collection

from django.db.models import QuerySet

from changes.models import Change


def changes_of(object_type: str, object_id: str, *, of_customers: Collection[str] | None) -> QuerySet[Change]:
    """Newest first. `of_customers` None is for staff; others see what happened while it was theirs, no staff's rows.

    An object can change hands, so that it is theirs now does not make its past theirs.
    """
    changes = Change.objects.filter(object_type=object_type, object_id=object_id)
    if of_customers is None:
        return changes
    return changes.filter(customer_id__in=of_customers, for_staff=False)
