"""Actions at the sandbox DNS host. Each returns the sentence the page shows."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from django.conf import settings

from domains.domain_connect.core import key_records
from domains.domain_connect.services import connect_identity
from domains.jobs import queue_discovery
from domains.models.domains import Domain
from domains.records.core import can_receive, inbound_host, mta_sts_policy
from inbound_admin.lib.errors import Refused
from sandbox.dns.mistake import WantedRecord
from sandbox.dns.mistakes import ZONE_MISTAKES
from sandbox.forms import RecordForm
from sandbox.panel import SandboxSilent, ZonePage, control
from sandbox.record_state import facts_of, has_rival
from sandbox.values import WEB_FAULTS
from sandbox.wire import CONNECT_PATH

Posted = Mapping[str, str]
Action = Callable[[ZonePage, Posted], str]
DISAGREE = "zone.disagree"
LOOK_SECONDS = 1.5


def run_ses_checks(domains: Sequence[Domain]) -> str:
    """Run SES's check now and return what changed for these domains. It also runs every few seconds."""
    changes: tuple[str, ...] = ()
    with suppress(SandboxSilent), control(LOOK_SECONDS) as sandbox:  # a silent zone: the periodic check continues
        changes = sandbox.tick().changes
    names = {domain.name for domain in domains}
    own = [change.replace("->", "→") for change in changes if change.partition(" ")[0] in names]
    return f"SES checked: {'; '.join(own)}." if own else ""


def publish(page: ZonePage, posted: Posted) -> str:
    row = page.row(posted.get("key", ""))
    with control() as host:
        host.publish(page.name, row.as_wanted)
    return f"{row.label}: fixed and published." if row.mistake or row.has_rival else f"{row.label}: published."


def publish_missing(page: ZonePage, posted: Posted) -> str:
    with control() as host:
        made = host.publish_missing(page.name, [row.as_wanted for row in page.rows])
        facts = facts_of(host.records(page.name))
    left = [row.label for row in page.rows if has_rival(row.as_wanted, facts)]
    rest = f"Select Fix for {', '.join(left)}: another record is in the way." if left else "No records are missing."
    return f"{len(made)} {'record' if len(made) == 1 else 'records'} published. {rest}" if made else rest


def make_mistake(page: ZonePage, posted: Posted) -> str:
    row = page.row(posted.get("key", ""))
    chosen = next((mistake for mistake in row.mistakes if mistake.code == posted.get("code")), None)
    if chosen is None:
        raise Refused("Choose a mistake from the list.")
    with control() as host:
        host.make_mistake(page.name, row.as_wanted, chosen.code)
    return f"{row.label} broken: {chosen.title}. {chosen.describe}"


def add(page: ZonePage, form: RecordForm) -> str:
    with control() as host:
        made = host.add_record(page.name, **form.record(page.name))
    return f"Added: {made.name} {made.type} {made.value}"


def edit(page: ZonePage, number: str, form: RecordForm) -> str:
    line = page.line(number)
    with control() as host:
        made = host.replace_record(page.name, line.record.id, **form.record(page.name))
    return f"Saved: {made.name} {made.type} {made.value}"


def remove(page: ZonePage, posted: Posted) -> str:
    record = page.line(posted.get("id", "")).record
    with control() as host:
        host.remove_record(page.name, record.id)
    return f"Removed: {record.name} {record.type} {record.value}"


def break_zone(page: ZonePage, posted: Posted) -> str:
    """Apply one of the nameserver faults."""
    code = posted.get("code", "")
    mistake = next((mistake for mistake in ZONE_MISTAKES if mistake.code == code), None)
    if mistake is None:
        raise Refused("Choose a nameserver fault.")
    if code == DISAGREE:
        return _disagree(page)
    server = page.nameservers[-1] if page.nameservers and code == "zone.lame" else None
    with control() as host:
        host.set_dns_fault(page.name, code.removeprefix("zone."), server)
    return f"Nameservers of {page.name} broken: {mistake.title}. {mistake.describe}"


def mend_zone(page: ZonePage, posted: Posted) -> str:
    with control() as host:
        for fault in page.faults:
            host.set_dns_fault(fault.name, None, fault.nameserver)
        if page.nameservers:
            host.publish(page.name, _nameserver(page))
    return f"Nameservers of {page.name} fixed: they all respond with the same data."


def _disagree(page: ZonePage) -> str:
    row = next((row for row in page.rows if row.is_right), None)
    if row is None or len(page.nameservers) < 2:
        raise Refused("Publish a record first, so that one nameserver can lack it.")
    wanted = row.as_wanted
    at_the_zone = WantedRecord(_nameserver(page).key, wanted.type, wanted.name, wanted.value, wanted.priority)
    with control() as host:
        host.make_mistake(page.name, at_the_zone, DISAGREE)
    return f"Nameserver broken: {page.nameservers[-1]} doesn't have {row.label}."


def _nameserver(page: ZonePage) -> WantedRecord:
    """Return the zone's first NS record, under whose key zone mistakes are stored and cleared."""
    return WantedRecord("zone", "NS", page.name, page.nameservers[0])


POLICIES = {
    "testing": "Correct, testing mode",
    "enforce": "Correct, enforce mode",
    "others": "Enforce mode, for another mail service",
    "": "None",
}


def host_policy(page: ZonePage, posted: Posted) -> str:
    """Set the MTA-STS policy that the web host serves for one of the zone's domains."""
    domain = next((part.domain for part in page.parts if part.domain.id == posted.get("domain")), None)
    kind, fault = posted.get("policy", ""), posted.get("fault", "")
    if domain is None or kind not in POLICIES or (fault and fault not in WEB_FAULTS):
        raise Refused("Choose a domain, a policy and a fault from the lists.")
    right = mta_sts_policy(domain.region) if can_receive(domain.region) else ""
    mode = "testing" if kind == "testing" else "enforce"
    policy = right.replace("mode: testing", f"mode: {mode}")
    if kind == "others":
        policy = policy.replace(inbound_host(domain.region), "mx.pretend-mail.net")
    with control() as host:
        if kind:
            host.host_policy(domain.name, f"{policy}\n", fault)
        else:
            host.remove_policy(domain.name)
    broken = f" Fault: {WEB_FAULTS[fault]}." if fault and kind else ""
    return f"MTA-STS policy of {domain}: {POLICIES[kind].lower()}.{broken}"


def can_connect(page: ZonePage) -> bool:
    """Whether the host could support Domain Connect, and does not yet."""
    held = {line.record.name for line in page.lines}
    return bool(page.parts) and f"_domainconnect.{page.name}" not in held and connect_identity() is not None


def connect(page: ZonePage, posted: Posted) -> str:
    """The host supports Domain Connect from now on. The public key is published beside, as an operator would."""
    ours = connect_identity()
    if ours is None:
        raise Refused("Domain Connect isn't set up here: docs/domain-connect.md says how.")
    place = f"{urlsplit(settings.AWS_ENDPOINT_URL).netloc}{CONNECT_PATH}supported"
    with control() as host:
        if ours.provider not in host.list_zones():
            host.add_zone(ours.provider)
        held = {(record.name, record.value) for record in host.records(ours.provider)}
        for name, value in key_records(ours):
            if (name, value) not in held:
                host.add_record(ours.provider, name, "TXT", value)
        if can_connect(page):
            host.add_record(page.name, f"_domainconnect.{page.name}", "TXT", place)
    for part in page.parts:
        queue_discovery(part.domain)
    return "This DNS host supports Domain Connect now. The records page offers it in a few seconds."


ACTIONS: Mapping[str, Action] = {
    "publish": publish,
    "publish_missing": publish_missing,
    "mistake": make_mistake,
    "remove": remove,
    "break_zone": break_zone,
    "mend_zone": mend_zone,
    "host_policy": host_policy,
    "connect": connect,
}
