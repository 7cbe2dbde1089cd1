"""Stores what the list of domains shows: facts reported by the apps above, and the number of domains in each state.

The apps above call these functions; nothing here calls them. The counts are recorded hourly for the dashboard's chart.
"""

from datetime import datetime

from django.db.models import Count

from domains.checking.core.judgement import State
from domains.domain_list import selectors
from domains.models.domains import Domain, Stage
from inbound_admin.lib import counters


def record_catch_all(*, domain_id: str, has: bool) -> None:
    """Store whether the domain has a catch-all. The caller writes the change log."""
    Domain.objects.filter(pk=domain_id).update(has_catch_all=has)


def record_routes_checked(*, domain_id: str, customer_id: str) -> None:
    """Store that the receipt rules were compared for this customer. No effect if the domain was
    transferred meanwhile.
    """
    settled = {"routes_unchecked": False, "routes_problem": "", "routes_look_at": None}
    Domain.objects.filter(pk=domain_id, customer=customer_id).update(**settled, moved_at=None, moved_from=None)


def record_routes_problem(*, domain_id: str, customer_id: str, why: str, look_at: datetime | None = None) -> None:
    """Store that receipt rules still deliver for the previous customer. They are compared again at `look_at`."""
    waiting = Domain.objects.filter(pk=domain_id, customer=customer_id, routes_unchecked=True)
    waiting.update(routes_problem=why, routes_look_at=look_at)


def record_deletion_blocked(*, domain_id: str, why: str) -> None:
    """Store why the deletion is blocked; empty when it continues."""
    Domain.objects.filter(pk=domain_id, stage=Stage.DELETING).exclude(stage_problem=why).update(stage_problem=why)


NAME = "domains_by_state"


def record_state_counts(*, now: datetime) -> None:
    """Record the counts. A state without domains counts as zero, so that its line in the chart continues."""
    counted = selectors.domains_in_region().order_by().values_list("state").annotate(number=Count("pk"))
    counters.set_levels(NAME, {state.value: 0 for state in State} | dict(counted), now=now)
