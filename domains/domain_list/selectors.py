"""Domains to be read. What a customer can reach takes the viewer and shows their own rows alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Concat
from django.utils import timezone

from accounts.models.people import Customer
from accounts.people.selectors import Viewer, customers_for, of_customer, supports_everyone
from audit.services import Subject
from domains.checking.core.judgement import State
from domains.models.domains import Domain, Stage
from domains.names.core import DomainName, understand
from domains.receiving.core import RED
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.exports import ROWS_AT_ONCE, moment
from inbound_admin.lib.lists import ListFilters, ListPage, Order, distinct_values, has_part


def domain_subject(domain: Domain) -> Subject:
    """What the change log calls a domain."""
    return Subject("domain", domain.id, domain.name, domain.customer_id)


def domains_for(viewer: Viewer) -> QuerySet[Domain]:
    """Domains of the viewer's customers, or of all for staff who support them."""
    domains = Domain.objects.select_related("customer")
    return domains if supports_everyone(viewer) else domains.filter(customer__in=customers_for(viewer))


def verified_parent(name: DomainName, customer: Customer) -> Domain | None:
    """The nearest domain above this one that the same customer has verified."""
    own = Domain.objects.filter(customer=customer, name__in=name.parents, verified_at__isnull=False)
    return max(own, key=lambda domain: len(domain.name), default=None)


def domains_in_region() -> QuerySet[Domain]:
    """Domains of this deployment's region: of another one Amazon would tell us that it does not know them."""
    return Domain.objects.filter(region=settings.AWS_REGION)


_FORMER = Q(moved_at__isnull=False) | ~Q(routes_problem="")


def domains_with_former_routes() -> QuerySet[Domain]:
    """Whose mail may still go where the holder before this one wanted it."""
    return domains_in_region().filter(_FORMER)


def domains_unfinished() -> QuerySet[Domain]:
    """On their way to being set up, configured, unmade or deleted: Amazon has still to be told of something."""
    no_name, dot = Value(""), Value(".")
    wanted = Case(When(mail_from_label="", then=no_name), default=Concat("mail_from_label", dot, "name"))
    differs = (
        ~Q(wanted_mail_from=F("ses_mail_from"))
        | ~Q(on_mx_failure=F("ses_on_mx_failure"))
        | ~Q(dkim_signing=F("ses_dkim_signing"))
        | Q(new_dkim_wanted=True)
    )
    on_their_way = Q(stage__in=(Stage.STARTING, Stage.DELETING)) | (Q(stage=Stage.READY) & differs)
    on_their_way |= Q(stage=Stage.CLAIM, unmake_wanted=True)
    return domains_in_region().annotate(wanted_mail_from=wanted).filter(on_their_way)


def domains_due(now: datetime) -> QuerySet[Domain]:
    """What the worker has to look at now: never what is held or being deleted."""
    due = domains_in_region().filter(next_check_at__lte=now, held_at__isnull=True, stage__in=(Stage.CLAIM, Stage.READY))
    return due.order_by("next_check_at")


ATTENTION = {
    "attention": ("Needs attention", (State.AT_RISK, State.WRONG)),
    "waiting": ("In setup", (State.NOT_CHECKED, State.WAITING, State.SPREADING)),
    "verified": ("Verified", (State.VERIFIED,)),
    "unclear": ("Check failed", (State.COULD_NOT_CHECK,)),
}


STUCK_AFTER = timedelta(days=1)
MOST_CHOICES = 200  # customers that a filter offers


@dataclass(frozen=True)
class DomainListFilters(ListFilters):
    """`q` is part of the name, as typed or as DNS writes it."""

    state: str = ""
    customer: str = ""
    provider: str = ""
    catch_all: str = ""

    columns: ClassVar[Mapping[str, str]] = {"provider": "provider"}
    uncounted = ("stuck", "former", "rejecting")
    sorts: ClassVar[Mapping[str, Order]] = {
        "name": ("name",),
        "-name": ("-name",),
        "state": ("state", "name"),
        "-state": ("-state", "name"),
        "checked": (F("last_dns_check").asc(nulls_first=True), "name"),
        "-checked": (F("last_dns_check").desc(nulls_last=True), "name"),
        "customer": ("customer__name", "name"),
        "-customer": ("-customer__name", "name"),
    }

    def conditions(self) -> Iterator[Q]:
        if self.q:
            yield named_like(self.q)
        if self.customer:
            yield of_customer("customer", self.customer)
        if self.state:
            yield _shown_as(self.state)
        if self.catch_all in ("yes", "no"):
            yield Q(has_catch_all=self.catch_all == "yes")

    def groups(self) -> dict[str, Q]:
        others = {"stuck": _stuck(timezone.now()), "former": _FORMER, "rejecting": Q(receiving_state__in=RED)}
        return {key: _attention(key) for key in ATTENTION} | others


_NOT_SHOWN = ("policies", "domain_connect", "mta_sts", "dkim_tokens", "note")  # long ones


def search_domains(*, viewer: Viewer, filters: DomainListFilters) -> QuerySet[Domain]:
    return filters.search(domains_for(viewer)).defer(*_NOT_SHOWN)


def attention_counts(*, viewer: Viewer, filters: DomainListFilters) -> dict[str, int]:
    """How many domains each of `ATTENTION` shows under the other filters, in one query."""
    return filters.counts(domains_for(viewer))


def _shown_as(state: str) -> Q:
    """As the chip shows it: a claim waits, whatever was or was not checked."""
    shown = _in_states((State(state),)) if state in set(State) else Q(pk=None)
    if state == State.WAITING:
        return shown | Q(stage=Stage.CLAIM)
    return shown & ~Q(stage=Stage.CLAIM)


def _in_states(states: tuple[State, ...]) -> Q:
    """What staff say for a time counts in place of what the checks came to."""
    said = Q(override_until__gt=timezone.now())
    return (Q(state__in=states) & ~said) | (Q(override_state__in=states) & said)


def domains_not_verified(viewer: Viewer) -> QuerySet[Domain]:
    return domains_for(viewer).exclude(_in_states((State.VERIFIED,)))


def _attention(key: str) -> Q:
    """What is held up on its way needs attention as well as what is wrong."""
    found = _in_states(ATTENTION[key][1])
    return found | ~Q(stage_problem="") | Q(receiving_state__in=RED) if key == "attention" else found


def domains_stuck(*, viewer: Viewer, now: datetime) -> QuerySet[Domain]:
    """Neither set up nor verified a day after they were added or restarted, and not counted by another group."""
    return domains_for(viewer).filter(_stuck(now))


def domains_rejecting(viewer: Viewer) -> QuerySet[Domain]:
    """Those whose mail SES rejects, or another rule stops, bounces or takes, though their MX leads here."""
    return domains_for(viewer).filter(receiving_state__in=RED)


def _stuck(now: datetime) -> Q:
    waits = Q(stage=Stage.STARTING) | Q(stage=Stage.DELETING) | Q(stage=Stage.READY, verified_at=None)
    elsewhere = _attention("attention") | _attention("unclear")
    return waits & Q(watched_from__lt=now - STUCK_AFTER, held_at=None) & ~elsewhere


def named_like(text: str) -> Q:
    """By part of the name, as typed or as DNS writes it."""
    in_dns = _in_dns(text)
    return has_part("name", text) if in_dns == text.lower() else has_part("name", text) | has_part("name", in_dns)


def _in_dns(text: str) -> str:
    try:
        return understand(text).domain.ascii
    except Refused:
        return text


def choices(*, viewer: Viewer) -> dict[str, list[tuple[str, str]]]:
    """What the filters offer: the DNS hosts seen, and the viewer's customers that have domains."""
    providers = distinct_values(domains_for(viewer).order_by(), "provider")
    return customer_choices(viewer=viewer) | {"providers": [(name, name) for name in providers]}


def customer_choices(*, viewer: Viewer) -> dict[str, list[tuple[str, str]]]:
    """The viewer's customers that have domains; none where too many."""
    has_domains = Exists(Domain.objects.filter(customer=OuterRef("pk")))
    customers = customers_for(viewer).filter(has_domains).order_by("name", "id").values_list("pk", "name")
    offered = list(customers[: MOST_CHOICES + 1])
    if len(offered) > MOST_CHOICES:
        return {"many_customers": offered[:1], "customers": []}
    return {"customers": offered}


def export_rows(*, viewer: Viewer, filters: DomainListFilters) -> Iterator[dict[str, str]]:
    """One row a domain, all that the filters show, read in chunks."""
    rows = search_domains(viewer=viewer, filters=filters)
    for domain in ListPage.every_row(rows, at_once=ROWS_AT_ONCE):
        yield {
            "id": domain.id,
            "domain": domain.name,
            "customer": domain.customer.name,
            "state": domain.state,
            "shown_as": domain.shown_state.value,
            "summary": domain.headline,
            "receiving": domain.receiving_state,
            "dns_host": domain.provider,
            "checked_at": moment(domain.last_dns_check),
            "verified_at": moment(domain.verified_at),
            "created_at": moment(domain.created_at),
        }
