"""Data of the sandbox DNS host: the zones of the viewer's domains and the required records.

The host is another process. Everything about it is asked by the control API; what is wanted comes from our rows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.people.selectors import Viewer
from domains.checking.core import comparison
from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain, Stage
from domains.ownership import core as ownership_core
from domains.records.core import Record, label_of
from inbound_admin.lib.errors import Problem, Refused
from sandbox.client import ControlClient, SandboxError, SandboxUnreachable
from sandbox.demo import accounts_that_are_there
from sandbox.demo_progress import ProgressFile
from sandbox.dns.faults import FaultEntry
from sandbox.dns.mistake import Mistake, WantedRecord
from sandbox.dns.records import ZoneRecord, is_within
from sandbox.record_state import Facts, facts_of, has_rival, is_right, mistake_made, mistakes_for

# Two, so that one of them can be lame or disagree; the same for every zone, as at a real host.
NAMESERVERS = ("ns1.pretend-dns.net", "ns2.pretend-dns.net")


class SandboxSilent(Problem):
    """The sandbox's process does not answer."""

    code = "SANDBOX_SILENT"
    status = 504


@contextmanager
def control(timeout: float = 5.0) -> Iterator[ControlClient]:
    """Yield a client of the sandbox; `timeout` in seconds. Raises SandboxSilent or Refused."""
    try:
        yield ControlClient(settings.AWS_ENDPOINT_URL, timeout)
    except SandboxUnreachable as problem:
        raise SandboxSilent(
            "The sandbox isn't responding, so its DNS and AWS can't be shown or changed. "
            "Start it with `make run`, then reload this page."
        ) from problem
    except SandboxError as refusal:
        raise Refused(str(refusal)) from refusal


def demo(request: HttpRequest) -> dict[str, object]:
    """The demo's accounts, for the sign-in page, and how far it is made: looked up only where a template asks."""
    return {
        "demo_accounts": SimpleLazyObject(accounts_that_are_there),
        "demo_progress": SimpleLazyObject(ProgressFile(settings.DEMO_PROGRESS).read),
    }


@dataclass(frozen=True)
class WantedRow:
    """One record that is wanted, and how it stands at the host; `mistakes` is the menu for it.

    `has_rival`: a record that somebody typed is in its way, such as one of the wrong type.
    """

    domain: Domain
    record: Record
    label: str
    relative: str
    mistakes: tuple[Mistake, ...]
    mistake: Mistake | None
    stands: bool
    has_rival: bool = False

    @property
    def key(self) -> str:
        return key_of(self.domain, self.record)

    @property
    def is_inherited(self) -> bool:
        """Whether the DMARC record of a domain above is enough, as the records page says."""
        return not self.stands and self.mistake is None and comparison.inherits_policy(self.record)

    @property
    def is_right(self) -> bool:
        return self.mistake is None and not self.has_rival and (self.stands or self.is_inherited)

    @property
    def as_wanted(self) -> WantedRecord:
        return as_wanted(self.domain, self.record)


@dataclass(frozen=True)
class Part:
    """One domain in a zone."""

    domain: Domain
    rows: tuple[WantedRow, ...]


@dataclass(frozen=True)
class Line:
    """A record as a panel shows it: the name relative to the zone, an MX's priority apart."""

    record: ZoneRecord
    relative: str
    value: str
    priority: int | None


@dataclass(frozen=True)
class ZonePage:
    name: str
    parts: tuple[Part, ...]
    lines: tuple[Line, ...]
    nameservers: tuple[str, ...]
    serial: str
    faults: tuple[FaultEntry, ...]

    @property
    def rows(self) -> tuple[WantedRow, ...]:
        return tuple(row for part in self.parts for row in part.rows)

    @property
    def missing(self) -> int:
        return sum(not row.is_right for row in self.rows)

    def row(self, key: str) -> WantedRow:
        """Raises Refused when it is not wanted any more."""
        for row in self.rows:
            if row.key == key:
                return row
        raise Refused("This record is no longer required. Reload the page.")

    def line(self, number: str) -> Line:
        """Raises Refused when it is gone."""
        for line in self.lines:
            if line.record.id == number:
                return line
        raise Refused("This record is no longer in the zone. Reload the page.")


@dataclass(frozen=True)
class ZoneLine:
    name: str
    domains: tuple[Domain, ...]
    records: int
    wanted: int
    missing: int


def zones_of(viewer: Viewer) -> list[tuple[str, tuple[Domain, ...]]]:
    """The registrable domain of each of the viewer's domains, with the domains in it."""
    domains = sorted(domains_for(viewer), key=lambda domain: (domain.parsed.zone, len(domain.name), domain.name))
    return [(zone, tuple(own)) for zone, own in groupby(domains, key=lambda domain: domain.parsed.zone)]


def domains_in(viewer: Viewer, zone: str) -> tuple[Domain, ...]:
    """The viewer's domains of that zone; none where the zone is not theirs to see."""
    near = domains_for(viewer).filter(Q(name=zone) | Q(name__endswith=f".{zone}"))
    own = [domain for domain in near if domain.parsed.zone == zone]
    return tuple(sorted(own, key=lambda domain: (len(domain.name), domain.name)))


def zone_lines(zones: Sequence[tuple[str, tuple[Domain, ...]]]) -> tuple[ZoneLine, ...]:
    """Opens the zones that the host does not have yet. Raises SandboxSilent."""
    with control() as host:
        known = set(host.list_zones())
        return tuple(_zone_line(host, name, domains, known) for name, domains in zones)


def zone_page(zone: str, domains: Sequence[Domain]) -> ZonePage:
    """Opens the zone if the host does not have it yet. Raises SandboxSilent."""
    with control() as host:
        open_zone(host, zone, set(host.list_zones()))
        records, nameservers, faults = host.records(zone), host.nameservers(zone), host.dns_faults()
    soa = next(record for record in records if record.type == "SOA")
    return ZonePage(
        name=zone,
        parts=_parts(zone, domains, facts_of(records)),
        lines=tuple(_line(record, zone) for record in records if record is not soa),
        nameservers=nameservers,
        serial=soa.value.split()[2],
        faults=tuple(fault for fault in faults if is_within(fault.name, zone)),
    )


def open_zone(host: ControlClient, zone: str, known: set[str], nameservers: Sequence[str] = NAMESERVERS) -> None:
    if zone not in known:
        host.add_zone(zone, nameservers)


def records_of(domain: Domain) -> tuple[Record, ...]:
    """What is wanted of the domain's DNS now: the proof alone while it is claimed.

    A record whose value we withhold until the present one is corrected is not among them: nothing can be published.
    """
    if domain.stage == Stage.CLAIM:
        return (ownership_core.challenge(domain.parsed, domain.claim_token),)
    return tuple(record for record in domain.records if record.value)


def key_of(domain: Domain, record: Record) -> str:
    """Several domains share a zone, so the record's own key is not enough there."""
    return f"{record.key}.{domain.id}"


def as_wanted(domain: Domain, record: Record) -> WantedRecord:
    return WantedRecord(key_of(domain, record), record.type, record.name, record.value, record.priority)


def relative_to(zone: str, name: str) -> str:
    return "@" if name == zone else name.removesuffix(f".{zone}")


def _zone_line(host: ControlClient, zone: str, domains: tuple[Domain, ...], known: set[str]) -> ZoneLine:
    open_zone(host, zone, known)
    records = host.records(zone)
    rows = [row for part in _parts(zone, domains, facts_of(records)) for row in part.rows]
    return ZoneLine(zone, domains, len(records), len(rows), sum(not row.is_right for row in rows))


def _parts(zone: str, domains: Sequence[Domain], facts: Facts) -> tuple[Part, ...]:
    asked = facts_of([as_wanted(domain, record) for domain in domains for record in records_of(domain)])
    return tuple(
        Part(domain, tuple(_row(zone, domain, record, facts, asked) for record in records_of(domain)))
        for domain in domains
    )


def _row(zone: str, domain: Domain, record: Record, facts: Facts, asked: Facts) -> WantedRow:
    wanted = as_wanted(domain, record)
    return WantedRow(
        domain=domain,
        record=record,
        label=label_of(record),
        relative=relative_to(zone, record.name),
        mistakes=mistakes_for(wanted, zone),
        mistake=mistake_made(wanted, zone, facts, asked),
        stands=is_right(wanted, facts),
        has_rival=has_rival(wanted, facts),
    )


def _line(record: ZoneRecord, zone: str) -> Line:
    relative = relative_to(zone, record.name)
    if record.type != "MX":
        return Line(record, relative, record.value, None)
    priority, _, host = record.value.partition(" ")
    return Line(record, relative, host, int(priority))
