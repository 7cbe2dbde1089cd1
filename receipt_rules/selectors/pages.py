"""What the pages about receiving need beyond `finding`: who may look, counts, and a domain's mode in one sentence."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.db.models import Count, Q, QuerySet

from domains.models import Domain
from receipt_rules.models import Address, CatchAll, Endpoint, Expectation, Run, RunStep, Snapshot, StepState
from receipt_rules.selectors import finding
from receipt_rules.selectors.finding import SHOWN, Filters
from tenants.models import Customer
from tenants.selectors import Viewer

MOST_NAMED = 3  # addresses that a sentence names one by one; more are counted


def may_see_rules(viewer: Viewer) -> bool:
    """The rules are everybody's at once, so that staff alone see them."""
    return viewer.is_active and viewer.has_perm("receipt_rules.view_run")


def may_operate(viewer: Viewer) -> bool:
    return viewer.is_active and viewer.has_perm("receipt_rules.operate_rules")


def endpoints_of(customer: Customer) -> QuerySet[Endpoint]:
    """Those that mail can be sent to; the caller has already fetched the customer for its viewer."""
    return Endpoint.objects.filter(customer=customer)


def endpoints_found(*, viewer: Viewer, text: str) -> QuerySet[Endpoint]:
    """By part of the name or of the customer's."""
    found = finding.endpoints_for(viewer)
    return found.filter(Q(name__icontains=text) | Q(customer__name__icontains=text)) if text else found


def address_counts(*, viewer: Viewer, filters: Filters) -> dict[str, int]:
    """How many each of `SHOWN` would show under the other filters, in one query."""
    counted = {key: Count("pk", filter=shown) for key, shown in SHOWN.items()}
    others = finding.search_addresses(viewer=viewer, filters=replace(filters, show=""))
    return others.order_by().aggregate(**counted)


@dataclass(frozen=True)
class Pending:
    """What a customer has changed and Amazon's rules do not show yet."""

    is_there: bool = False
    waits_because: str = ""

    @property
    def poll_seconds(self) -> int | None:
        if not self.is_there:
            return None
        return 30 if self.waits_because else 3


def pending_of(customer: Customer) -> Pending:
    found = finding.pending_for(customer)
    return Pending(True, found.waits_because) if found else Pending()


@dataclass(frozen=True)
class Inbound:
    """What the Inbound tab of a domain shows. `sub_catch_all` is for everything below the domain."""

    addresses: tuple[Address, ...]
    catch_all: CatchAll | None
    sub_catch_all: CatchAll | None
    pending: Pending
    sentence: str


def inbound_of(domain: Domain) -> Inbound:
    """The caller has already fetched the domain for its viewer."""
    addresses, catch_alls = finding.inbound_of(domain)
    found = {each.subdomains: each for each in catch_alls}
    everything, below = found.get(False), found.get(True)
    sentence = " ".join(_sentences(domain, addresses, everything, below))
    return Inbound(tuple(addresses), everything, below, pending_of(domain.customer), sentence)


def _sentences(
    domain: Domain, addresses: Iterable[Address], everything: CatchAll | None, below: CatchAll | None
) -> Iterable[str]:
    parts = _parts([address for address in addresses if address.is_active], domain)
    if everything and everything.is_active:
        named = f"everything else {_goes(everything, 1)}" if parts else f"Everything at {domain} {_goes(everything, 1)}"
        yield f"{'; '.join([*parts, named])}."
    elif parts:
        yield f"{'; '.join([*parts, 'everything else is turned away'])}."
    else:
        yield f"No mail is taken at {domain} yet."
    if below and below.is_active:
        yield f"Everything at the names below it {_goes(below, 1)}."


def _parts(addresses: Iterable[Address], domain: Domain) -> list[str]:
    """One for each endpoint."""
    groups: dict[str | None, list[Address]] = {}
    for address in addresses:
        endpoint = address.own_endpoint
        groups.setdefault(endpoint.pk if endpoint else None, []).append(address)
    return [f"{_named(members, domain)} {_goes(members[0], len(members))}" for members in groups.values()]


def _named(members: list[Address], domain: Domain) -> str:
    if len(members) > MOST_NAMED:
        return f"{len(members)} addresses"
    *most, last = [each.address.removesuffix(domain.name) for each in members]
    return f"{', '.join(most)} and {last}" if most else last


def _goes(wish: Address | CatchAll, number: int) -> str:
    endpoint = wish.own_endpoint
    if endpoint is None:
        return "has no endpoint yet" if number == 1 else "have no endpoint yet"
    off = "" if endpoint.is_active else ", which is switched off"
    return f"{'goes' if number == 1 else 'go'} to {endpoint}{off}"


def used_by(endpoint: Endpoint) -> tuple[str, ...]:
    """The recipients that point to it, for its page: at most ten."""
    addresses = [each.recipient for each in Address.objects.filter(endpoint=endpoint)[:10]]
    everything = [str(each) for each in CatchAll.objects.select_related("domain").filter(endpoint=endpoint)[:10]]
    return tuple([*everything, *addresses][:10])


def snapshots(region: str) -> QuerySet[Snapshot]:
    """What one can roll back to, newest first."""
    return Snapshot.objects.select_related("run").defer("content").filter(region=region)


def steps_of(run: Run) -> QuerySet[RunStep]:
    return RunStep.objects.filter(run=run).order_by("number")


def steps_done(run: Run) -> int:
    return RunStep.objects.filter(run=run, state=StepState.DONE).count()


def expectations() -> QuerySet[Expectation]:
    return Expectation.objects.select_related("by").all()
