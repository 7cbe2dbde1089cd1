"""One zone as one nameserver sees it: the records at a name, by RFC 1034 4.3.2 and RFC 4592 (wildcards)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sandbox.dns.records import ZoneRecord, parent_of

Node = Mapping[str, tuple[ZoneRecord, ...]]


class Kind(Enum):
    """The outcome of a lookup in one zone."""

    ANSWER = "answer"
    CNAME = "cname"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    REFERRAL = "referral"


@dataclass(frozen=True)
class Found:
    """The outcome of a lookup and its records: the answer, the CNAME to follow, or the NS records of the zone cut."""

    kind: Kind
    records: tuple[ZoneRecord, ...] = ()


NODATA: Final = Found(Kind.NODATA)
NXDOMAIN: Final = Found(Kind.NXDOMAIN)


class ZoneView:
    """An index of a zone's records; immutable."""

    def __init__(self, apex: str, records: Iterable[ZoneRecord]) -> None:
        self.apex = apex
        self._nodes: dict[str, dict[str, tuple[ZoneRecord, ...]]] = {}
        for record in records:
            node = self._nodes.setdefault(record.name, {})
            node[record.type] = (*node.get(record.type, ()), record)
        self._names = {above for name in self._nodes for above in self._up(name)}

    @property
    def soa(self) -> tuple[ZoneRecord, ...]:
        """Return the zone's SOA, for the authority section of a negative answer."""
        return self._nodes[self.apex]["SOA"]

    def find(self, name: str, rrtype: str, *, cuts: bool = True) -> Found:
        """Look up a name of the zone. Without `cuts`, ignore delegations."""
        if cuts and (cut := self._cut_above(name, rrtype)):
            return Found(Kind.REFERRAL, cut)
        if redirected := self._redirected(name):
            return Found(Kind.CNAME, redirected)
        node = self._node(name)
        return NXDOMAIN if node is None else found_in(node, rrtype)

    def holds(self, name: str) -> bool:
        """Return whether the name itself exists, not only by a wildcard."""
        return name in self._names

    def _up(self, name: str) -> Iterator[str]:
        while name != self.apex:
            yield name
            name = parent_of(name)
        yield self.apex

    def _cut_above(self, name: str, rrtype: str) -> tuple[ZoneRecord, ...]:
        for above in reversed(tuple(self._up(name))):
            # The parent itself answers for the DS at the cut (RFC 4035 3.1.4.1).
            if above == self.apex or (above == name and rrtype == "DS"):
                continue
            if cut := self._nodes.get(above, {}).get("NS"):
                return cut
        return ()

    def _redirected(self, name: str) -> tuple[ZoneRecord, ...]:
        """Return the CNAME that a DNAME above the name implies (RFC 6672 2.2), and the DNAME."""
        for above in self._up(name):
            held = self._nodes.get(above, {}).get("DNAME", ())
            if held and above != name:
                target = f"{name.removesuffix(above)}{held[0].value}"
                return (ZoneRecord("", name, "CNAME", held[0].ttl, target), held[0])
        return ()

    def _node(self, name: str) -> Node | None:
        if name in self._names:
            return self._nodes.get(name, {})
        encloser = next(above for above in self._up(name) if above in self._names)
        return self._nodes.get(f"*.{encloser}")


def found_in(node: Node, rrtype: str) -> Found:
    """Return the answer for one name. A type next to a CNAME, which DNS forbids, is answered itself."""
    if rrtype == "ANY":
        records = tuple(record for group in node.values() for record in group)
        return Found(Kind.ANSWER, records) if records else NODATA
    if records := node.get(rrtype, ()):
        return Found(Kind.ANSWER, records)
    if cname := node.get("CNAME", ()):
        return Found(Kind.CNAME, cname)
    return NODATA
