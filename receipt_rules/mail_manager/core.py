"""SES Mail Manager, the other way to receive mail with SES: which domains point to it. Read only. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class IngressPoint:
    """`host` is the name in an MX record. `rule_set` is the name of the point's own rule set; "" if unknown."""

    id: str
    name: str
    host: str
    rule_set: str = ""


def domains_at(point: IngressPoint, hosts: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the domains, sorted, whose MX records name the point's host. `hosts`: MX hosts of each domain."""
    return tuple(sorted(name for name, named in hosts.items() if point.host.lower() in set(named)))


def domains_elsewhere(points: Sequence[IngressPoint], hosts: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return domains whose MX names none of these points: one of another account or region, or a deleted one.

    Domains without a known host are left out.
    """
    known = {point.host.lower() for point in points}
    return tuple(sorted(name for name, named in hosts.items() if named and not known.intersection(named)))
