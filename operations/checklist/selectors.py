"""A customer's first steps, from adding a domain to the first address that receives mail."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.urls import reverse

from accounts.people.selectors import NO_ORGANISATION, Viewer, customers_for
from domains.checking.core.judgement import State
from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain, Stage
from domains.receiving.core import HALTING, MX_POINTS_HERE, NOT_HERE
from receipt_rules.addresses.selectors import endpoints_for
from receipt_rules.forwarding.selectors import endpoint_kinds

MOST = 50  # domains; a customer with more needs no checklist
PUBLISHED = (State.VERIFIED, State.SPREADING)


@dataclass(frozen=True)
class ChecklistStep:
    """`url` is "" while an earlier step must be completed first."""

    key: str
    title: str
    text: str
    button: str
    url: str
    is_done: bool
    is_next: bool = False


def checklist(viewer: Viewer) -> tuple[ChecklistStep, ...]:
    """Return the steps for a customer's member; empty once all are done."""
    rows = domains_for(viewer).exclude(stage=Stage.DELETING).order_by("created_at", "id")
    if rows.order_by().values("pk")[MOST:].exists():
        return ()
    own = list(rows)
    if not own and not customers_for(viewer).exists():
        return (ChecklistStep("organisation", "Join an organisation", NO_ORGANISATION, "", "", False, is_next=True),)
    steps = [*_setup(own), *_receiving(own, viewer)]
    first = next((step.key for step in steps if not step.is_done), "")
    return tuple(_marked(step, first) for step in steps) if first else ()


def _marked(step: ChecklistStep, first: str) -> ChecklistStep:
    return ChecklistStep(**vars(step) | {"is_next": step.key == first})


def _setup(own: list[Domain]) -> tuple[ChecklistStep, ...]:
    published, verified = any(map(_is_published, own)), any(map(_is_verified, own))
    records = _page(own, "domains:detail", lambda domain: not _is_published(domain))
    status = _page(own, "domains:detail", lambda domain: not _is_verified(domain))
    return (
        ChecklistStep(
            "domain",
            "Add your first domain",
            "Enter its name. We’ll show you which records to publish. Your current mail isn’t affected.",
            "Add domain",
            reverse("domains:add"),
            bool(own),
        ),
        ChecklistStep(
            "records",
            "Publish the DNS records",
            *_publishing(own),
            records,
            published,
        ),
        ChecklistStep(
            "verified",
            "Wait for verification",
            "Amazon SES checks the records automatically, usually within minutes.",
            "View status",
            status,
            verified,
        ),
    )


def _publishing(own: list[Domain]) -> tuple[str, str]:
    """Return text and button. There are no records to publish before SES has created the identity."""
    if not own or any(domain.stage != Stage.STARTING for domain in own):
        return "Copy them to your DNS host, or email them to the person who manages your DNS.", "View records"
    if any(domain.stage_problem for domain in own):
        return "There are none yet: setup in Amazon SES is delayed. We retry automatically.", "View status"
    return "Amazon SES is creating them. They’ll appear in a few seconds.", "View status"


def _receiving(own: list[Domain], viewer: Viewer) -> tuple[ChecklistStep, ...]:
    """Return the receiving steps; none if the domains only send."""
    receiving = [domain for domain in own if domain.receives]
    if own and not receiving:
        return ()
    proven = [domain for domain in receiving if domain.is_proven]
    address = _page(proven, "receipt_rules:domain", lambda domain: not domain.receiving.is_live)
    return (
        ChecklistStep(
            "endpoint",
            "Choose where mail goes",
            f"Received mail is delivered to an endpoint: {endpoint_kinds().phrase}. Without one, mail is stored only.",
            "Add endpoint",
            reverse("receipt_rules:add_endpoint") if own else "",
            bool(own) and endpoints_for(viewer).filter(is_active=True).exists(),
        ),
        ChecklistStep(
            "address",
            "Receive mail at your first address",
            "Once ownership is verified, add an address. Then publish the inbound MX record.",
            "Add address",
            address,
            any(map(_has_received, receiving)),
        ),
    )


def _is_published(domain: Domain) -> bool:
    return domain.verified_at is not None or State(domain.state) in PUBLISHED


def _is_verified(domain: Domain) -> bool:
    return domain.verified_at is not None and domain.stage == Stage.READY


def _has_received(domain: Domain) -> bool:
    """Return True once the MX of a name with addresses pointed here: later failures don't undo a first step.

    Nor does the customer have one left while our team has turned off inbound mail for their addresses.
    """
    if not set(HALTING).isdisjoint(domain.mail_rules.values()):
        return True
    with_addresses = (name for name, fact in domain.mail_rules.items() if fact not in NOT_HERE)
    return any(domain.mx_facts.get(name, "") in MX_POINTS_HERE for name in with_addresses)


def _page(own: Iterable[Domain], name: str, is_left: Callable[[Domain], bool]) -> str:
    """Return the page of the first domain that hasn't completed the step; "" if there is none."""
    return next((reverse(name, args=(domain.pk,)) for domain in own if is_left(domain)), "")
