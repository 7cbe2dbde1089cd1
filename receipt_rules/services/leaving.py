"""A domain goes: its addresses and catch-alls first, and Amazon's rules are read to name it no more."""

from django.db import transaction

from domains.models import Domain
from receipt_rules.core.desired import reduced
from receipt_rules.core.plans import Plan
from receipt_rules.models import Address, CatchAll
from receipt_rules.services.addresses import remove_address
from receipt_rules.services.catch_alls import remove_catch_all
from receipt_rules.services.desiring import Wanted, recipients_at, wanted
from receipt_rules.services.planning import Asked, plan_for
from receipt_rules.services.reading import read_live
from tenants.models import User


def plan_without(*, domain: Domain) -> Plan:
    """What would change at Amazon once nothing is wanted at the domain. Raises Refused as `make_plan`, AwsProblem."""
    live, now = read_live(), wanted()
    scope = recipients_at(domain, now, live.rule_set)
    rest = reduced({recipient: each for recipient, each in now.desired.entries.items() if recipient not in scope})
    return plan_for(Asked(scope=scope), live, Wanted(rest, now.holders))


def wishes_at(domain: Domain) -> tuple[str, ...]:
    """Everything that takes mail by the domain, in words."""
    rows = (*Address.objects.filter(domain=domain), *CatchAll.objects.select_related("domain").filter(domain=domain))
    return tuple(str(row) for row in rows)


@transaction.atomic
def remove_all(*, domain: Domain, actor: User | None, bulk_id: str = "") -> int:
    """Each with its line in the log; the worker then changes the rules. Returns how many."""
    Domain.objects.select_for_update(of=("self",)).filter(pk=domain.pk).first()
    addresses, catch_alls = list(Address.objects.filter(domain=domain)), list(CatchAll.objects.filter(domain=domain))
    for address in addresses:
        remove_address(address=address, actor=actor, bulk_id=bulk_id)
    for catch_all in catch_alls:
        remove_catch_all(domain=domain, actor=actor, subdomains=catch_all.subdomains)
    return len(addresses) + len(catch_alls)


def is_clear(*, domain: Domain) -> bool:
    """Whether no rule of ours names a recipient at the domain: Amazon is asked. Raises AwsProblem."""
    live = read_live().rule_set
    named = {recipient for rule in live.ours for recipient in rule.recipients}
    return not (named & recipients_at(domain, wanted(), live))
