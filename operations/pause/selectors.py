"""Predicts the result of a resume, and reports the results of bulk pauses and resumes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import BooleanField, Count, ExpressionWrapper, F, Q, QuerySet

from operations.batches.core import BatchKind, BatchResult
from operations.models import BatchItem
from tenants.models.tenants import Tenant
from tenants.status.core import ACCOUNT_STOPPED, BY_AMAZON, SENDING, STANDING_WORDS, SendingStatus, TenantStatus

_DONE = {BatchKind.PAUSE: TenantStatus.PAUSED, BatchKind.RESUME: TenantStatus.ACTIVE}
ENDED = BatchResult("Pause ended", "warn", "")  # and AWS suspends the tenant
DELETED, CHANGED = BatchResult("Deleted", "mute", ""), BatchResult("Changed", "mute", "")
_WORDS = {BatchKind.PAUSE: ("Paused", "Pausing"), BatchKind.RESUME: ("Resumed", "Resuming")}
ONLY_OURS = "AWS still suspends the tenant: no mail is sent until AWS lifts the suspension."
STILL_LEAVES = "This customer’s sends don’t name the tenant yet, so their mail still leaves."
LEAVES_ANYWAY = "This customer’s sends don’t name the tenant yet: their mail leaves, paused or not."


@dataclass(frozen=True)
class ResumeOutcome:
    """`possible` False: the service would refuse, for the reason in `sentence`."""

    sentence: str
    possible: bool


def predict_resume(tenant: Tenant) -> ResumeOutcome:
    """Predict from the database; SES may have changed since."""
    if tenant.amazon_status == SendingStatus.DISABLED and tenant.is_paused:
        return ResumeOutcome(f"Ends our pause. {ONLY_OURS}", possible=True)
    if tenant.amazon_status == SendingStatus.DISABLED:
        return ResumeOutcome(f"AWS suspended this tenant, so it can’t be resumed here. {BY_AMAZON}", possible=False)
    if not tenant.is_paused and tenant.staff_status != SendingStatus.DISABLED:
        return ResumeOutcome("The tenant is not paused.", possible=False)
    if tenant.resumes_as == SendingStatus.REINSTATED:
        findings = "findings are open and its policy would pause it again"
        why = findings if tenant.pause_is_ours else "it was paused by its policy or in the SES console"
        stopped = f" {ACCOUNT_STOPPED}" if tenant.account_stopped else ""
        return ResumeOutcome(
            f"Sending resumes with status “reinstated”, because {why}. "
            f"SES changes the status to “enabled” automatically when the tenant is healthy.{stopped}",
            possible=True,
        )
    if tenant.account_stopped or not tenant.names_tenant:
        why = ACCOUNT_STOPPED if tenant.account_stopped else LEAVES_ANYWAY
        return ResumeOutcome(f"The tenant is resumed in SES. {why}", possible=True)
    return ResumeOutcome("Sending resumes. The status changes to Enabled once SES confirms it.", possible=True)


def pause_results(kind: BatchKind, items: Sequence[BatchItem]) -> list[BatchResult]:
    """Results of done items: a tenant is paused only when SES says so."""
    first = next((item.tenant for item in items if item.tenant), None)
    stopped = kind is BatchKind.RESUME and first is not None and first.account_stopped
    results = [_pause_result(kind, item.tenant) for item in items]
    return [replace(each, sentence=f"{each.sentence} {ACCOUNT_STOPPED}") if stopped else each for each in results]


def pause_counts(kind: BatchKind, done: QuerySet[BatchItem]) -> list[tuple[BatchResult, int]]:
    """Return the same results without sentences, counted by the database."""
    under_way = Q(tenant__status_asked_at__isnull=False, tenant__status_proven_at=None)
    rows = done.order_by().values(
        standing=F("tenant__standing"),
        is_paused=F("tenant__is_paused"),
        staff_status=F("tenant__staff_status"),
        is_under_way=ExpressionWrapper(under_way, output_field=BooleanField()),
    )
    return [
        (
            _word_of(
                kind,
                standing=row["standing"],
                is_paused=row["is_paused"],
                staff_status=row["staff_status"],
                is_under_way=row["is_under_way"],
            ),
            row["number"],
        )
        for row in rows.annotate(number=Count("pk"))
    ]


def _word_of(
    kind: BatchKind, *, standing: str | None, is_paused: bool, staff_status: str, is_under_way: bool
) -> BatchResult:
    """A pause of a suspended tenant, whose status stays "suspended", counts once SES confirms it too.

    `standing` None: the tenant was deleted.
    """
    done, under_way = _WORDS[kind]
    if standing is None:
        return DELETED
    if is_paused is not (kind is BatchKind.PAUSE):
        return CHANGED
    if is_under_way:
        return BatchResult(under_way, "info", "", waits=True)
    if standing == TenantStatus.SUSPENDED and kind is BatchKind.RESUME:
        return ENDED if staff_status in SENDING else CHANGED
    below = standing == TenantStatus.SUSPENDED and staff_status == SendingStatus.DISABLED
    return BatchResult(done, "good", "") if standing == _DONE[kind] or below else CHANGED


def _pause_result(kind: BatchKind, tenant: Tenant | None) -> BatchResult:
    names = ("standing", "is_paused", "staff_status", "is_under_way")
    found = _word_of(kind, **{name: getattr(tenant, name) for name in names}) if tenant else DELETED
    return replace(found, sentence=_sentence(kind, tenant, found))


def _sentence(kind: BatchKind, tenant: Tenant | None, found: BatchResult) -> str:
    if tenant is None:
        return "The tenant was deleted."
    if found.waits:
        return tenant.status_problem or "The change is being applied in SES."
    done, _ = _WORDS[kind]
    if found.word == ENDED.word:
        return f"Our pause ended, confirmed by SES. {ONLY_OURS}"
    if found.word == done:
        also = "" if tenant.names_tenant else f" {STILL_LEAVES if kind is BatchKind.PAUSE else LEAVES_ANYWAY}"
        if tenant.standing == TenantStatus.SUSPENDED:
            return f"AWS suspended this tenant. The pause stays when AWS lifts the suspension.{also}"
        return f"{done}, confirmed by SES.{also}"
    return f"The tenant’s status is now: {STANDING_WORDS[tenant.standing]}."
