"""Everything at a domain, or below it: on or off, and where it goes."""

from typing import Any

from django.db import transaction

from changes import services as changes
from domains.models import Domain
from domains.services.noting import note_catch_all
from inbound_admin.lib.errors import Refused
from receipt_rules.models import CatchAll, Endpoint
from receipt_rules.services.endpoints import refuse_foreign
from receipt_rules.services.owning import lock_domain, refuse_shared_below
from receipt_rules.services.queue import customer_changed
from receipt_rules.services.subjects import catch_all_subject
from tenants.models import User


def set_catch_all(
    *,
    domain: Domain,
    actor: User | None,
    endpoint: Endpoint | None = None,
    is_active: bool = True,
    subdomains: bool = False,
) -> CatchAll:
    """Make it or change it. Raises Refused: DOMAIN_NOT_VERIFIED, SUB_DOMAIN_OF_ANOTHER, ENDPOINT_MISSING."""
    with transaction.atomic():
        locked = lock_domain(domain, to_receive=is_active)
        refuse_foreign(endpoint, locked.customer)
        if subdomains and is_active:
            refuse_shared_below(locked)
        found = CatchAll.objects.select_related("endpoint").filter(domain=locked, subdomains=subdomains).first()
        before = _log(found) if found else {}
        made = found or CatchAll(domain=locked, subdomains=subdomains)
        made.domain, made.endpoint, made.is_active = locked, endpoint, is_active
        if (after := _log(made)) != before:
            made.save()
            what = "catch_all.changed" if found else "catch_all.added"
            changes.record(what, about=catch_all_subject(made), actor=actor, before=before, after=after)
            customer_changed(locked.customer, actor)
        _note(locked)
    return made


def remove_catch_all(*, domain: Domain, actor: User | None, subdomains: bool = False, bulk_id: str = "") -> None:
    """One that is not there is removed. The exact addresses of the domain stay as they are."""
    with transaction.atomic():
        Domain.objects.select_for_update().filter(pk=domain.pk).first()
        found = (
            CatchAll.objects.select_for_update(of=("self",))
            .select_related("domain__customer", "endpoint")
            .filter(domain=domain, subdomains=subdomains)
            .first()
        )
        if found is None:
            return
        changes.record(
            "catch_all.removed", about=catch_all_subject(found), actor=actor, before=_log(found), bulk_id=bulk_id
        )
        found.delete()
        customer_changed(found.domain.customer, actor)
        _note(found.domain)


def _note(domain: Domain) -> None:
    has = CatchAll.objects.filter(domain=domain, subdomains=False, is_active=True).exists()
    note_catch_all(domain_id=domain.pk, has=has)


def the_catch_all(domain: Domain) -> CatchAll:
    """The domain's own. Raises Refused when there is none."""
    found = CatchAll.objects.filter(domain=domain, subdomains=False).first()
    if found is None:
        raise Refused(f"{domain} has no catch-all.", code="CATCH_ALL_MISSING")
    return found


def _log(catch_all: CatchAll) -> dict[str, Any]:
    endpoint = catch_all.endpoint
    return {
        "recipient": catch_all.recipient,
        "is_active": catch_all.is_active,
        "endpoint": "" if endpoint is None else endpoint.name,
    }
