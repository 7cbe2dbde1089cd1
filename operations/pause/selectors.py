"""What would come of resuming a tenant, and what came of pausing or resuming several."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models.people import User
from accounts.roles import PAUSE
from operations.batches.core import BatchKind, BatchResult
from operations.models import BatchItem
from tenants.models.tenants import Tenant
from tenants.status.core import BY_AMAZON, STANDING_WORDS, SendingStatus, Standing

_DONE = {BatchKind.PAUSE: Standing.PAUSED, BatchKind.RESUME: Standing.ACTIVE}
_UNDER_WAY = {BatchKind.PAUSE: Standing.PAUSING, BatchKind.RESUME: Standing.RESUMING}
_WORDS = {BatchKind.PAUSE: ("Paused", "Pausing"), BatchKind.RESUME: ("Resumed", "Resuming")}


@dataclass(frozen=True)
class ResumeOutcome:
    """`possible` False: the service would refuse, for the reason in `sentence`."""

    sentence: str
    possible: bool


def outcome_of_resuming(tenant: Tenant) -> ResumeOutcome:
    """From the rows; Amazon may know better by the time it is asked."""
    if tenant.amazon_status == SendingStatus.DISABLED:
        return ResumeOutcome(
            f"AWS suspended this tenant, so it can’t be resumed here. Can be lifted by: {BY_AMAZON}", possible=False
        )
    if not tenant.is_paused and tenant.staff_status != SendingStatus.DISABLED:
        return ResumeOutcome("The tenant is not paused.", possible=False)
    if tenant.resumes_as == SendingStatus.REINSTATED:
        why = "findings are open" if tenant.pause_is_ours else "it was paused by its policy or in the SES console"
        return ResumeOutcome(
            f"Sending resumes with status “reinstated”, because {why} and its policy would pause it again. "
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
    outcomes = [(tenant, outcome_of_resuming(tenant)) for tenant in tenants]
    return [PredictedPause(tenant, outcome.sentence, outcome.possible) for tenant, outcome in outcomes]


def may_pause(viewer: User) -> bool:
    return viewer.has_perm(PAUSE)


def pause_results(kind: BatchKind, items: Sequence[BatchItem]) -> list[BatchResult]:
    """Of items that were asked for: a tenant is paused when Amazon says so."""
    return [_pause_result(kind, item.tenant) for item in items]


def _pause_result(kind: BatchKind, tenant: Tenant | None) -> BatchResult:
    done, under_way = _WORDS[kind]
    if tenant is None:
        return BatchResult("Deleted", "mute", "The tenant was deleted.")
    if tenant.standing == _DONE[kind]:
        return BatchResult(done, "good", f"{done}, confirmed by SES.")
    if tenant.standing == _UNDER_WAY[kind]:
        return BatchResult(
            under_way, "info", tenant.status_problem or "The change is being applied in SES.", waits=True
        )
    if tenant.standing == Standing.SUSPENDED and kind is BatchKind.PAUSE:
        return BatchResult(done, "good", "AWS suspended this tenant. The pause stays when AWS lifts the suspension.")
    return BatchResult("Changed", "mute", f"The tenant’s status is now: {STANDING_WORDS[tenant.standing]}.")
