"""Stores differences of every area: found by a check, decided by a person, gone once a check no longer finds them."""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from inbound_admin.lib import isolation
from inbound_admin.lib.errors import Refused
from operations.drift.core import Decision, FoundDifference
from operations.jobs import difference_subject, queue_drift_check
from operations.models import Difference, DriftCheck

NO_LONGER = "This difference no longer exists. Check again."
DECIDED = "Someone else decided in the meantime: {}."
WHAT = {Decision.ADOPT: "drift.adopted", Decision.RESTORE: "drift.restored", Decision.IGNORE: "drift.ignored"}


@transaction.atomic
def store(
    *,
    area: str,
    found: Iterable[FoundDifference],
    now: datetime,
    places: frozenset[str] | None = None,
    is_logged: bool = True,
) -> int:
    """Store the differences that a check found. `places`: it checked only these. Returns how many are new.

    Each new one is logged here, unless the area logs it itself.
    """
    with connection.cursor() as cursor:  # two checks of an area must not store the same difference
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"differences {area}"])
    rows = Difference.objects.select_for_update(of=("self",)).filter(
        region=settings.AWS_REGION, area=area, gone_at=None
    )
    if places is not None:
        rows = rows.filter(place__in=places)
    known = {row.key: row for row in rows}
    here = {each.key: each for each in found if places is None or each.place in places}
    gone = [row for key, row in known.items() if key not in here]
    since = {(row.kind, row.place, row.subject): row.first_seen_at for row in gone}  # with another value

    @transaction.atomic
    def make(each: FoundDifference) -> None:
        _make(area, each, now, since.get((each.kind, each.place, each.subject), now), is_logged=is_logged)

    new = isolation.each_alone("differences", [each for key, each in here.items() if key not in known], make)
    Difference.objects.filter(pk__in=[known[key].pk for key in here if key in known]).update(last_seen_at=now)
    Difference.objects.filter(pk__in=[row.pk for row in gone]).update(gone_at=now)
    return len(new)


def _make(area: str, each: FoundDifference, now: datetime, since: datetime, *, is_logged: bool) -> Difference:
    row = Difference.objects.create(
        region=settings.AWS_REGION,
        area=area,
        kind=each.kind,
        key=each.key,
        subject=each.subject,
        place=each.place,
        customer_id=each.customer_id or None,
        sentence=each.sentence,
        wanted=dict(each.wanted),
        found=dict(each.found),
        may_adopt=each.may_adopt,
        may_restore=each.may_restore,
        first_seen_at=since,
        last_seen_at=now,
    )
    if is_logged:
        audit_services.record(
            "drift.found", about=difference_subject(row), actor=None, because=each.sentence, for_staff=True
        )
    return row


def check_present(difference: Difference) -> None:
    """Check before a decision takes effect that the last check still found the difference. Raises Refused."""
    if not Difference.objects.filter(pk=difference.pk, gone_at=None).exists():
        raise Refused(NO_LONGER, code="GONE")


def record_decision(*, difference: Difference, decision: Decision, because: str, actor: User) -> None:
    """Record the decision with actor and reason, in the transaction of its effect. Raises Refused.

    Also if another one was made since `difference` was read: its effect is under way.
    """
    locked = Difference.locked(difference.pk)
    if locked.gone_at is not None:
        raise Refused(NO_LONGER, code="GONE")
    if locked.decision != difference.decision:
        raise Refused(DECIDED.format(Decision(locked.decision).words), code="DECIDED")
    if not because.strip():
        raise Refused("Enter a reason.", code="REASON_MISSING")
    locked.decision, locked.because, locked.by = decision, because.strip(), actor
    locked.decided_at, locked.problem = timezone.now(), ""
    locked.save(update_fields=("decision", "because", "by", "decided_at", "problem"))
    about = difference_subject(locked)
    before, after = _sides(locked, decision)
    audit_services.record(
        WHAT[decision],
        about=about,
        actor=actor,
        because=because.strip(),
        before=before,
        after=after,
        for_staff=True,
    )


def _sides(difference: Difference, decision: Decision) -> tuple[dict[str, object], dict[str, object]]:
    """Return before and after: on ADOPT ours becomes what was found, on RESTORE the reverse, on IGNORE both stay."""
    old: dict[str, object] = {"decision": "none"}
    new: dict[str, object] = {"decision": decision.value}
    if decision is Decision.IGNORE:
        return old, new
    ours, theirs = dict(difference.wanted), dict(difference.found)
    before, after = (ours, theirs) if decision is Decision.ADOPT else (theirs, ours)
    return before | old, after | new


def record_check(area: str, **fields: object) -> None:
    """Record what a check reached, or that one is requested."""
    DriftCheck.objects.update_or_create(region=settings.AWS_REGION, area=area, defaults=fields)


def request_check(area: str) -> None:
    """Request a check of the whole area, within the SES rate limit."""
    with transaction.atomic():
        record_check(area, asked_at=timezone.now())
        queue_drift_check()


def is_requested(area: str) -> bool:
    return DriftCheck.objects.filter(region=settings.AWS_REGION, area=area, asked_at__isnull=False).exists()


def end_request(area: str, *, began: datetime) -> None:
    """Remove the request that a check answers. One made after the check began stays: it may be about a later change."""
    asked = DriftCheck.objects.filter(region=settings.AWS_REGION, area=area, asked_at__lte=began)
    asked.update(asked_at=None)
