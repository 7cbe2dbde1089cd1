"""Reads the change log as the viewer may see it."""

from django.db.models import QuerySet

from accounts.people.selectors import Viewer, own_customer_ids, supports_everyone
from audit import selectors as audit_selectors
from audit.models import Change
from audit.selectors import ChangeListFilters, changes_of
from inbound_admin.lib.lists import kept_pairs


def search_changes(*, viewer: Viewer, filters: ChangeListFilters) -> QuerySet[Change]:
    """Return all entries for staff with permission; for others those of their customers, without entries for staff."""
    if not supports_everyone(viewer):
        theirs = own_customer_ids(viewer)
        return audit_selectors.find_changes(filters, of_customers=theirs)
    return audit_selectors.find_changes(filters, of_customers=None if viewer.has_perm("audit.view_change") else ())


def pairs_offered(viewer: Viewer) -> list[tuple[str, str]] | None:
    """Return the verbs and types of objects that occur in a customer's own log; None: all, for staff."""
    if supports_everyone(viewer):
        return None
    seen = search_changes(viewer=viewer, filters=ChangeListFilters())
    return [(what, kind) for what, kind in kept_pairs(seen, "what", "object_type")]


def name_of_deleted(domain_id: str, *, viewer: Viewer) -> str:
    """Return the name of a domain that was the viewer's when it was deleted; "" if there is none."""
    theirs = None if supports_everyone(viewer) else own_customer_ids(viewer)
    names = changes_of("domain", domain_id, of_customers=theirs).filter(what="domain.deleted")
    return names.values_list("object_name", flat=True).first() or ""
