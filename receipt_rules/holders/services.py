"""A domain has a new holder: what SES's rules still do for the one before is brought to what the new one wants."""

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from domains.domain_list.services import note_routes_checked
from domains.models.domains import Domain, Stage
from domains.records.core import RECEIVING_REGIONS
from receipt_rules.addresses.selectors import Holders
from receipt_rules.jobs import customer_changed
from receipt_rules.live.services import read_live
from receipt_rules.planner.core.rules import domain_of
from receipt_rules.planner.services import wanted


def are_waiting() -> bool:
    return _unchecked().exists()


def look() -> None:
    """SES is read once for all. Where rules do there what the new holder does not want, they get a run.

    Raises AwsProblem.
    """
    unchecked = list(_unchecked().select_related("customer"))
    if not unchecked or settings.AWS_REGION not in RECEIVING_REGIONS:
        return
    names, holders = _names_not_as_wanted(), Holders.read()
    for domain in unchecked:
        with transaction.atomic():
            if any(holders.belongs(name, domain.name) for name in names):
                customer_changed(domain.customer, None)
            note_routes_checked(domain_id=domain.pk, customer_id=domain.customer_id)


def _names_not_as_wanted() -> frozenset[str]:
    """Of the recipients in our live rules that nobody wants, or wants delivered elsewhere."""
    live, entries = read_live().rule_set, wanted().desired.entries
    routes = ((each, rule.delivery) for rule in live.ours for each in rule.recipients)
    return frozenset(domain_of(each) for each, delivery in routes if entries.get(each) != delivery)


def _unchecked() -> QuerySet[Domain]:
    rows = Domain.objects.filter(region=settings.AWS_REGION, routes_unchecked=True)
    return rows.exclude(stage__in=(Stage.CLAIM, Stage.DELETING))
