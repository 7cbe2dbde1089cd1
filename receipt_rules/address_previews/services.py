"""Says of many addresses, as they were typed, whether they can be added. Writes nothing."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache

from accounts.models.people import Customer
from domains.ownership.selectors import nearest_domains
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import ReadAddress, read_recipient
from receipt_rules.addresses.selectors import AddressPlace, entitled
from receipt_rules.addresses.services import is_orphaned, names_below, refuse_more_names
from receipt_rules.models.addresses import Address


def preview_addresses(*, texts: Sequence[str], customer: Customer) -> tuple[AddressPlace | Refused, ...]:
    """Return the address that would be added of each text, or why it is refused. Writes nothing.

    One query for all domains and one for all addresses; each domain has one more.
    """
    read: dict[str, ReadAddress] = {}
    for text in texts:
        with suppress(Refused):  # read again below, where its refusal is the answer
            read[text] = read_recipient(text)
    holders = nearest_domains({each.name for each in read.values()}, customer)
    rows = Address.objects.select_related("domain").filter(address__in={each.address for each in read.values()})
    existing = {address.address: address for address in rows}
    below = cache(names_below)

    def preview(text: str) -> AddressPlace | Refused:
        try:
            each = read.get(text) or read_recipient(text)
            domain = entitled(holders[each.name], each.name, customer)
            _refuse_existing(existing.get(each.address), customer)
            refuse_more_names(each.name, domain, below)
        except Refused as refused:
            return refused
        return AddressPlace(each.address, domain, each.noticed)

    return tuple(map(preview, texts))


def _refuse_existing(address: Address | None, customer: Customer) -> None:
    if address is not None and (address.domain.customer_id == customer.pk or not is_orphaned(address)):
        raise Refused(f"{address} already exists.", code="ADDRESS_EXISTS")
