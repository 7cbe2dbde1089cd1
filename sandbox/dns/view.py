"""One zone as one nameserver sees it: what stands at a name, by RFC 1034 4.3.2 and RFC 4592 (wildcards)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sandbox.dns.records import ZoneRecord, parent_of

Node = Mapping[str, tuple[ZoneRecord, ...]]


class Kind(Enum):
    """What a look-up in one zone can come to."""

    ANSWER = "answer"
    CNAME = "cname"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    REFERRAL = "referral"


@dataclass(frozen=True)
class Found:
    """The outcome and its records: the answer, the CNAME to follow, or the NS records of the zone cut."""

    kind: Kind
    records: tuple[ZoneRecord, ...] = ()


NODATA: Final = Found(Kind.NODATA)
NXDOMAIN: Final = Found(Kind.NXDOMAIN)


class ZoneView:
    """An index over a zone's records; never changed once built."""

    def __init__(self, apex: str, records: Iterable[ZoneRecord]) -> None:
        self.apex = apex
        self._nodes: dict[str, dict[str, tuple[ZoneRecord, ...]]] = {}
        for record in records:
            node = self._nodes.setdefault(record.name, {})
            node[record.type] = (*node.get(record.type, ()), record)
        self._names = {above for name in self._nodes for above in self._up(name)}

    @property
    def soa(self) -> tuple[ZoneRecord, ...]:
        """The zone's SOA, for the authority section of a negative answer."""
        return self._nodes[self.apex]["SOA"]

    def find(self, name: str, rrtype: str, *, cuts: bool = True) -> Found:
        """What stands at a name within the zone; without `cuts` delegations are looked through."""
        if cuts and (cut := self._cut_above(name, rrtype)):
            return Found(Kind.REFERRAL, cut)
        if redirected := self._redirected(name):
            return Found(Kind.CNAME, redirected)
        node = self._node(name)
        return NXDOMAIN if node is None else found_in(node, rrtype)

    def holds(self, name: str) -> bool:
        """Whether the name stands there itself, not by a wildcard."""
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
        """The CNAME that stands for a DNAME above (RFC 6672 2.2), and the DNAME."""
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
    """The answer of one name. A type that stands beside a CNAME, wrong as that is, is answered itself."""
    if rrtype == "ANY":
        records = tuple(record for group in node.values() for record in group)
        return Found(Kind.ANSWER, records) if records else NODATA
    if records := node.get(rrtype, ()):
        return Found(Kind.ANSWER, records)
    if cname := node.get("CNAME", ()):
        return Found(Kind.CNAME, cname)
    return NODATA
