"""Stores what the list of domains shows: facts that the apps above report, and the number of domains in each state.

The apps above write; nothing here calls them. The numbers are recorded once an hour for the dashboard's plot.
"""

from datetime import datetime

from django.db.models import Count

from domains.checking.core.judgement import State
from domains.domain_list import selectors
from domains.models.domains import Domain, Stage
from inbound_admin.lib import counters


def note_catch_all(*, domain_id: str, has: bool) -> None:
    """Whether everything at the domain is taken by one entry. The caller has its line in the change log."""
    Domain.objects.filter(pk=domain_id).update(has_catch_all=has)


def note_routes_checked(*, domain_id: str, customer_id: str) -> None:
    """Receipt rules were compared for this holder; without effect where the domain has moved on meanwhile."""
    settled = {"routes_unchecked": False, "routes_problem": "", "routes_look_at": None}
    Domain.objects.filter(pk=domain_id, customer=customer_id).update(**settled, moved_at=None, moved_from=None)


def note_routes_problem(*, domain_id: str, customer_id: str, why: str, look_at: datetime | None = None) -> None:
    """Receipt rules still deliver for the holder before this one; they are compared again at `look_at`."""
    waiting = Domain.objects.filter(pk=domain_id, customer=customer_id, routes_unchecked=True)
    waiting.update(routes_problem=why, routes_look_at=look_at)


def note_deletion_held_up(*, domain_id: str, why: str) -> None:
    """Why the deletion waits for somebody; empty when it goes on."""
    Domain.objects.filter(pk=domain_id, stage=Stage.DELETING).exclude(stage_problem=why).update(stage_problem=why)


NAME = "domains_by_state"


def note_states(*, now: datetime) -> None:
    """A state in which none is counts as zero, so that its line goes on."""
    counted = selectors.domains_in_region().order_by().values_list("state").annotate(number=Count("pk"))
    counters.set_levels(NAME, {state.value: 0 for state in State} | dict(counted), now=now)
