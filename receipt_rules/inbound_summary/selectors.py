"""The content of a domain's Inbound tab: its recipients, what happens to their mail, and the change that is pending."""

from collections.abc import Mapping
from dataclasses import dataclass

from domains.models.domains import Domain
from domains.receiving.core import DEFECTIVE, MxFact, RulesFact
from receipt_rules.addresses.selectors import catch_alls_above, inbound_of, pending_for
from receipt_rules.inbound_summary.core import Recipient, summary
from receipt_rules.live.selectors import read_problem, takes_effect, unmanaged_rules_for
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.planner.core.rules import sample_address
from receipt_rules.runs.selectors import is_changing, set_changing

NOT_COVERED = {False: False, True: False}


@dataclass(frozen=True)
class Pending:
    """A customer's change that isn't in the SES rules yet. `is_running`: a run is changing rules of the domain.

    `when` says when the change takes effect, if nothing but the worker has to act.
    """

    is_there: bool = False
    waits_because: str = ""
    is_running: bool = False
    when: str = ""

    @property
    def poll_seconds(self) -> int | None:
        if self.is_running:
            return 3
        if not self.is_there:
            return None
        return 30 if self.waits_because else 3


def pending_of(domain: Domain) -> Pending:
    """Of the customer's change what concerns this domain."""
    found = pending_for(domain.customer)
    is_running = is_changing(domain)
    if found and found.concerns(domain.pk):
        when = "" if found.waits_because else takes_effect(len(found.recipients or ()))
        return Pending(True, found.waits_because, is_running, when)
    return Pending(is_running=is_running)


@dataclass(frozen=True)
class Inbound:
    """The content of a domain's Inbound tab. `sub_catch_all` is the subdomain catch-all."""

    addresses: tuple[Address, ...]
    catch_all: CatchAll | None
    sub_catch_all: CatchAll | None
    pending: Pending
    sentence: str

    @property
    def is_applied(self) -> bool:
        """Whether the live rules, as last read, contain all that is on and that SES doesn't refuse."""
        requested = (*self.addresses, *filter(None, (self.catch_all, self.sub_catch_all)))
        on = [recipient for recipient in requested if recipient.is_active and not recipient.refused_because]
        return all(recipient.is_served or recipient.rules in DEFECTIVE for recipient in on)


def inbound_summary(domain: Domain) -> Inbound:
    """The caller has already fetched the domain for its viewer."""
    addresses, catch_alls = inbound_of(domain)
    set_changing([*addresses, *catch_alls])
    found = {each.subdomains: each for each in catch_alls}
    everything, below = found.get(False), found.get(True)
    covered = {False: bool(everything and everything.is_served), True: bool(below and below.is_served)}
    above = catch_alls_above(domain)
    own = [each for each in above if each.domain.customer_id == domain.customer_id]
    sentence = summary(
        [_recipient(each, domain, covered=covered) for each in addresses if each.is_active],
        _recipient(everything, domain) if everything and everything.is_active else None,
        _recipient(below, domain) if below and below.is_active else None,
        domain=str(domain),
        is_unread=bool(read_problem()),
        is_ending=bool(everything and everything.is_served and not everything.is_active),
        is_accepted=any(each.domain.customer_id != domain.customer_id for each in above),
        above=_recipient(own[0], domain) if own else None,
        unmanaged=[rule.delivery for rule in unmanaged_rules_for(sample_address(domain.name))],
    )
    return Inbound(tuple(addresses), everything, below, pending_of(domain), sentence)


def _recipient(row: Address | CatchAll, domain: Domain, *, covered: Mapping[bool, bool] = NOT_COVERED) -> Recipient:
    """`covered`: whether the live rules contain the catch-all of the domain (False) and of its subdomains (True)."""
    endpoint = row.own_endpoint
    is_waiting = row.rules == RulesFact.WAITING and not row.refused_because
    return Recipient(
        name=row.recipient.removesuffix(domain.name),
        rules=RulesFact(row.rules),
        mx=MxFact(domain.mx_facts.get(row.mail_name, "")),
        endpoint=str(endpoint) if endpoint else "",
        is_off=bool(endpoint and not endpoint.is_active),
        is_changing=row.is_changing,
        is_covered=is_waiting and covered[row.mail_name != domain.name],
    )
