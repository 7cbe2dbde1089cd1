from changes.services import Subject
from receipt_rules.models import Address, CatchAll, Endpoint, Expectation, Forwarding


def address_subject(address: Address) -> Subject:
    """What the change log calls an address."""
    return Subject("address", address.id, address.address, address.domain.customer_id)


def catch_all_subject(catch_all: CatchAll) -> Subject:
    return Subject("catch_all", catch_all.id, catch_all.recipient, catch_all.domain.customer_id)


def endpoint_subject(endpoint: Endpoint) -> Subject:
    return Subject("endpoint", endpoint.id, endpoint.name, endpoint.customer_id)


def rule_set_subject(name: str, customer_id: str = "") -> Subject:
    """With a customer, its members may read the line."""
    return Subject("rule_set", name, name, customer_id)


def expectation_subject(expectation: Expectation) -> Subject:
    return Subject("expectation", expectation.id, expectation.address)


def forwarding_subject(row: Forwarding) -> Subject:
    return Subject("forwarding", row.id, row.address[:254], row.customer_id)
