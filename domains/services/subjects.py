from changes.services import Subject
from domains.models import Domain


def subject(domain: Domain) -> Subject:
    """What the change log calls a domain."""
    return Subject("domain", domain.id, domain.name, domain.customer_id)
