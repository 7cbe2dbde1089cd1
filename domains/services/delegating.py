"""Who answers for a zone: asked of its parent, or of the resolvers where no parent can be asked."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from domains.core.diagnosis.observations import knows_its_zone, primary_of
from domains.core.observing import Answer, Query, Question, Status
from domains.services.asking import Asker
from inbound_admin.lib.public_address import is_public

MOST_SERVERS = 4


@dataclass(frozen=True)
class Net:
    """`resolvers` are the public ones; name servers listen at `port`, and at private addresses only where allowed."""

    resolvers: tuple[str, ...]
    port: int = 53
    private: bool = False


@dataclass(frozen=True)
class Server:
    """`at` is "host:port", "" where its address is not known or must not be asked."""

    name: str
    at: str


@dataclass(frozen=True)
class Delegation:
    """`helper` is the resolver that answers us, asked `unchecked` where it refuses the zone's signatures."""

    servers: tuple[Server, ...]
    parent: tuple[Answer, ...]
    public_soas: tuple[Answer, ...]
    unchecked: tuple[Answer, ...]
    soas: tuple[Answer, ...]
    named_inside: tuple[str, ...]
    helper: str
    is_unchecked: bool

    @property
    def alive(self) -> tuple[Server, ...]:
        """Those that answered for the zone."""
        heard = {soa.resolver for soa in self.soas if knows_its_zone(soa)}
        return tuple(server for server in self.servers if server.name in heard)

    @property
    def others(self) -> tuple[str, ...]:
        """Servers that the zone itself names, but not its parent: where somebody may have edited in vain."""
        known = {server.name for server in self.servers}
        primaries = {primary_of(soa) for soa in (*self.soas, *self.public_soas)}
        names = dict.fromkeys((*self.named_inside, *sorted(primaries)))
        return tuple(name for name in names if name and name not in known)[:2]


async def follow(zone: str, net: Net, asker: Asker) -> Delegation:
    """From the parent down to each of the zone's servers, alive or not."""
    first = [Query(Question(zone, kind), at, at) for kind in ("SOA", "NS") for at in net.resolvers]
    above = Query(Question(zone.partition(".")[2], "NS"), net.resolvers[0], net.resolvers[0])
    *said, upper = await asker.ask([*first, above])
    soas, named = said[: len(net.resolvers)], said[len(net.resolvers) :]
    failed = [soa.resolver for soa in soas if soa.status is Status.FAILED]
    again = [Query(Question(zone, kind), at, at, unchecked=True) for at in failed for kind in ("SOA", "NS")]
    unchecked = await asker.ask(again)
    helper, is_unchecked = _helper(soas, unchecked)
    parent = await _ask_parent(zone, upper, helper, net, asker)
    names = _servers([*parent, *named, *unchecked])
    servers = await find(names, helper, net, asker, unchecked=is_unchecked)
    reachable = [server for server in servers if server.at]
    own = await asker.ask([Query(Question(zone, "SOA"), s.at, s.name, recursive=False) for s in reachable])
    inside = await _named_inside(zone, reachable, own, asker)
    public = [answer for answer in unchecked if answer.question.type == "SOA"]
    return Delegation(servers, tuple(parent), tuple(soas), tuple(public), tuple(own), inside, helper, is_unchecked)


async def find(
    names: Sequence[tuple[str, str]], helper: str, net: Net, asker: Asker, *, unchecked: bool = False
) -> tuple[Server, ...]:
    """Servers with their addresses, by what came with the referral or else by the resolver."""
    some = list(names)[:MOST_SERVERS]
    lost = [Query(Question(name, "A"), helper, helper, unchecked=unchecked) for name, address in some if not address]
    found = {answer.question.name: answer.values[0] for answer in await asker.ask(lost) if answer.values}
    return tuple(Server(name, place(address or found.get(name, ""), net)) for name, address in some)


def place(address: str, net: Net) -> str:
    """Names of strangers must not lead us into our own network: "" for an address that is not public."""
    if not is_public(address) and not (net.private and _is_address(address)):
        return ""
    return f"[{address}]:{net.port}" if ":" in address else f"{address}:{net.port}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _helper(soas: Sequence[Answer], unchecked: Sequence[Answer]) -> tuple[str, bool]:
    plain = [soa.resolver for soa in soas if soa.status is not Status.FAILED]
    if plain:
        return plain[0], False
    answered = [answer.resolver for answer in unchecked if answer.status is not Status.FAILED]
    return (answered or [soa.resolver for soa in soas])[0], bool(answered)


async def _ask_parent(zone: str, upper: Answer, helper: str, net: Net, asker: Asker) -> list[Answer]:
    """One server of the zone above, and another where that one is silent."""
    for server in await find([(name, "") for name in upper.values[:2]], helper, net, asker):
        if not server.at:
            continue
        said = await asker.ask([Query(Question(zone, "NS"), server.at, server.name, recursive=False)])
        if said[0].cut == zone or said[0].authoritative:
            return said
    return []


def _servers(said: Sequence[Answer]) -> list[tuple[str, str]]:
    """The parent's word first; resolvers tell what the zone says of itself."""
    for answer in said:
        if answer.servers:
            return list(answer.servers)
        if answer.status is Status.FOUND and answer.question.type == "NS":
            return [(name, "") for name in answer.values]
    return []


async def _named_inside(zone: str, servers: Sequence[Server], soas: Sequence[Answer], asker: Asker) -> tuple[str, ...]:
    heard = {soa.resolver for soa in soas if knows_its_zone(soa)}
    for server in servers:
        if server.name in heard:
            said = await asker.ask([Query(Question(zone, "NS"), server.at, server.name, recursive=False)])
            return said[0].values
    return ()
