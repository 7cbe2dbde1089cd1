"""Reads bulk actions on domains and on tenants: the preview of each item, and its result."""

from collections import Counter
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Case, Count, Q, QuerySet, When

from accounts.models.people import Customer, User
from accounts.people.selectors import customers_for, supports_everyone
from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain, Stage
from domains.names.core import understand
from domains.ownership.selectors import related_domains
from domains.preflight import selectors as preflight_selectors
from inbound_admin.lib.errors import Refused
from operations.batches.core import BulkAction, Named
from operations.models import BatchKind, Bulk, BulkItem, BulkState, DomainRemoval, PauseBatch, PauseBatchItem
from operations.pause.selectors import outcome_of_resuming
from receipt_rules.models.addresses import Address
from tenants.models.tenants import Tenant
from tenants.status.core import Standing

TWICE = "Another line names it already."
SEVERAL_LINES = "Several lines name it. Write one line, with the customer that it is for."
RIGHTS = {
    BulkAction.TRANSFER: "domains.transfer_domain",
    BulkAction.HOLD: "domains.hold_domain",
    BulkAction.RELEASE: "domains.hold_domain",
}


@dataclass(frozen=True)
class Predicted:
    """`works` False: it would be refused, and the sentence says why."""

    named: Named
    sentence: str
    works: bool
    domain: Domain | None = None
    customer: Customer | None = None


@dataclass(frozen=True)
class Result:
    """`tone` and `word` are of its label."""

    item: BulkItem
    word: str
    tone: str
    sentence: str


def actions_for(viewer: User) -> tuple[BulkAction, ...]:
    """A customer's own domains are theirs to check, add and delete; the rest is for staff with the right to it."""
    return tuple(each for each in BulkAction if each not in RIGHTS or viewer.has_perm(RIGHTS[each]))


def bulks_for(viewer: User) -> QuerySet[Bulk]:
    """Of all for staff who support them; everybody else sees what they asked for themselves."""
    found = Bulk.objects.select_related("by")
    return found if supports_everyone(viewer) else found.filter(by=viewer)


def predicted(
    action: BulkAction, named: tuple[Named, ...], *, viewer: User, to: Customer | None = None
) -> tuple[Predicted, ...]:
    """From our rows alone, before anything is asked of DNS or Amazon."""
    keys = [_plain(each.name) or each.name.lower() for each in named]
    if action is BulkAction.IMPORT:
        lines = Counter(keys)
        return tuple(_of_import(each, viewer, lines[key]) for each, key in zip(named, keys, strict=True))
    known, seen, found = _known(named, viewer), set[str](), []
    for each, key in zip(named, keys, strict=True):
        is_second = key in seen
        seen.add(key)
        found.append(Predicted(each, TWICE, works=False) if is_second else _of_known(action, each, known, to))
    return tuple(found)


@dataclass(frozen=True)
class _Known:
    """What the rows say of all that are named, read at once."""

    domains: dict[str, Domain]
    going: frozenset[str]
    addresses: dict[str, int]
    names: dict[str, list[str]]


def _known(named: tuple[Named, ...], viewer: User) -> _Known:
    """Of several claims to one name, the domain that is held counts."""
    found = list(domains_for(viewer).filter(name__in=[_plain(each.name) for each in named]))
    found.sort(key=lambda domain: domain.stage != Stage.CLAIM)
    names: dict[str, list[str]] = {}
    owners = {domain.customer_id for domain in found}
    for owner, name in Domain.objects.filter(customer__in=owners).order_by("name").values_list("customer_id", "name"):
        names.setdefault(owner, []).append(name)
    counted = Address.objects.filter(domain__in=found).order_by().values_list("domain_id").annotate(n=Count("pk"))
    removals = DomainRemoval.objects.filter(domain__in=found).values_list("domain_id", flat=True)
    return _Known({domain.name: domain for domain in found}, frozenset(removals), dict(counted), names)


def _plain(text: str) -> str:
    try:
        return understand(text).domain.ascii
    except Refused:
        return ""


def _of_known(action: BulkAction, named: Named, known: _Known, to: Customer | None) -> Predicted:
    domain = known.domains.get(_plain(named.name))
    if domain is None:
        return Predicted(named, "There is no such domain in your list.", works=False)
    refused = _refusal(action, domain, known, to)
    outcome = refused or _outcome(action, domain, known.addresses.get(domain.pk, 0), to)
    return Predicted(named, outcome, not refused, domain, domain.customer)


def _refusal(action: BulkAction, domain: Domain, known: _Known, to: Customer | None) -> str:
    """Empty where nothing speaks against it."""
    if domain.stage == Stage.DELETING or domain.pk in known.going:
        return "It is being deleted."
    if domain.region != settings.AWS_REGION:
        return f"It belongs to the region {domain.region}, which is looked after elsewhere."
    below = _below(domain, known) if action is BulkAction.DELETE else []
    reasons = (
        (
            domain.is_held and action in (BulkAction.CHECK, BulkAction.HOLD, BulkAction.DELETE),
            "Our staff holds it.",
        ),
        (action is BulkAction.RELEASE and not domain.is_held, "It is not held."),
        (action is BulkAction.CHECK and domain.stage == Stage.STARTING, "It is still being set up with Amazon."),
        (bool(below), f"It has sub-domains here: {', '.join(below[:3])}. Delete those first."),
    )
    said = next((sentence for holds, sentence in reasons if holds), "")
    return said or (_refusal_of_transfer(domain, to) if action is BulkAction.TRANSFER else "")


def _refusal_of_transfer(domain: Domain, to: Customer | None) -> str:
    if to is not None and domain.customer_id == to.pk:
        return f"It belongs to {to} already."
    if to is not None and Domain.objects.filter(customer=to, name=domain.name).exists():
        return f"{to} asks for it already. Approve that claim, or delete it, instead."
    return ""


def _below(domain: Domain, known: _Known) -> list[str]:
    return [name for name in known.names[domain.customer_id] if name.endswith(f".{domain.name}")]


def _outcome(action: BulkAction, domain: Domain, addresses: int, to: Customer | None) -> str:
    takes = f"It takes mail at {addresses} address{'' if addresses == 1 else 'es'}"
    match action:
        case BulkAction.TRANSFER:
            where = f"to {to}" if to else "to the customer that you choose"
            tenant = " Its association with the SES tenant moves along." if domain.tenant_id else ""
            return f"Goes from {domain.customer} {where}.{tenant} {takes if addresses else 'It takes no mail'}."
        case BulkAction.DELETE:
            rules = f"{takes}, which go first, with their rules. Then" if addresses else "It takes no mail;"
            return f"{rules} the identity at Amazon goes, and the domain."
        case BulkAction.HOLD:
            return "Is held: no checks until it is released. Its mail and sending go on."
        case BulkAction.RELEASE:
            return "Is released and looked at."
    return "DNS is looked at within a minute, and Amazon where it may have something new to say."


def _of_import(named: Named, viewer: User, lines: int) -> Predicted:
    """`lines`: how many name it. Of several nobody knows which customer is meant, so none is done."""
    if lines > 1:
        return Predicted(named, SEVERAL_LINES, works=False)
    try:
        customer = _owner(named, viewer)
        understood = preflight_selectors.acceptable(named.name, customer)
    except Refused as refused:
        return Predicted(named, str(refused), works=False)
    claimed = related_domains(understood.domain).exclude(customer=customer).exists()
    proof = "Ownership has to be proven first, by a record." if claimed else "It is set up with Amazon."
    return Predicted(named, f"Is added for {customer}. {proof}", True, customer=customer)


def _owner(named: Named, viewer: User) -> Customer:
    """The customer of the line, by id or whole name; the viewer's only one where it names none. Raises Refused."""
    own = customers_for(viewer)
    if not named.customer:
        first = list(own[:2])
        if len(first) == 1:
            return first[0]
        raise Refused("The line does not say which customer it is for.")
    found = list(own.filter(Q(pk=named.customer) | Q(name__iexact=named.customer))[:2])
    if len(found) != 1:
        raise Refused(
            f"There are several customers called {named.customer}. Write the id instead."
            if found
            else f"There is no customer {named.customer}."
        )
    return found[0]


def counts_of(bulk: Bulk) -> dict[str, int]:
    counted = dict(bulk.items.order_by().values_list("state").annotate(number=Count("pk")))
    return {state.value: counted.get(state.value, 0) for state in BulkState}


def summary_of(counts: dict[str, int]) -> str:
    """Partial success is said as partial."""
    words = {"done": "done", "waiting": "still to do", "refused": "not done", "stopped": "stopped"}
    parts = [f"{counts[state]} {word}" for state, word in words.items() if counts[state]]
    return f"Of {sum(counts.values())}: {', '.join(parts)}."


def items_of(bulk: Bulk) -> QuerySet[BulkItem]:
    """What was refused first, then what was stopped, then what waits."""
    order = (BulkState.REFUSED, BulkState.STOPPED, BulkState.WAITING)
    place = Case(*(When(state=state, then=number) for number, state in enumerate(order)), default=len(order))
    return bulk.items.select_related("domain__customer", "customer").order_by(place, "number")


def results_of(bulk: Bulk, items: list[BulkItem]) -> list[Result]:
    going = {row.domain_id: row for row in DomainRemoval.objects.filter(domain__in=[each.domain_id for each in items])}
    return [_result(BulkAction(bulk.action), item, going.get(item.domain_id or "")) for item in items]


def _result(action: BulkAction, item: BulkItem, removal: DomainRemoval | None) -> Result:
    if item.state == BulkState.REFUSED:
        return Result(item, "Not done", "warn", item.problem)
    if item.state == BulkState.WAITING:
        return Result(item, "Waiting", "info", item.problem or "The worker has not come to it yet.")
    if item.state == BulkState.STOPPED:
        return Result(item, "Stopped", "mute", "Stopped before it was begun.")
    if item.domain is None:
        gone = "It is gone, at Amazon as well." if action is BulkAction.DELETE else "It has been deleted since."
        return Result(item, "Deleted", "good" if action is BulkAction.DELETE else "mute", gone)
    if action is BulkAction.DELETE:
        why = (removal.problem if removal else "") or item.domain.stage_problem
        return Result(item, "Being deleted", "info", why or "Its rules go first, then its identity.")
    return Result(item, "Done", "good", _afterwards(action, item, item.domain))


def _afterwards(action: BulkAction, item: BulkItem, domain: Domain) -> str:
    match action:
        case BulkAction.TRANSFER:
            return f"It is with {domain.customer}."
        case BulkAction.HOLD:
            return "It is held." if domain.is_held else "It was held, and has been released since."
        case BulkAction.RELEASE:
            return "It is held again." if domain.is_held else "It is released."
        case BulkAction.IMPORT:
            return f"It is with {domain.customer}. {domain.headline}".strip()
    looked = domain.last_dns_check is not None and item.done_at is not None and domain.last_dns_check >= item.done_at
    return domain.headline if looked else "It is at the head of the queue and is looked at now."


DONE = {BatchKind.PAUSE: Standing.PAUSED, BatchKind.RESUME: Standing.ACTIVE}
UNDER_WAY = {BatchKind.PAUSE: Standing.PAUSING, BatchKind.RESUME: Standing.RESUMING}
WORDS = {
    BatchKind.PAUSE: {"done": "paused", "waits": "being paused"},
    BatchKind.RESUME: {"done": "resumed", "waits": "being resumed"},
}


@dataclass(frozen=True)
class PredictedPause:
    """`works` False: it would be refused, or nothing would change."""

    tenant: Tenant
    sentence: str
    works: bool


@dataclass(frozen=True)
class PauseResult:
    """`state` is done, waits, refused, gone, or other: what Amazon says is then neither before nor after."""

    item: PauseBatchItem
    state: str
    sentence: str


def predicted_resumes(tenants: list[Tenant]) -> list[PredictedPause]:
    outcomes = [(tenant, outcome_of_resuming(tenant)) for tenant in tenants]
    return [PredictedPause(tenant, outcome.sentence, outcome.possible) for tenant, outcome in outcomes]


def pause_results(batch: PauseBatch) -> list[PauseResult]:
    """The refused first."""
    items = batch.items.select_related("tenant__customer").order_by("name")
    return sorted(
        (_pause_result(item, BatchKind(batch.kind)) for item in items), key=lambda result: result.state != "refused"
    )


def pauses_summary(batch: PauseBatch, results: list[PauseResult]) -> str:
    """Partial success is said as partial."""
    words = {**WORDS[BatchKind(batch.kind)], "refused": "not done", "other": "to be looked at", "gone": "deleted since"}
    counted = Counter(result.state for result in results)
    parts = [
        f"{counted[state]} {words[state]}" for state in ("done", "waits", "refused", "other", "gone") if counted[state]
    ]
    return f"Of {len(results)}: {', '.join(parts)}."


def _pause_result(item: PauseBatchItem, kind: BatchKind) -> PauseResult:
    tenant = item.tenant
    if tenant is None:
        return PauseResult(item, "gone", "The tenant has been deleted since.")
    if item.asked_at is None:
        return PauseResult(item, "refused", item.problem or "It was not asked for: try again.")
    if tenant.standing == DONE[kind]:
        return PauseResult(item, "done", f"Amazon has confirmed it: {WORDS[kind]['done']}.")
    if tenant.standing == UNDER_WAY[kind]:
        return PauseResult(item, "waits", tenant.status_problem or "Amazon is being told.")
    if tenant.standing == Standing.SUSPENDED and kind == BatchKind.PAUSE:
        return PauseResult(item, "done", "Amazon has suspended it; the pause stays when Amazon lifts that.")
    return PauseResult(item, "other", f"Since then it has become {tenant.standing}.")
