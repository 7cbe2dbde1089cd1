"""Imports for the showcase's import pages, created when the first page is visited."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.utils import timezone

from operations.legacy_import.core import ImportResult, RowKind
from operations.models import LegacyImport
from tests.browser.showcase.world import Showcase

LONG = "the-friends-of-the-old-harbour-and-its-three-lighthouses.co.uk"
ROWS = (
    (RowKind.PERSON, "carol@harbour.example", ImportResult.NEW, "New customer: Carol Clark."),
    (RowKind.ENDPOINT, "Front desk", ImportResult.SAME, ""),
    (RowKind.DOMAIN, LONG, ImportResult.NEW, "Imported with its SES settings. Verified in SES."),
    (RowKind.DOMAIN, "elsewhere.example", ImportResult.REFUSED, "This domain belongs to another customer."),
    (
        RowKind.DOMAIN,
        "unknown.example",
        ImportResult.CLAIM,
        "Not found in SES. The customer must prove ownership first.",
    ),
    (RowKind.CATCH_ALL, LONG, ImportResult.CHANGES, ""),
    (RowKind.ADDRESS, f"billing@{LONG}", ImportResult.NEW, ""),
    (
        RowKind.RECORD,
        f"_dmarc.{LONG}",
        ImportResult.UNNEEDED,
        "Not required here. The domain’s page lists the required records.",
    ),
    (
        RowKind.ADDRESS,
        f"help@{LONG}",
        ImportResult.FAILED,
        "The database rejected this row; nothing was stored for this customer.",
    ),
)


def import_in_state(state: str) -> Callable[[Showcase], tuple[Any, ...]]:
    """Return the URL's arguments: the ID of an import in this state."""

    def arguments(world: Showcase) -> tuple[Any, ...]:
        known = LegacyImport.objects.filter(state=state).first()
        return ((known or _make(world, state)).pk,)

    return arguments


def _make(world: Showcase, state: str) -> LegacyImport:
    now = timezone.now()
    legacy_import = LegacyImport.objects.create(
        region=settings.AWS_REGION,
        name="users.csv, domains.csv, endpoints.csv, email_addresses.csv",
        because="We bought the service of the old harbour; contract of 3 May",
        state=state,
        by=world.people["adam"],
        started_at=now if state in ("moving", "done") else None,
        problem="We couldn't read the state of the identities: Amazon did not answer." if state == "moving" else "",
    )
    for number, (kind, name, result, words) in enumerate(ROWS, start=1):
        legacy_import.rows.create(
            number=number,
            kind=kind,
            owner="carol@harbour.example",
            name=name,
            result="" if state == "looking" else result,
            words="" if state == "looking" else words,
            done_at=now if state == "done" or (state == "moving" and number < 4) else None,
        )
    return legacy_import
