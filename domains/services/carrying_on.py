"""What was begun and has no job any more is queued again: a job can be lost, what is wanted stands in the rows."""

from django.db.models import Q

from domains.models import Stage
from domains.selectors import finding
from domains.services.queue import configure_soon, delete_soon, set_up_soon, unmake_soon

CARRY_ON = {
    Stage.CLAIM: unmake_soon,
    Stage.STARTING: set_up_soon,
    Stage.DELETING: delete_soon,
    Stage.READY: configure_soon,
}


def carry_on() -> int:
    """Queue a job for each domain on its way that has none; returns how many are on their way."""
    waits_for_routes = Q(stage=Stage.DELETING, routes_removed_at=None)
    unfinished = list(finding.domains_unfinished().exclude(waits_for_routes))
    for domain in unfinished:
        CARRY_ON[Stage(domain.stage)](domain, unless_running=True)
    return len(unfinished)
