"""The change log as its viewer may read it."""

from django.db.models import QuerySet

from accounts.people.selectors import Viewer, customers_for, supports_everyone
from audit import selectors as audit_selectors
from audit.models import Change
from audit.selectors import ChangeListFilters, changes_of


def search_changes(*, viewer: Viewer, filters: ChangeListFilters) -> QuerySet[Change]:
    """Everybody's for staff who may read the log; of their own customers for others, without staff's own."""
    if not supports_everyone(viewer):
        theirs = list(customers_for(viewer).values_list("pk", flat=True))
        return audit_selectors.changes_found(filters, of_customers=theirs)
    return audit_selectors.changes_found(filters, of_customers=None if viewer.has_perm("audit.view_change") else ())


def kinds_offered(viewer: Viewer) -> frozenset[str] | None:
    """The verbs that occur in a customer's own log; None: all, for staff."""
    if supports_everyone(viewer):
        return None
    seen = search_changes(viewer=viewer, filters=ChangeListFilters()).order_by().values_list("what", flat=True)
    return frozenset(seen.distinct())


def name_of_deleted(domain_id: str, *, viewer: Viewer) -> str:
    """The name of a domain that was the viewer's when it was deleted; "" when there is none that they may know of."""
    theirs = None if supports_everyone(viewer) else list(customers_for(viewer).values_list("pk", flat=True))
    names = changes_of("domain", domain_id, of_customers=theirs).filter(what="domain.deleted")
    return names.values_list("object_name", flat=True).first() or ""
