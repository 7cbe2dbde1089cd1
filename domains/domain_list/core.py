"""What a domain's stored columns say: whether mail arrives, its sentence, its displayed state. Pure.

For a model and for a row of only these columns, which is far cheaper to read than a model.
"""

from datetime import datetime
from typing import Any, Protocol

from domains.checking.core.judgement import SesStatus, State
from domains.identity.core import Stage
from domains.mta_sts.core import Block
from domains.names.core import DomainName
from domains.ownership.core import BEING_REMOVED, TOO_LATE
from domains.receiving.core import MxFact, Receiving, ReceivingFacts, RulesFact, judge
from domains.records.core import INBOUND_MX, can_receive

UNVERIFIED = (SesStatus.PENDING, SesStatus.FAILED, SesStatus.NOT_STARTED)  # known to be unverified
HEADLINES = {
    Stage.CLAIM: "Prove that you own this domain.",
    Stage.STARTING: "Setting up in Amazon SES.",
    Stage.DELETING: "Deleting. Removing the domain from Amazon SES.",
}
DELAYED = {
    Stage.STARTING: "Setup in Amazon SES is delayed. We retry automatically.",
    Stage.DELETING: "Deletion is delayed. We retry automatically.",
}
RULES_FIRST = "Deleting. Removing the domain from the receipt rules first."


class DomainColumns(Protocol):
    """Columns of a domain. Each function reads only those that it needs, so a model may defer the others."""

    name: str
    region: str
    stage: str
    stage_problem: str
    routes_removed_at: datetime | None
    summary: str
    state: str
    override_state: str
    override_until: datetime | None
    receives: bool
    proven_at: datetime | None
    identity_status: str
    routes_unchecked: bool
    mx_facts: Any
    mail_rules: Any
    expectations: Any
    mta_sts_block: Any


def is_proven(domain: DomainColumns) -> bool:
    """Return True if the customer holds the name: nobody else can add or prove it."""
    return domain.proven_at is not None and domain.stage != Stage.CLAIM


def is_overridden(domain: DomainColumns, now: datetime) -> bool:
    """The override ends at its time, even if no worker has cleared it."""
    return domain.override_until is not None and domain.override_until > now


def shown_state(domain: DomainColumns, now: datetime) -> State:
    """Return the displayed state: claims are WAITING, and a staff override counts until it expires."""
    shown = domain.override_state if is_overridden(domain, now) else domain.state
    return State.WAITING if domain.stage == Stage.CLAIM else State(shown)


def result_behind(domain: DomainColumns, now: datetime) -> str:
    """Return the result of the checks in words while staff override it, else ""."""
    return State(domain.state).label if is_overridden(domain, now) else ""


def names_below(domain: DomainColumns) -> tuple[str, ...]:
    """Return the subdomains that receive mail, "*." for all of them."""
    return tuple(sorted(name for name in domain.mail_rules if name != domain.name))


def receiving_facts(domain: DomainColumns, name: str) -> ReceivingFacts:
    proven = is_proven(domain)
    verified = proven and domain.identity_status not in UNVERIFIED
    return ReceivingFacts(
        name,
        mx=MxFact(domain.mx_facts.get(name, "")),
        rules=RulesFact(domain.mail_rules.get(name, "")),
        is_wanted=domain.receives,
        is_proven=proven,
        is_verified=verified,
        has_parent=not verified and bool(DomainName.from_stored(domain.name).parents),
        can_receive=can_receive(domain.region),
        is_unread=domain.routes_unchecked,
        is_elsewhere=name == domain.name and INBOUND_MX in domain.expectations,
        policy=Block.of_json(domain.mta_sts_block).sentence if domain.mta_sts_block and name == domain.name else "",
    )


def receiving(domain: DomainColumns) -> Receiving:
    return judge(receiving_facts(domain, domain.name))


def receiving_below(domain: DomainColumns) -> tuple[Receiving, ...]:
    return tuple(judge(receiving_facts(domain, name)) for name in names_below(domain))


def headline(domain: DomainColumns, own: Receiving) -> str:
    """Return the list's sentence: before setup and during deletion, the stage matters more than checks."""
    if domain.stage_problem and domain.stage in DELAYED:
        return DELAYED[Stage(domain.stage)]
    if domain.stage == Stage.DELETING and domain.routes_removed_at is None:
        return RULES_FIRST
    if domain.stage == Stage.CLAIM and domain.stage_problem in (TOO_LATE, BEING_REMOVED):
        return domain.stage_problem
    if domain.stage == Stage.CLAIM and domain.summary:  # why it is still a claim
        return f"{HEADLINES[Stage.CLAIM]} {domain.summary}"
    if domain.stage != Stage.READY:
        return HEADLINES[Stage(domain.stage)]
    red = next((each.sentence for each in (own, *receiving_below(domain)) if each.is_red), "")
    return domain.summary if red in domain.summary else red
