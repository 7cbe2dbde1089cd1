"""Domain querysets. Those that a customer can reach take the viewer and return only the viewer's rows."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypedDict

from django.conf import settings
from django.db.models import Case, CharField, Count, Exists, F, Func, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Concat, Now
from django.utils import timezone

from accounts.models.people import Customer
from accounts.people.selectors import Viewer, customers_for, of_customer, of_own_customers, supports_everyone
from audit.services import Subject
from domains.checking.core.judgement import State
from domains.domain_list import core as columns
from domains.models.domains import MAY_BE_UNVERIFIED, Domain, Stage
from domains.names.core import DomainName, parse_existing_domain, readable, shown_name
from domains.receiving.core import RED
from inbound_admin.lib.errors import Refused
from inbound_admin.lib.exports import ROWS_AT_ONCE, moment
from inbound_admin.lib.filters import distinct_values, has_part
from inbound_admin.lib.fixed_query import FixedQuery
from inbound_admin.lib.kept_values import keep_value, kept_value
from inbound_admin.lib.lists import KEPT_FROM, KEPT_SECONDS, ListFilters, ListPage, Order, kept_pairs


def domain_subject(domain: Domain) -> Subject:
    """Return the change log's reference to a domain."""
    return Subject("domain", domain.id, domain.name, domain.customer_id)


def domains_for(viewer: Viewer) -> QuerySet[Domain]:
    """Return domains of the viewer's customers, or all for staff who support everyone."""
    domains = Domain.objects.select_related("customer")
    return domains if supports_everyone(viewer) else domains.filter(of_own_customers(viewer))


def verified_parent(name: DomainName, customer: Customer) -> Domain | None:
    """Return the nearest parent domain that the same customer has verified."""
    own = Domain.objects.filter(customer=customer, name__in=name.parents, verified_at__isnull=False)
    return max(own, key=lambda domain: len(domain.name), default=None)


def domains_in_region() -> QuerySet[Domain]:
    """Return domains of this deployment's region. SES does not know those of other regions."""
    return Domain.objects.filter(region=settings.AWS_REGION)


def of_own_name(column: str) -> Coalesce:
    """Return what the JSON of the column has for the domain's own name, or ""."""
    own = Func(F(column), F("name"), function="jsonb_extract_path_text", output_field=CharField())
    return Coalesce(own, Value(""))


ADDED_AT = Coalesce("held_since", "created_at")  # `Domain.added_at`, with an index
_FORMER = Q(moved_at__isnull=False) | ~Q(routes_problem="")


def domains_with_former_routes() -> QuerySet[Domain]:
    """Return domains whose mail may still be delivered for the previous customer."""
    return domains_in_region().filter(_FORMER)


_TWO_FORMER = FixedQuery(lambda: domains_with_former_routes().values_list("name")[:2])


def two_with_former_routes() -> tuple[str, ...]:
    """Return the first two names of `domains_with_former_routes`: whether there is none, one or more."""
    return tuple(name for (name,) in _TWO_FORMER.values())


def domains_unfinished() -> QuerySet[Domain]:
    """Return domains that are being set up, configured or deleted: SES calls are still to be made."""
    no_name, dot = Value(""), Value(".")
    wanted = Case(When(mail_from_label="", then=no_name), default=Concat("mail_from_label", dot, "name"))
    differs = (
        ~Q(wanted_mail_from=F("ses_mail_from"))
        | ~Q(on_mx_failure=F("ses_on_mx_failure"))
        | ~Q(dkim_signing=F("ses_dkim_signing"))
        | Q(settings_unanswered=True)
        | Q(new_dkim_wanted=True)
    )
    on_their_way = Q(stage__in=(Stage.STARTING, Stage.DELETING)) | (Q(stage=Stage.READY) & differs)
    on_their_way |= Q(stage=Stage.CLAIM, identity_deletion_wanted=True)
    return domains_in_region().annotate(wanted_mail_from=wanted).filter(on_their_way)


def domains_due(now: datetime) -> QuerySet[Domain]:
    """Return domains to check now, except held ones and those being deleted."""
    due = domains_in_region().filter(next_check_at__lte=now, held_at__isnull=True, stage__in=(Stage.CLAIM, Stage.READY))
    return due.order_by("next_check_at")


ATTENTION = {
    "attention": ("Needs attention", (State.AT_RISK, State.WRONG)),
    "waiting": ("In setup", (State.NOT_CHECKED, State.WAITING, State.SPREADING)),
    "verified": ("Verified", (State.VERIFIED,)),
    "unclear": ("Check failed", (State.COULD_NOT_CHECK,)),
}


STUCK_AFTER = timedelta(days=1)
MOST_CHOICES = 200  # choices in the customer filter


@dataclass(frozen=True)
class DomainListFilters(ListFilters):
    """`q` is part of the name, in Unicode or in DNS form."""

    state: str = ""
    customer: str = ""
    provider: str = ""
    catch_all: str = ""

    columns: ClassVar[Mapping[str, str]] = {"provider": "provider"}
    uncounted = ("former", "rejecting")
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
            yield name_contains(self.q)
        if self.customer:
            yield of_customer("customer", self.customer)
        if self.state:
            yield _with_shown_state(self.state)
        if self.catch_all in ("yes", "no"):
            yield Q(has_catch_all=self.catch_all == "yes")

    def groups(self) -> dict[str, Q]:
        others = {"stuck": _stuck(timezone.now()), "former": _FORMER, "rejecting": Q(receiving_state__in=RED)}
        return {key: _attention(key) for key in ATTENTION} | others


LONGEST_NAME = 253
MOST_DECODED = 20_000  # internationalized names that one search reads

# What a list and its export show, and what `columns` judges it by. As plain rows: fifty models with 60 fields each take
# longer to build than to read.
_LISTED = (
    *("id", "name", "customer__name", "stage", "stage_problem", "routes_removed_at", "summary", "provider"),
    *("state", "override_state", "override_until", "held_at", "last_dns_check", "receiving_state"),
    *("region", "mx_facts", "mail_rules", "receives", "proven_at", "identity_status", "routes_unchecked"),
    *("expectations", "mta_sts_block", "verified_at", "created_at", "held_since"),
)


def listed_domains(*, viewer: Viewer, filters: DomainListFilters) -> QuerySet[Domain, Any]:
    """Return rows of the columns that a `ListedDomain` is made of."""
    return filters.search(domains_for(viewer)).values_list("pk", *_LISTED, named=True)


class ListedDomain(TypedDict):
    """A domain as the list shows it. A mapping: a template tries a key first, and an attribute after that failed.

    `word`, `tone` and `icon` of receiving: "" before SES has it, or while nothing is known.
    """

    id: str
    name: str
    customer: str
    sentence: str
    state: State
    word: str
    tone: str
    icon: str
    is_held: bool
    is_deleting: bool
    provider: str
    checked_at: datetime | None
    result: str  # of the checks, if staff set the state


def listed_domain(row: Any, now: datetime) -> ListedDomain:
    """`row`: one of `listed_domains`."""
    receiving = columns.receiving(row)
    is_ready = row.stage == Stage.READY
    may_send = is_ready and row.state == State.VERIFIED and receiving.asks_for_address
    word, tone, icon = receiving.label if is_ready and row.receiving_state else ("", "", "")
    return ListedDomain(
        id=row.id,
        name=shown_name(row.name),
        customer=row.customer__name,
        sentence="Ready to send." if may_send else columns.headline(row, receiving),
        state=columns.shown_state(row, now),
        word=word,
        tone=tone,
        icon=icon,
        is_held=row.held_at is not None,
        is_deleting=row.stage == Stage.DELETING,
        provider=row.provider,
        checked_at=row.last_dns_check,
        result=columns.result_behind(row, now),
    )


def attention_counts(*, viewer: Viewer, filters: DomainListFilters) -> dict[str, int]:
    """Return the number of domains in each group of `ATTENTION`, and of stuck ones, under the other filters."""
    return filters.counts(domains_for(viewer))


def _with_shown_state(state: str) -> Q:
    """Match the state on the chip: a claim is waiting, whatever its checks say."""
    shown = _in_states((State(state),)) if state in set(State) else Q(pk=None)
    if state == State.WAITING:
        return shown | Q(stage=Stage.CLAIM)
    return shown & ~Q(stage=Stage.CLAIM)


def _in_states(states: tuple[State, ...]) -> Q:
    """A staff override counts instead of the checked state until it expires."""
    is_overridden = Q(override_until__gt=Now())  # a time of ours would make each request's count another one
    return (Q(state__in=states) & ~is_overridden) | (Q(override_state__in=states) & is_overridden)


def unverified_domains(viewer: Viewer) -> QuerySet[Domain]:
    """Return the viewer's domains that are shown as not verified: those with a problem first, then the oldest."""
    found = domains_for(viewer).filter(MAY_BE_UNVERIFIED).exclude(_in_states((State.VERIFIED,)))
    is_waiting = Case(When(_in_states((State.AT_RISK, State.WRONG)), then=False), default=True)
    return found.order_by(is_waiting, "state_since", "pk")


def _attention(key: str) -> Q:
    """Domains whose setup or deletion is blocked need attention too."""
    found = _in_states(ATTENTION[key][1])
    return found | ~Q(stage_problem="") | Q(receiving_state__in=RED) if key == "attention" else found


def domains_rejecting(viewer: Viewer) -> QuerySet[Domain]:
    """Return domains with an MX here whose mail SES rejects, another rule keeps, or an MTA-STS policy blocks."""
    return domains_for(viewer).filter(receiving_state__in=RED)


def rejecting_by_state(viewer: Viewer) -> dict[str, int]:
    counted = domains_rejecting(viewer).order_by().values_list("receiving_state").annotate(number=Count("pk"))
    return dict(counted)


def _stuck(now: datetime) -> Q:
    """Domains that are not set up or verified one day after they were added or restarted, and in no other group."""
    waits = Q(stage=Stage.STARTING) | Q(stage=Stage.DELETING) | Q(stage=Stage.READY, verified_at=None)
    elsewhere = _attention("attention") | _attention("unclear")
    return waits & Q(watched_from__lt=now - STUCK_AFTER, held_at=None) & ~elsewhere


def name_contains(text: str) -> Q:
    """Match part of the name, in Unicode or in DNS form."""
    in_dns = dns_form(text)
    found = has_part("name", text) if in_dns == text.lower() else has_part("name", text) | has_part("name", in_dns)
    if not text.isascii():
        return found | Q(name__in=names_in_unicode(text))
    is_several = "." in text.strip(".") and len(text) <= LONGEST_NAME
    return found | _in_several_labels(text.lower()) if is_several else found


def _in_several_labels(text: str) -> Q:
    """Match ASCII text that crosses the end or start of an internationalized label, as “cher.de” of “bücher.de”.

    The DNS form has a label's ASCII characters in their order, then a hyphen and where the others belong.
    """
    first, _, rest = text.partition(".")
    between, last = "".join(f"{re.escape(label)}\\." for label in rest.split(".")[:-1]), re.escape(rest.split(".")[-1])
    start = f"((^|\\.)xn--[a-z0-9-]*{re.escape(first)}-[a-z0-9]+|{re.escape(first)})"
    return has_part("name", "xn--") & Q(name__regex=f"{start}\\.{between}(xn--)?{last}")


def names_in_unicode(part: str) -> list[str]:
    """Return the stored names whose Unicode form contains the text, among the first internationalized names.

    A part of a Unicode label is no part of its DNS form, so the few names that have one are decoded. The index of
    parts gives them. Call it only for text that is not ASCII.
    """
    wanted = unicodedata.normalize("NFKC", part).lower()
    stored = Domain.objects.filter(has_part("name", "xn--")).order_by().values_list("name", flat=True)[:MOST_DECODED]
    return sorted({name for name in stored if wanted in readable(name)})


def dns_form(text: str) -> str:
    """Return the name as it is stored; what is no domain name unchanged."""
    try:
        return parse_existing_domain(text)
    except Refused:
        return text


def choices(*, viewer: Viewer, domains: int) -> dict[str, list[tuple[str, str]]]:
    """Return the filters' choices: the DNS hosts in use, and the viewer's customers with domains.

    `domains`: how many the viewer has; a member's hosts may be some minutes old if these are many.
    """
    own = domains_for(viewer).order_by()
    if domains > KEPT_FROM and not supports_everyone(viewer):
        providers = sorted(name for (name,) in kept_pairs(own.exclude(provider=""), "provider"))
    else:
        providers = distinct_values(own, "provider")
    return customer_choices(viewer=viewer) | {"providers": [(name, name) for name in providers]}


def _offered(customers: QuerySet[Customer]) -> QuerySet[Customer, tuple[str, str]]:
    has_domains = Exists(Domain.objects.filter(customer=OuterRef("pk")))
    return customers.filter(has_domains).order_by("name", "id").values_list("pk", "name")[: MOST_CHOICES + 1]


_MANY_CUSTOMERS = "many_customers_have_domains"
_OWN_CHOICES = FixedQuery(
    lambda person: _offered(Customer.objects.filter(memberships__user_id=person, memberships__user__is_active=True)),
    compared=1,
)


def customer_choices(*, viewer: Viewer) -> dict[str, list[tuple[str, str]]]:
    """Return the viewer's customers with domains; none if there are too many, which is remembered for some minutes."""
    sees_all = supports_everyone(viewer)
    if sees_all and (many := kept_value(_MANY_CUSTOMERS)):
        return {"many_customers": many, "customers": []}
    offered = list(_offered(customers_for(viewer))) if sees_all else _OWN_CHOICES.values(viewer.pk or 0)
    if len(offered) > MOST_CHOICES:
        if sees_all:
            keep_value(_MANY_CUSTOMERS, offered[:1], KEPT_SECONDS)
        return {"many_customers": offered[:1], "customers": []}
    return {"customers": offered}


def export_rows(*, viewer: Viewer, filters: DomainListFilters) -> Iterator[dict[str, str]]:
    """Yield one row per domain for all domains that the filters match, read in chunks."""
    now = timezone.now()
    rows: Iterator[Any] = ListPage.every_row(listed_domains(viewer=viewer, filters=filters), at_once=ROWS_AT_ONCE)
    for row in rows:
        yield {
            "id": row.id,
            "domain": row.name,
            "customer": row.customer__name,
            "state": row.state,
            "shown_as": columns.shown_state(row, now).value,
            "summary": columns.headline(row, columns.receiving(row)),
            "receiving": row.receiving_state,
            "dns_host": row.provider,
            "checked_at": moment(row.last_dns_check),
            "verified_at": moment(row.verified_at),
            "created_at": moment(row.held_since or row.created_at),
        }
