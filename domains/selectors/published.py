"""Domains as the published API contract has them: its three statuses, its filters, its counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Value

from domains.core import claims
from domains.core.checking import SesStatus, State
from domains.core.published import Published
from domains.core.records import Record, can_receive
from domains.models import Domain, RecordCheck, Stage
from domains.selectors import finding

FAILED = Q(stage=Stage.READY) & (
    Q(identity_status__in=(SesStatus.FAILED, SesStatus.NOT_STARTED)) | Q(dkim_status=SesStatus.FAILED)
)
VERIFIED = Q(stage=Stage.READY, verified_at__isnull=False) & ~FAILED
STATUS = {"verified": VERIFIED, "failed": FAILED, "pending": ~VERIFIED & ~FAILED}
MX = "inbound-mx"
# Published, or was when we last could look: a look-up that failed takes nothing away.
MX_RIGHT = Q(state__in=(State.VERIFIED, State.SPREADING)) | Q(state=State.COULD_NOT_CHECK, verified_at__isnull=False)

Checks = Mapping[str, RecordCheck]


@dataclass(frozen=True)
class Wanted:
    """What the query of a list asks for; None filters nothing."""

    status: Published | None = None
    can_receive: bool | None = None
    has_catch_all: bool | None = None
    provider: str | None = None
    search: str | None = None


def domains_found(domains: QuerySet[Domain], wanted: Wanted) -> QuerySet[Domain]:
    """The caller's domains, by what is wanted; newest first, and no two pages overlap."""
    if wanted.search:
        domains = domains.filter(finding.named_like(wanted.search))
    if wanted.status:
        domains = domains.filter(STATUS[wanted.status])
    if wanted.can_receive is not None:
        right = RecordCheck.objects.filter(MX_RIGHT, domain=OuterRef("pk"), key=MX)
        elsewhere = Q(expectations__has_key=MX)
        receiving = VERIFIED & Q(receives=True) & ~elsewhere & Q(Exists(right))
        domains = domains.filter(receiving if wanted.can_receive else ~receiving)
    if wanted.has_catch_all is not None:
        domains = domains.filter(has_catch_all=wanted.has_catch_all)
    if wanted.provider:
        domains = domains.filter(provider__iexact=wanted.provider)
    return domains.order_by("name", "pk")


def counts_of(domains: QuerySet[Domain]) -> dict[str, int]:
    """Of all that the filter matches, in one query: total, with_catch_all, and each status."""
    counted = {name: Count(Value(1), filter=status) for name, status in STATUS.items()}
    catch_all = Count(Value(1), filter=Q(has_catch_all=True))
    return domains.order_by().aggregate(total=Count("*"), with_catch_all=catch_all, **counted)


def status_of(domain: Domain) -> Published:
    """As `STATUS` has it for rows."""
    if domain.stage != Stage.READY:
        return "pending"
    gone = domain.identity_status in (SesStatus.FAILED, SesStatus.NOT_STARTED)
    if gone or domain.dkim_status == SesStatus.FAILED:
        return "failed"
    return "verified" if domain.verified_at else "pending"


def receives_mail(domain: Domain, checks: Checks) -> bool:
    """Whether mail for it can arrive: verified, in a region that receives, and its MX is there."""
    if not domain.receives or MX in domain.expectations:
        return False  # staff said that its mail arrives elsewhere
    if status_of(domain) != "verified" or not can_receive(domain.region):
        return False
    check = checks.get(MX)
    return check is not None and is_right(check, spreading=True)


def is_right(check: RecordCheck | None, *, spreading: bool = False) -> bool:
    """Right when last looked at, or when one last could look; `spreading`: some resolvers are enough."""
    if check is None:
        return False
    if check.state == State.COULD_NOT_CHECK:
        return check.verified_at is not None
    return check.state == State.VERIFIED or (spreading and check.state == State.SPREADING)


def has_mx(checks: Checks) -> bool:
    """Whether the domain has any MX, ours or not, as it was last seen."""
    check = checks.get(MX)
    return check is not None and (bool(check.found) or is_right(check, spreading=True))


def records_of(domain: Domain) -> tuple[Record, ...]:
    """What is to be published now: the proof alone while the ownership is open."""
    if domain.stage == Stage.CLAIM:
        return (claims.challenge(domain.parsed, domain.claim_token),)
    return domain.records


def checks_of(domains: Iterable[Domain]) -> dict[str, dict[str, RecordCheck]]:
    """By domain and record, in one query."""
    found: dict[str, dict[str, RecordCheck]] = {domain.pk: {} for domain in domains}
    for check in RecordCheck.objects.filter(domain__in=found):
        found[check.domain_id][check.key] = check
    return found
