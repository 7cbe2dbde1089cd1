"""What would come of resuming a tenant, and what came of pausing or resuming several."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models.people import User
from accounts.roles import PAUSE
from operations.batches.core import BatchKind, BatchResult
from operations.models import BatchItem
from tenants.models.tenants import Tenant
from tenants.status.core import BY_AMAZON, SendingStatus, Standing

_DONE = {BatchKind.PAUSE: Standing.PAUSED, BatchKind.RESUME: Standing.ACTIVE}
_UNDER_WAY = {BatchKind.PAUSE: Standing.PAUSING, BatchKind.RESUME: Standing.RESUMING}
_WORDS = {BatchKind.PAUSE: ("Paused", "Being paused"), BatchKind.RESUME: ("Resumed", "Being resumed")}


@dataclass(frozen=True)
class ResumeOutcome:
    """`possible` False: the service would refuse, for the reason in `sentence`."""

    sentence: str
    possible: bool


def outcome_of_resuming(tenant: Tenant) -> ResumeOutcome:
    """From the rows; Amazon may know better by the time it is asked."""
    if tenant.amazon_status == SendingStatus.DISABLED:
        return ResumeOutcome(
            f"Amazon has suspended it, and no resume of ours lifts that. Who can: {BY_AMAZON}", possible=False
        )
    if not tenant.is_paused and tenant.staff_status != SendingStatus.DISABLED:
        return ResumeOutcome("It is not paused: there is nothing to resume.", possible=False)
    if tenant.resumes_as == SendingStatus.REINSTATED:
        why = "findings are open" if tenant.pause_is_ours else "it was paused by its policy, or by hand at Amazon"
        return ResumeOutcome(
            f"It sends again as “reinstated”: {why}, and its policy could pause it again at once. "
            "When it is healthy Amazon makes it plainly enabled by itself.",
            possible=True,
        )
    return ResumeOutcome("It sends again. The page says “active” once Amazon has confirmed it.", possible=True)


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
        return BatchResult("Deleted", "mute", "The tenant has been deleted since.")
    if tenant.standing == _DONE[kind]:
        return BatchResult(done, "good", f"Amazon has confirmed it: {done.lower()}.")
    if tenant.standing == _UNDER_WAY[kind]:
        return BatchResult(under_way, "info", tenant.status_problem or "Amazon is being told.", waits=True)
    if tenant.standing == Standing.SUSPENDED and kind is BatchKind.PAUSE:
        return BatchResult(done, "good", "Amazon has suspended it; the pause stays when Amazon lifts that.")
    return BatchResult("Look at it", "mute", f"Since then it has become {tenant.standing}.")
