"""A state that staff say for a time, beside what the checks come to: it is shown as theirs, and ends by itself."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from changes import services as changes
from domains.core.checking import State
from domains.models import Domain, Stage
from domains.services.subjects import subject
from inbound_admin.lib.errors import Refused
from tenants.models import User

LONGEST = timedelta(days=92)
FIELDS = ("override_state", "override_until", "override_at", "override_by", "override_because")


@transaction.atomic
def override(
    *, domain: Domain, state: str, because: str, until: datetime | None, actor: User, bulk_id: str = ""
) -> None:
    """Raises Refused without the right, a reason, or an end that is near enough to be looked at again."""
    if not actor.has_perm("domains.override_state"):
        raise Refused("States are overridden by operators.", code="NOT_ALLOWED")
    if state not in set(State):
        raise Refused("Choose the state that is to be shown.", code="STATE_MISSING")
    if not because.strip():
        raise Refused("Say why the state is overridden; the next person will ask.", code="REASON_MISSING")
    now = timezone.now()
    if until is None or not now < until <= now + LONGEST:
        raise Refused(f"Say until when: a time to come, within {LONGEST.days} days.", code="UNTIL_MISSING")
    locked = _locked(domain)
    if locked.stage != Stage.READY:
        raise Refused(f"{domain} is not set up yet: its state is its stage.")
    before = _said(locked)
    locked.override_state, locked.override_until = state, until
    locked.override_at, locked.override_by, locked.override_because = now, actor, because.strip()
    _store(locked, "domain.state_overridden", before, actor, because.strip(), bulk_id)


@transaction.atomic
def end(*, domain: Domain, actor: User, because: str = "", bulk_id: str = "") -> None:
    """What the checks come to is shown again. Raises Refused when nothing is overridden."""
    if not actor.has_perm("domains.override_state"):
        raise Refused("States are overridden by operators.", code="NOT_ALLOWED")
    locked = _locked(domain)
    if not locked.override_state:
        raise Refused(f"The state of {domain} is not overridden.")
    _end(locked, actor, because.strip(), bulk_id)


@transaction.atomic
def end_what_is_over(*, now: datetime) -> int:
    """How many came to the time that was said; each has its line in the log."""
    over = list(Domain.objects.select_for_update().filter(override_until__lte=now))
    for locked in over:
        _end(locked, None, "The time of the override is over.", "")
    return len(over)


def clear(locked: Domain) -> None:
    """Without a line of its own: part of a change that has one."""
    locked.override_state, locked.override_because = "", ""
    locked.override_until = locked.override_at = locked.override_by = None


def _end(locked: Domain, actor: User | None, because: str, bulk_id: str) -> None:
    before = _said(locked)
    clear(locked)
    _store(locked, "domain.override_ended", before, actor, because, bulk_id)


def _store(
    locked: Domain, what: str, before: dict[str, str | None], actor: User | None, because: str, bulk_id: str
) -> None:
    locked.save(update_fields=FIELDS)
    after = _said(locked)
    changes.record(
        what, about=subject(locked), actor=actor, because=because, before=before, after=after, bulk_id=bulk_id
    )


def _said(domain: Domain) -> dict[str, str | None]:
    until = domain.override_until
    return {
        "shown_as": domain.override_state or domain.state,
        "until": f"{until:%-d %B %Y, %H:%M} UTC" if until else None,
    }


def _locked(domain: Domain) -> Domain:
    return Domain.objects.select_for_update(of=("self",)).get(pk=domain.pk)
