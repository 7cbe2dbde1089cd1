"""Names of deleted domains that a viewer may know from the change log."""

from accounts.people.selectors import Viewer, customers_for, supports_everyone
from audit.selectors import changes_of


def name_of_deleted(domain_id: str, *, viewer: Viewer) -> str:
    """Return the name of a domain that was the viewer's when it was deleted; "" if there is none."""
    theirs = None if supports_everyone(viewer) else list(customers_for(viewer).values_list("pk", flat=True))
    names = changes_of("domain", domain_id, of_customers=theirs).filter(what="domain.deleted")
    return names.values_list("object_name", flat=True).first() or ""
