"""Predicts and reports the result of a bulk action for each domain."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from accounts.models.people import Customer, User
from accounts.people.selectors import customer_matching, customers_for
from domains.domain_list.selectors import domains_for
from domains.models.domains import Domain, Stage
from domains.names.core import parse_existing_domain
from domains.ownership import selectors as ownership_selectors
from domains.ownership.selectors import related_domains, unproven_domains_left, unproven_limit_text
from inbound_admin.lib.errors import Refused
from operations.batches.core import DOMAIN_KINDS, BatchKind, BatchResult
from operations.domain_actions.core import DomainLine
from operations.models import BatchItem, DomainRemoval
from receipt_rules.addresses.selectors import MAY_NOT_ROUTE, address_numbers, may_route

TWICE = "Duplicate: another line has this domain."
SEVERAL_LINES = "Several lines have this domain. Keep one line, with its customer."
RIGHTS = {
    BatchKind.TRANSFER: "domains.transfer_domain",
    BatchKind.HOLD: "domains.hold_domain",
    BatchKind.RELEASE: "domains.hold_domain",
}


@dataclass(frozen=True)
class PredictedResult:
    """`works` False: it would be refused, for the reason in `sentence`. `adds`: the domain that the line means."""

    named: DomainLine
    sentence: str
    works: bool
    domain: Domain | None = None
    customer: Customer | None = None
    adds: str = ""


def kinds_for(viewer: User) -> tuple[BatchKind, ...]:
    """Customers may check, add and delete their own domains; the rest is for staff with permission."""
    return tuple(each for each in DOMAIN_KINDS if each not in RIGHTS or viewer.has_perm(RIGHTS[each]))


def predict(kind: BatchKind, named: tuple[DomainLine, ...], *, viewer: User) -> tuple[PredictedResult, ...]:
    """Predict from the database only, without reading DNS or SES."""
    keys = [_plain(each.name) or each.name.lower() for each in named]
    if kind is BatchKind.IMPORT:
        return tuple(_within_quota(_predict_imports(named, keys, viewer), viewer))
    known, seen, found = _known(named, viewer), set[str](), dict[int, PredictedResult]()
    for at in sorted(range(len(keys)), key=lambda at: -keys[at].count(".")):  # subdomains first
        is_second = keys[at] in seen
        seen.add(keys[at])
        found[at] = (
            PredictedResult(named[at], TWICE, works=False) if is_second else _predict_known(kind, named[at], known)
        )
        if found[at].works and (domain := found[at].domain):
            known.chosen.add(domain.pk)
    return tuple(found[at] for at in range(len(keys)))


def in_order(kind: BatchKind, rows: Sequence[PredictedResult]) -> list[PredictedResult]:
    """Return the rows as a batch works on them: of a deletion, subdomains before the domains above them."""
    if kind is not BatchKind.DELETE:
        return list(rows)
    return sorted(rows, key=lambda row: -row.domain.name.count(".") if row.domain else 0)


@dataclass(frozen=True)
class _Known:
    """Rows of all named domains, read at once. `names`: by customer, the domains (name, ID) that aren't being deleted.

    `chosen`: the domains (IDs) of the lines below that the action works for.
    """

    domains: dict[str, Domain]
    going: frozenset[str]
    addresses: dict[str, int]
    names: dict[str, list[tuple[str, str]]]
    routable: frozenset[str]
    chosen: set[str] = field(default_factory=set)


def _known(named: tuple[DomainLine, ...], viewer: User) -> _Known:
    """If several customers claim a name, the domain that is held counts."""
    found = list(domains_for(viewer).filter(name__in=[_plain(each.name) for each in named]))
    found.sort(key=lambda domain: domain.stage != Stage.CLAIM)
    names: dict[str, list[tuple[str, str]]] = {}
    owners = {domain.customer_id for domain in found}
    own = Domain.objects.filter(customer__in=owners).exclude(stage=Stage.DELETING).order_by("name")
    for owner, name, pk in own.values_list("customer_id", "name", "pk"):
        names.setdefault(owner, []).append((name, pk))
    counted = address_numbers(found)
    removals = DomainRemoval.objects.filter(domain__in=found).values_list("domain_id", flat=True)
    routable = frozenset(owner for owner in owners if may_route(viewer, owner))
    return _Known({domain.name: domain for domain in found}, frozenset(removals), counted, names, routable)


def _plain(text: str) -> str:
    try:
        return parse_existing_domain(text)
    except Refused:
        return ""


def _predict_known(kind: BatchKind, named: DomainLine, known: _Known) -> PredictedResult:
    domain = known.domains.get(_plain(named.name))
    if domain is None:
        return PredictedResult(named, "This domain is not in your list.", works=False)
    refused = _refusal(kind, domain, known)
    outcome = refused or _outcome(kind, domain, known.addresses.get(domain.pk, 0))
    return PredictedResult(named, outcome, not refused, domain, domain.customer)


def _refusal(kind: BatchKind, domain: Domain, known: _Known) -> str:
    """The reason for a refusal; "" if there is none."""
    if domain.stage == Stage.DELETING or domain.pk in known.going:
        return "The domain is being deleted."
    if domain.region != settings.AWS_REGION:
        return f"The domain belongs to region {domain.region}, which another deployment manages."
    below = _below(domain, known) if kind is BatchKind.DELETE else []
    reasons = (
        (
            domain.is_held and kind in (BatchKind.CHECK, BatchKind.HOLD, BatchKind.DELETE),
            "Our support team put this domain on hold.",
        ),
        (kind is BatchKind.RELEASE and not domain.is_held, "The domain is not on hold."),
        (kind is BatchKind.CHECK and domain.stage == Stage.STARTING, "The domain is still being set up in SES."),
        (kind is BatchKind.DELETE and _is_routed_by_others(domain, known), MAY_NOT_ROUTE),
        (bool(below), f"Delete its subdomains first: {', '.join(below[:3])}."),
    )
    return next((sentence for holds, sentence in reasons if holds), "")


def _is_routed_by_others(domain: Domain, known: _Known) -> bool:
    """Whether deleting it changes where mail is delivered, and the viewer may not."""
    receives = domain.pk in known.addresses or domain.has_catch_all
    return receives and domain.is_proven and domain.customer_id not in known.routable


def _below(domain: Domain, known: _Known) -> list[str]:
    """Return its subdomains that are neither being deleted nor in the same deletion."""
    names = known.names.get(domain.customer_id, ())
    return [name for name, pk in names if name.endswith(f".{domain.name}") and pk not in known.chosen]


def _outcome(kind: BatchKind, domain: Domain, addresses: int) -> str:
    receives = [f"at {addresses:,} address{'' if addresses == 1 else 'es'}"] if addresses else []
    receives += ["by a catch-all"] if domain.has_catch_all else []
    takes = f"It receives mail {' and '.join(receives)}" if receives else "It receives no mail"
    match kind:
        case BatchKind.TRANSFER:
            tenant = " Its SES tenant association moves too." if domain.tenant_id else ""
            return f"Moves from {domain.customer} to the customer you choose.{tenant} {takes}."
        case BatchKind.DELETE:
            first = "Its receipt rules are removed first. Then the" if receives else "The"
            here = domain.mx_here
            rejects = (
                f" The MX record of {here[0]} points here: SES will reject mail that still arrives." if here else ""
            )
            return f"{takes}. {first} SES identity and the domain are deleted.{rejects}"
        case BatchKind.HOLD:
            return "No checks until released. Receiving and sending continue."
        case BatchKind.RELEASE:
            return "Released and checked now."
    return "DNS is checked within a minute, and SES where needed."


def _predict_imports(named: Sequence[DomainLine], keys: Sequence[str], viewer: User) -> list[PredictedResult]:
    """Of several lines for one domain, the first counts; none if they name different customers."""
    owners: dict[str, set[str]] = {}
    for each, key in zip(named, keys, strict=True):
        owners.setdefault(key, set()).add(each.customer.casefold())
    found, seen = list[PredictedResult](), set[str]()
    for each, key in zip(named, keys, strict=True):
        if len(owners[key]) > 1:
            found.append(PredictedResult(each, SEVERAL_LINES, works=False))
        else:
            found.append(PredictedResult(each, TWICE, False) if key in seen else _predict_import(each, viewer))
        seen.add(key)
    return found


def _predict_import(named: DomainLine, viewer: User) -> PredictedResult:
    try:
        customer = _owner(named, viewer)
        understood = ownership_selectors.parse_new_domain(named.name, customer)
    except Refused as refused:
        return PredictedResult(named, str(refused), works=False)
    claimed = related_domains(understood.domain).exclude(customer=customer).exists()
    proof = "Ownership must be proven first with a DNS record." if claimed else "It will be set up in SES."
    sentence = f"Will be added for {customer}. {proof}"
    return PredictedResult(named, sentence, True, customer=customer, adds=str(understood.domain))


def _within_quota(rows: Sequence[PredictedResult], viewer: User) -> Iterator[PredictedResult]:
    """Refuse domains beyond the quota of unverified ones now, rather than half-way through."""
    left: dict[str, int | None] = {}
    for row in rows:
        if not row.works or row.customer is None:
            yield row
            continue
        if row.customer.pk not in left:
            left[row.customer.pk] = unproven_domains_left(row.customer, viewer)
        rest = left[row.customer.pk]
        yield replace(row, sentence=unproven_limit_text(), works=False) if rest == 0 else row
        left[row.customer.pk] = rest and rest - 1


def _owner(named: DomainLine, viewer: User) -> Customer:
    """Return the line's customer, by ID or full name, or the viewer's only one. Raises Refused."""
    own = customers_for(viewer)
    if not named.customer:
        first = list(own[:2])
        if len(first) == 1:
            return first[0]
        raise Refused("Add the customer to this line.")
    found = list(own.filter(customer_matching(named.customer))[:2])
    if len(found) != 1:
        raise Refused(
            f"Several customers are called {named.customer}. Use the ID instead."
            if found
            else f"No customer is called {named.customer}."
        )
    return found[0]


def domain_results(kind: BatchKind, items: Sequence[BatchItem]) -> list[BatchResult]:
    """Return the results of done items, from each domain's current state."""
    going = {row.domain_id: row for row in DomainRemoval.objects.filter(domain__in=[each.domain_id for each in items])}
    return [_result(kind, item, going.get(item.domain_id or "")) for item in items]


def domain_counts(kind: BatchKind, done: QuerySet[BatchItem]) -> list[tuple[BatchResult, int]]:
    """Return the same results without sentences, counted by the database."""
    counted = done.aggregate(there=Count("pk", filter=~Q(domain=None)), gone=Count("pk", filter=Q(domain=None)))
    gone = BatchResult("Deleted", "good" if kind is BatchKind.DELETE else "mute", "")
    if kind is BatchKind.IMPORT:
        stages = Counter(done.exclude(domain=None).values_list("domain__stage", flat=True))
        return [(gone, counted["gone"]), *((_ADDED.get(Stage(each), _DONE), number) for each, number in stages.items())]
    there = BatchResult("Deleting", "info", "", waits=True) if kind is BatchKind.DELETE else _DONE
    return [(gone, counted["gone"]), (there, counted["there"])]


_DONE = BatchResult("Done", "good", "")
_ADDED = {
    Stage.STARTING: BatchResult("Setting up", "info", "", waits=True),
    Stage.CLAIM: BatchResult("Ownership not proven", "warn", ""),
}


def _result(kind: BatchKind, item: BatchItem, removal: DomainRemoval | None) -> BatchResult:
    if item.domain is None:
        gone = (
            "The domain and its SES identity were deleted."
            if kind is BatchKind.DELETE
            else "The domain was deleted later."
        )
        return BatchResult("Deleted", "good" if kind is BatchKind.DELETE else "mute", gone)
    if kind is BatchKind.DELETE:
        why = (removal.problem if removal else "") or item.domain.stage_problem
        return BatchResult(
            "Deleting", "info", why or "Receipt rules are removed first, then the SES identity.", waits=True
        )
    known = _ADDED.get(Stage(item.domain.stage), _DONE) if kind is BatchKind.IMPORT else _DONE
    return replace(known, sentence=_afterwards(kind, item, item.domain))


def _afterwards(kind: BatchKind, item: BatchItem, domain: Domain) -> str:
    match kind:
        case BatchKind.TRANSFER:
            return f"The domain belongs to {domain.customer}."
        case BatchKind.HOLD:
            return "On hold." if domain.is_held else "Was on hold; released later."
        case BatchKind.RELEASE:
            return "On hold again." if domain.is_held else "Released."
        case BatchKind.IMPORT:
            belongs = "Claimed by" if domain.stage == Stage.CLAIM else "Belongs to"
            return f"{belongs} {domain.customer}. {domain.headline}".strip()
    is_done = domain.last_dns_check is not None and item.done_at is not None and domain.last_dns_check >= item.done_at
    return domain.headline if is_done else "Next in the queue; checking now."
