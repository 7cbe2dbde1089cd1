from changes.services import Subject
from tenants.models import Tenant


def tenant_subject(tenant: Tenant) -> Subject:
    """What the change log calls a tenant."""
    return Subject("tenant", tenant.id, tenant.name, tenant.customer_id)
