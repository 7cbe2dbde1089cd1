"""SES Mail Manager, Amazon's second way to receive, as far as it is read here: which domains go there. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class IngressPoint:
    """`host` is what an MX record names; `rule_set` the name of its own rule set, "" where that is not known."""

    id: str
    name: str
    host: str
    rule_set: str = ""


def domains_at(point: IngressPoint, hosts: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Those of the domains whose MX records name the point's host, by name."""
    return tuple(sorted(name for name, named in hosts.items() if point.host.lower() in set(named)))


def elsewhere(points: Sequence[IngressPoint], hosts: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Domains whose MX names an ingress point that is none of these: of another account or region, or gone.

    One of which no host is known is not among them.
    """
    known = {point.host.lower() for point in points}
    return tuple(sorted(name for name, named in hosts.items() if named and not known.intersection(named)))
