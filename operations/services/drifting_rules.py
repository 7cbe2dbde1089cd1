"""Differences of the receipt rules, which their own app finds and logs, stand on the board beside all others."""

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from inbound_admin.lib.errors import Refused
from operations.core.differences import Decision
from operations.core.rule_drift import AREA, STRANGER_ACTIVE, found_in
from operations.models import Difference, DriftLook
from operations.services import differing
from receipt_rules.models import IgnoredDifference, Look
from receipt_rules.services import drifting, queue
from receipt_rules.services.reading import read_live
from tenants.models import User

NOT_FROM_HERE = "The plan undoes it, once you have seen each of its steps and approved it."


def ask_to_look() -> None:
    """The rules' own worker looks; what it finds comes here within a minute."""
    with transaction.atomic():
        queue.look_soon()


def carry_over() -> None:
    """What the rules' last look found, if it is news here. Repeating it is harmless; nobody is asked."""
    last = Look.objects.filter(region=settings.AWS_REGION).first()
    known = DriftLook.objects.filter(region=settings.AWS_REGION, area=AREA).first()
    if last is None or (known is not None and known.at == last.at):
        return
    if last.problem:
        differing.note_look(AREA, problem=last.problem)
        return
    rows = [(each["key"], each["kind"], each["rule"], each["sentence"]) for each in last.differences]
    with transaction.atomic():
        differing.store(area=AREA, found=found_in(rows), now=last.at, is_logged=False)
        _carry_over_what_is_left()
        differing.note_look(AREA, at=last.at, problem="")


def _carry_over_what_is_left() -> None:
    """Decided on the pages of the rules."""
    for left in IgnoredDifference.objects.filter(region=settings.AWS_REGION):
        _open().filter(key=left.key, decision="").update(
            decision=Decision.IGNORE, because=left.because, by=left.by, decided_at=left.at
        )


def ignore(*, difference: Difference, because: str, actor: User) -> None:
    """Raises Refused without the right or a reason."""
    with transaction.atomic():
        drifting.ignore(key=difference.key, because=because, actor=actor)
        _carry_over_what_is_left()


def adopt(*, difference: Difference, because: str, actor: User) -> None:
    """A rule set becomes ours to add to; otherwise all that differs of the rules becomes what we know. Raises Refused,

    AwsProblem: Amazon is read first, so that what is accepted is what is there.
    """
    if not difference.may_adopt:
        raise Refused(NOT_FROM_HERE, code="NOT_POSSIBLE")
    if difference.kind == STRANGER_ACTIVE:
        stranger = read_live().stranger
        drifting.adopt_rule_set(name=stranger.name if stranger else "", because=because, actor=actor)
    else:
        drifting.accept(because=because, actor=actor)
    rows = _open().filter(kind=STRANGER_ACTIVE) if difference.kind == STRANGER_ACTIVE else _open()
    rows.filter(may_adopt=True).update(
        decision=Decision.ADOPT, because=because.strip(), by=actor, decided_at=timezone.now(), gone_at=timezone.now()
    )


def restore(*, difference: Difference, because: str, actor: User) -> None:
    """Never from here. Raises Refused."""
    raise Refused(NOT_FROM_HERE, code="NOT_POSSIBLE")


def _open() -> QuerySet[Difference]:
    return Difference.objects.filter(region=settings.AWS_REGION, area=AREA, gone_at=None)
