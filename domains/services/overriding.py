"""What staff decide over a domain: hold and release, give to another customer, a note. Each with who and why."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from changes import services as changes
from domains.models import Domain, Stage
from domains.services import overriding_states, tenancy
from domains.services.queue import check_soon
from domains.services.subjects import subject
from domains.services.telling import tell
from inbound_admin.lib.errors import Refused
from tenants.models import Customer, User
from tenants.selectors import tenant_of
from tenants.services import associating

MOVED = (
    "customer",
    "tenant",
    "wanted_by",
    "wanted_because",
    "held_because",
    "expectations",
    "routes_unchecked",
    *overriding_states.FIELDS,
)


@transaction.atomic
def hold(*, domain: Domain, because: str, actor: User, until: datetime | None = None, bulk_id: str = "") -> None:
    """No checks until released, or until the time given. Raises Refused without a reason or when held already."""
    locked = _locked(domain)
    if locked.is_held:
        raise Refused(f"{domain} is held already, since {locked.held_at:%-d %B %Y}.")
    _need(because, "Say why the domain is held; the next person will ask.")
    if until is not None and until <= timezone.now():
        raise Refused("That time is over. Choose one to come, or leave it empty.")
    locked.held_at, locked.held_by = timezone.now(), actor
    locked.held_because, locked.held_until = because.strip(), until
    locked.save(update_fields=("held_at", "held_by", "held_because", "held_until"))
    after = {"held": True, "until": f"{until:%-d %B %Y, %H:%M} UTC" if until else None}
    changes.record(
        "domain.held",
        about=subject(locked),
        actor=actor,
        because=because.strip(),
        before={"held": False},
        after=after,
        bulk_id=bulk_id,
    )


@transaction.atomic
def release(*, domain: Domain, actor: User | None, because: str = "", bulk_id: str = "") -> None:
    """Checks go on. Raises Refused when it is not held."""
    locked = _locked(domain)
    if not locked.is_held:
        raise Refused(f"{domain} is not held.")
    _release(locked, actor, because.strip(), bulk_id)


def _release(locked: Domain, actor: User | None, because: str, bulk_id: str = "") -> None:
    locked.held_at = locked.held_by = locked.held_until = None
    locked.held_because, locked.next_check_at = "", timezone.now()
    locked.save(update_fields=("held_at", "held_by", "held_because", "held_until", "next_check_at"))
    changes.record(
        "domain.released",
        about=subject(locked),
        actor=actor,
        because=because,
        before={"held": True},
        after={"held": False},
        bulk_id=bulk_id,
    )
    check_soon()


@transaction.atomic
def release_what_is_over(*, now: datetime) -> int:
    """Holds with an end that has passed are released; returns how many."""
    over = list(Domain.objects.select_for_update().filter(held_at__isnull=False, held_until__lte=now))
    for locked in over:
        _release(locked, None, "The time of the hold is over.")
    return len(over)


def transfer(*, domain: Domain, to: Customer | None, because: str, actor: User, bulk_id: str = "") -> None:
    """Give the domain to another customer; both sets of owners are told. Raises Refused."""
    if to is None:
        raise Refused("Choose the customer that the domain goes to.", code="CUSTOMER_MISSING")
    _need(because, "Say why the domain changes hands; both customers may ask.")
    arn = tenancy.identity_arn_for(domain, tenant_of(to))
    with transaction.atomic():
        locked = _locked(domain)
        before = locked.customer
        if before == to:
            raise Refused(f"{domain} belongs to {to} already.")
        if locked.stage == Stage.DELETING:
            raise Refused(f"{domain} is being deleted.")
        if Domain.objects.filter(customer=to, name=locked.name).exists():
            raise Refused(f"{to} asks for {domain} already. Approve that claim, or delete it, instead.")
        locked.customer = to
        tenancy.move(locked, arn, associating.tenant_to_join(to))
        locked.wanted_by, locked.wanted_because = None, ""  # whoever wished something is a stranger to the new holder
        if locked.is_held:
            locked.held_because = "Held before it was moved. Ask our support."
        locked.expectations = {}
        locked.routes_unchecked = True
        overriding_states.clear(locked)
        locked.save(update_fields=MOVED)
        locked.share_links.all().delete()  # they were given to people of the old holder, and name them
        changes.record(
            "domain.transferred",
            about=subject(locked),
            actor=actor,
            because=because.strip(),
            before={"customer": before.name},
            after={"customer": to.name},
            bulk_id=bulk_id,
            for_staff=True,
        )
    domain.customer = to
    _tell(before, f"{domain} has left {before}", f"{domain} was moved out of your organisation by our staff.")
    _tell(to, f"{domain} is now with {to}", f"{domain} was moved into your organisation by our staff.")


@transaction.atomic
def write_note(*, domain: Domain, note: str, actor: User) -> None:
    """A note of staff, seen by staff alone."""
    locked = _locked(domain)
    if locked.note == note.strip():
        return
    before, after = {"note": locked.note}, {"note": note.strip()}
    locked.note = note.strip()
    locked.save(update_fields=("note",))
    changes.record("domain.note", about=subject(locked), actor=actor, before=before, after=after, for_staff=True)


@transaction.atomic
def check_again(*, domain: Domain, actor: User, bulk_id: str = "") -> None:
    """Put the domain at the head of the worker's queue. Raises Refused while it is held."""
    if domain.is_held:
        raise Refused(f"{domain} is held; release it first.")
    Domain.objects.filter(pk=domain.pk).update(next_check_at=timezone.now())
    changes.record("domain.check_forced", about=subject(domain), actor=actor, for_staff=True, bulk_id=bulk_id)
    check_soon()


def _tell(customer: Customer, title: str, text: str) -> None:
    tell(customer, title, f"{text}\n\nIf you did not expect this, please write to our support.\n")


def _locked(domain: Domain) -> Domain:
    return Domain.objects.select_for_update(of=("self",)).select_related("customer").get(pk=domain.pk)


def _need(because: str, sentence: str) -> None:
    if not because.strip():
        raise Refused(sentence, code="REASON_MISSING")
