"""Address operations of the published contract."""

from django.db import transaction

from accounts.models.people import User
from domains.models.domains import Domain
from public_api.domains.services import KEEP, own_endpoint
from receipt_rules.addresses.selectors import address_at_domain, refuse_unproven
from receipt_rules.addresses.services import add_address, change_address, lock_domain
from receipt_rules.models.addresses import Address


def add(*, domain: Domain, text: str, endpoint_id: str | None, is_active: bool, actor: User) -> Address:
    """Add an address. It is pending until the domain is verified.

    Raises Refused as `add_address` does, ADDRESS_ELSEWHERE for another domain's address, ENDPOINT_MISSING.
    """
    address_at_domain(text, domain)
    refuse_unproven(domain, may_wait=True)
    return add_address(
        text=text,
        customer=domain.customer,
        actor=actor,
        endpoint=own_endpoint(domain.customer_id, endpoint_id),
        is_active=is_active,
        may_wait=True,
    )


def change(*, address: Address, is_active: bool | None, actor: User, endpoint_id: str | None = KEEP) -> Address:
    """Change an address. Absent values are unchanged, also if another request changes them at this moment.

    An endpoint of None is removed. Raises Refused.
    """
    with transaction.atomic():
        lock_domain(address.domain, to_receive=False)
        now = Address.objects.select_related("domain", "endpoint").filter(pk=address.pk).first() or address
        endpoint = now.own_endpoint if endpoint_id == KEEP else own_endpoint(now.domain.customer_id, endpoint_id)
        wanted = now.is_active if is_active is None else is_active
        return change_address(address=now, actor=actor, is_active=wanted, endpoint=endpoint)
