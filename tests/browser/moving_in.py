"""What the pages of moving in show in the showcase, made when the first of them is visited."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.utils import timezone

from operations.legacy_import.core import ImportFate, RowKind
from operations.models import MovingIn
from tests.browser.showcase import Showcase

LONG = "the-friends-of-the-old-harbour-and-its-three-lighthouses.co.uk"
ROWS = (
    (RowKind.PERSON, "carol@harbour.example", ImportFate.NEW, "New customer: Carol Clark."),
    (RowKind.ENDPOINT, "Front desk", ImportFate.SAME, ""),
    (RowKind.DOMAIN, LONG, ImportFate.NEW, "Imported with its SES settings. Verified in SES."),
    (RowKind.DOMAIN, "elsewhere.example", ImportFate.REFUSED, "This domain belongs to another customer."),
    (
        RowKind.DOMAIN,
        "unknown.example",
        ImportFate.CLAIM,
        "Not found in SES. The customer must prove ownership first.",
    ),
    (RowKind.CATCH_ALL, LONG, ImportFate.CHANGES, ""),
    (RowKind.ADDRESS, f"billing@{LONG}", ImportFate.NEW, ""),
    (
        RowKind.RECORD,
        f"_dmarc.{LONG}",
        ImportFate.UNNEEDED,
        "Not required here. The domain’s page lists the required records.",
    ),
    (
        RowKind.ADDRESS,
        f"help@{LONG}",
        ImportFate.FAILED,
        "The database rejected this row; nothing was stored for this customer.",
    ),
)


def of(state: str) -> Callable[[Showcase], tuple[Any, ...]]:
    """The URL's arguments: the id of one in this state."""

    def arguments(world: Showcase) -> tuple[Any, ...]:
        known = MovingIn.objects.filter(state=state).first()
        return ((known or _make(world, state)).pk,)

    return arguments


def _make(world: Showcase, state: str) -> MovingIn:
    now = timezone.now()
    moving = MovingIn.objects.create(
        region=settings.AWS_REGION,
        name="users.csv, domains.csv, endpoints.csv, email_addresses.csv",
        because="We bought the service of the old harbour; contract of 3 May",
        state=state,
        by=world.people["adam"],
        started_at=now if state in ("moving", "done") else None,
        problem="We couldn't read the state of the identities: Amazon did not answer." if state == "moving" else "",
    )
    for number, (kind, name, fate, words) in enumerate(ROWS, start=1):
        moving.rows.create(
            number=number,
            kind=kind,
            owner="carol@harbour.example",
            name=name,
            fate="" if state == "looking" else fate,
            words="" if state == "looking" else words,
            done_at=now if state == "done" or (state == "moving" and number < 4) else None,
        )
    return moving
