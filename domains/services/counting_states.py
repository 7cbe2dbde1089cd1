"""How many domains are in each state, noted once an hour: the plot of the overview."""

from datetime import datetime

from django.db.models import Count

from domains.core.checking import State
from domains.selectors import finding
from inbound_admin.lib import counting

NAME = "domains_by_state"


def note_states(*, now: datetime) -> None:
    """A state in which none is counts as zero, so that its line goes on."""
    counted = finding.here().order_by().values_list("state").annotate(number=Count("pk"))
    counting.set_levels(NAME, {state.value: 0 for state in State} | dict(counted), now=now)
