"""Says of many addresses, as they were typed, whether they can be added. Writes nothing."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache

from accounts.models.people import Customer
from domains.ownership.selectors import nearest_domains
from inbound_admin.lib.errors import Refused
from receipt_rules.addresses.core import ReadAddress, read_recipient
from receipt_rules.addresses.selectors import AddressPlace, addresses_named, entitled, refuse_existing
from receipt_rules.addresses.services import names_below, refuse_more_names


def preview_addresses(*, texts: Sequence[str], customer: Customer) -> tuple[AddressPlace | Refused, ...]:
    """Return the address that would be added of each text, or why it is refused. Writes nothing.

    One query for all domains and one for all addresses; each domain has one more.
    """
    read: dict[str, ReadAddress] = {}
    for text in texts:
        with suppress(Refused):  # read again below, where its refusal is the answer
            read[text] = read_recipient(text)
    holders = nearest_domains({each.name for each in read.values()}, customer)
    existing = {row.address for row in addresses_named({each.address for each in read.values()}, customer)}
    below = cache(names_below)

    def preview(text: str) -> AddressPlace | Refused:
        try:
            each = read.get(text) or read_recipient(text)
            domain = entitled(holders[each.name], each.name, customer)
            refuse_existing(each.address, existing)
            refuse_more_names(each.name, domain, below)
        except Refused as refused:
            return refused
        return AddressPlace(each.address, domain, each.noticed)

    return tuple(map(preview, texts))
