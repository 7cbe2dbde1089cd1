"""What staff expect of a record in place of what we would ask for, with who and why: an MX that stays elsewhere."""

from django.db import transaction
from django.utils import timezone

from changes import services as changes
from domains.core.expecting import EXPECTABLE, expected_host
from domains.models import Domain, RecordCheck
from domains.services.queue import check_soon
from domains.services.subjects import subject
from inbound_admin.lib.errors import Refused
from tenants.models import User


@transaction.atomic
def expect(*, domain: Domain, key: str, value: str, because: str, actor: User, bulk_id: str = "") -> None:
    """`value` "": the record is not asked for any more. Raises Refused."""
    _refuse_who_may_not(actor)
    if not because.strip():
        raise Refused(
            "Say why the record is expected to be otherwise; the next person will ask.", code="REASON_MISSING"
        )
    said = {"value": expected_host(key, value), "because": because.strip()}
    locked = _locked(domain)
    known = locked.expectations.get(key, {})
    if {name: known.get(name) for name in said} == said:
        raise Refused("That is expected already.")
    stamped = {**said, "by": actor.get_username(), "at": timezone.now().isoformat(timespec="seconds")}
    _store(locked, {**locked.expectations, key: stamped}, key, actor, because.strip(), bulk_id)


@transaction.atomic
def expect_no_more(*, domain: Domain, key: str, actor: User, because: str = "", bulk_id: str = "") -> None:
    """What we ask for of every domain is asked for again. Raises Refused when nothing else was expected."""
    _refuse_who_may_not(actor)
    locked = _locked(domain)
    if key not in locked.expectations:
        raise Refused(f"Nothing of its own is expected of this record of {domain}.")
    left = {other: said for other, said in locked.expectations.items() if other != key}
    _store(locked, left, key, actor, because.strip(), bulk_id)


def _store(
    locked: Domain, expectations: dict[str, dict[str, str]], key: str, actor: User, because: str, bulk_id: str
) -> None:
    """What was seen of the record was judged by another measure: it is looked at anew."""
    before, after = _words(locked.expectations, key), _words(expectations, key)
    locked.expectations, locked.next_check_at = expectations, timezone.now()
    locked.save(update_fields=("expectations", "next_check_at"))
    RecordCheck.objects.filter(domain=locked, key=key).delete()
    changes.record(
        "domain.expectation",
        about=subject(locked),
        actor=actor,
        because=because,
        before=before,
        after=after,
        bulk_id=bulk_id,
    )
    check_soon()


def _words(expectations: dict[str, dict[str, str]], key: str) -> dict[str, str]:
    said = expectations.get(key)
    words = "as for every domain" if said is None else said["value"] or "not asked for"
    return {EXPECTABLE.get(key, key): words}


def _refuse_who_may_not(actor: User) -> None:
    if not actor.has_perm("domains.expect_record"):
        raise Refused("What is expected of records is said by our support.", code="NOT_ALLOWED")


def _locked(domain: Domain) -> Domain:
    return Domain.objects.select_for_update(of=("self",)).get(pk=domain.pk)
