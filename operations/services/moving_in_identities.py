"""Identities that are at Amazon and nobody's here are given to customers, many at once, as rows that move in."""

from collections.abc import Iterable, Mapping

from inbound_admin.lib.errors import Refused
from operations.core.bulk import Named, named_in
from operations.core.identity_drift import AREA, UNOWNED
from operations.core.moving_in import Given, Kind, once_each
from operations.models import MovingIn
from operations.selectors.differences import differences
from operations.services.moving_in import take_in_rows
from tenants.models import Customer, User

VALUES: Mapping[str, object] = {"mail_from": "", "receives": None, "reports": False, "only_at_amazon": True}


def take_in_identities(
    *, text: str, everything: bool, customer: Customer | None, because: str, actor: User
) -> MovingIn:
    """`text`: a domain a line and, behind a comma, whose it is, by id or whole name; `customer` has the others.

    `everything`: all that the last look found to be nobody's. Raises Refused.
    """
    named = list(named_in(text, with_customers=True))
    if everything:
        named += _found(besides={each.name.lower() for each in named})
    if not named:
        raise Refused("Name at least one domain, or choose all.", code="NOTHING_CHOSEN")
    whose = _customers(each.customer for each in named)
    rows = once_each(_given(each, whose[each.customer.casefold()] if each.customer else customer) for each in named)
    return take_in_rows(name=f"{len(rows)} identities", rows=rows, because=because, actor=actor)


def _found(*, besides: set[str]) -> list[Named]:
    rows = differences().filter(area=AREA, kind=UNOWNED, decision="").exclude(subject__in=besides)
    return [Named(name) for name in rows.values_list("subject", flat=True)]


def _given(named: Named, customer: Customer | None) -> Given:
    stranger = f"no one customer is called {named.customer}" if named.customer else "no customer was named"
    why_not = "" if customer else f"Whose it becomes cannot be told: {stranger}."
    return Given(Kind.DOMAIN, customer.pk if customer else "", named.name, VALUES, why_not)


def _customers(texts: Iterable[str]) -> dict[str, Customer | None]:
    """By id, or by the whole name where exactly one customer has it."""
    wanted = {text.casefold() for text in texts if text}
    found: dict[str, Customer | None] = dict.fromkeys(wanted)
    for customer in Customer.objects.all():
        name = customer.name.casefold()
        if name in wanted:
            found[name] = None if found[name] else customer
    for customer in Customer.objects.filter(pk__in=wanted):
        found[customer.pk] = customer
    return found
