"""The desired state as tests write it: addresses and catch-alls with their deliveries."""

from collections.abc import Iterable
from dataclasses import dataclass

from receipt_rules.planner.core.desired import DesiredEntries, without_covered
from receipt_rules.planner.core.rules import RuleDelivery


@dataclass(frozen=True)
class DesiredAddress:
    address: str
    delivery: RuleDelivery

    @property
    def recipient(self) -> str:
        return self.address.lower()


@dataclass(frozen=True)
class DesiredCatchAll:
    """All mail at a domain or, with `subdomains`, at every name below it but not at itself."""

    domain: str
    delivery: RuleDelivery
    subdomains: bool = False

    @property
    def recipient(self) -> str:
        return ("." if self.subdomains else "") + self.domain.lower()


def desired_entries(
    addresses: Iterable[DesiredAddress] = (), catch_alls: Iterable[DesiredCatchAll] = ()
) -> DesiredEntries:
    rows: list[DesiredAddress | DesiredCatchAll] = [*addresses, *catch_alls]
    return without_covered({row.recipient: row.delivery for row in rows})
