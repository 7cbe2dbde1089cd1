"""Predicts the result of a resume, and reports the results of bulk pauses and resumes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Count, QuerySet

from accounts.models.people import User
from accounts.roles import PAUSE
from operations.batches.core import BatchKind, BatchResult
from operations.models import BatchItem
from tenants.models.tenants import Tenant
from tenants.status.core import BY_AMAZON, STANDING_WORDS, SendingStatus, TenantStatus

_DONE = {BatchKind.PAUSE: TenantStatus.PAUSED, BatchKind.RESUME: TenantStatus.ACTIVE}
_UNDER_WAY = {BatchKind.PAUSE: TenantStatus.PAUSING, BatchKind.RESUME: TenantStatus.RESUMING}
_WORDS = {BatchKind.PAUSE: ("Paused", "Pausing"), BatchKind.RESUME: ("Resumed", "Resuming")}


@dataclass(frozen=True)
class ResumeOutcome:
    """`possible` False: the service would refuse, for the reason in `sentence`."""

    sentence: str
    possible: bool


def predict_resume(tenant: Tenant) -> ResumeOutcome:
    """Predict from the database; SES may have changed since."""
    if tenant.amazon_status == SendingStatus.DISABLED:
        return ResumeOutcome(f"AWS suspended this tenant, so it can’t be resumed here. {BY_AMAZON}", possible=False)
    if not tenant.is_paused and tenant.staff_status != SendingStatus.DISABLED:
        return ResumeOutcome("The tenant is not paused.", possible=False)
    if tenant.resumes_as == SendingStatus.REINSTATED:
        findings = "findings are open and its policy would pause it again"
        why = findings if tenant.pause_is_ours else "it was paused by its policy or in the SES console"
        return ResumeOutcome(
            f"Sending resumes with status “reinstated”, because {why}. "
            "SES changes the status to “enabled” automatically when the tenant is healthy.",
            possible=True,
        )
    return ResumeOutcome("Sending resumes. The status changes to Enabled once SES confirms it.", possible=True)


@dataclass(frozen=True)
class PredictedPause:
    """`works` False: it would be refused, or nothing would change."""

    tenant: Tenant
    sentence: str
    works: bool


def predicted_resumes(tenants: list[Tenant]) -> list[PredictedPause]:
    outcomes = [(tenant, predict_resume(tenant)) for tenant in tenants]
    return [PredictedPause(tenant, outcome.sentence, outcome.possible) for tenant, outcome in outcomes]


def may_pause(viewer: User) -> bool:
    return viewer.has_perm(PAUSE)


def pause_results(kind: BatchKind, items: Sequence[BatchItem]) -> list[BatchResult]:
    """Results of done items: a tenant is paused only when SES says so."""
    return [_pause_result(kind, item.tenant) for item in items]


def pause_counts(kind: BatchKind, done: QuerySet[BatchItem]) -> list[tuple[BatchResult, int]]:
    """Return the same results without sentences, counted by the database."""
    counted = done.order_by().values_list("tenant__standing").annotate(number=Count("pk"))
    return [(_word_of(kind, standing), number) for standing, number in counted]


def _word_of(kind: BatchKind, standing: str | None) -> BatchResult:
    """`standing` None: the tenant was deleted."""
    done, under_way = _WORDS[kind]
    if standing is None:
        return BatchResult("Deleted", "mute", "")
    if standing == _DONE[kind] or (standing == TenantStatus.SUSPENDED and kind is BatchKind.PAUSE):
        return BatchResult(done, "good", "")
    if standing == _UNDER_WAY[kind]:
        return BatchResult(under_way, "info", "", waits=True)
    return BatchResult("Changed", "mute", "")


def _pause_result(kind: BatchKind, tenant: Tenant | None) -> BatchResult:
    found = _word_of(kind, tenant.standing if tenant else None)
    return replace(found, sentence=_sentence(kind, tenant, found))


def _sentence(kind: BatchKind, tenant: Tenant | None, found: BatchResult) -> str:
    if tenant is None:
        return "The tenant was deleted."
    if found.waits:
        return tenant.status_problem or "The change is being applied in SES."
    if tenant.standing == TenantStatus.SUSPENDED and kind is BatchKind.PAUSE:
        return "AWS suspended this tenant. The pause stays when AWS lifts the suspension."
    if tenant.standing == _DONE[kind]:
        return f"{found.word}, confirmed by SES."
    return f"The tenant’s status is now: {STANDING_WORDS[tenant.standing]}."
