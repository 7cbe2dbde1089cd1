"""*What to try*: the steps of `tour_steps`, each with the URL of its page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from accounts.models.people import Customer
from domains.models.domains import Domain
from notifications.models.webhooks import WebhookTarget
from operations.models import Difference, Migration
from receipt_rules.models.endpoints import Endpoint
from receipt_rules.models.received_mail import DeliveryOutcome, ReceivedMail
from receipt_rules.models.runs import Run, RunState
from sandbox.demo import ACCOUNTS, Account
from sandbox.tour_steps import ROLES, Role, Step
from tenants.models.tenants import Tenant


@dataclass(frozen=True)
class ShownStep:
    """`url` is empty if the step's object is gone. `is_done`: because it was resolved, as the step asks."""

    step: Step
    url: str
    is_done: bool = False


@dataclass(frozen=True)
class ShownRole:
    role: Role
    account: Account
    steps: tuple[ShownStep, ...]


def roles_shown(*, first: str = "") -> tuple[ShownRole, ...]:
    """Return all roles, first the one whose sign-in has the address `first`."""
    keys = _keys()
    shown = [_shown(role, keys) for role in ROLES]
    return tuple(sorted(shown, key=lambda each: each.account.email != first))


def _shown(role: Role, keys: Mapping[tuple[str, str], str]) -> ShownRole:
    account = next(account for account in ACCOUNTS if account.email == role.email)
    return ShownRole(role, account, tuple(_shown_step(step, _url(step, keys)) for step in role.steps))


def _shown_step(step: Step, url: str) -> ShownStep:
    is_done = not url and step.of == ("the", "difference") and Difference.objects.filter(kind="harmful").exists()
    return ShownStep(step, url, is_done)


def _url(step: Step, keys: Mapping[tuple[str, str], str]) -> str:
    key = keys.get(step.of, "") if step.of else ""
    if step.of and not key:
        return ""
    address = reverse(step.view, args=[key] if step.of else [])
    return f"{address}?{urlencode(step.query)}" if step.query else address


def _keys() -> dict[tuple[str, str], str]:
    """Return the keys of all objects that steps link to, by kind and name, in one query for each kind."""
    found = {("zone", name): name for name in _names("zone")}
    found |= _by_name("domain", Domain.objects.filter(name__in=_names("domain")).values_list("name", "pk"))
    found |= _by_name("customer", Customer.objects.filter(name__in=_names("customer")).values_list("name", "pk"))
    tenants = Tenant.objects.filter(customer__name__in=_names("tenant"))
    found |= _by_name("tenant", tenants.values_list("customer__name", "pk"))
    found |= _by_name("webhook", WebhookTarget.objects.filter(name__in=_names("webhook")).values_list("name", "pk"))
    found |= _by_name("endpoint", Endpoint.objects.filter(name__in=_names("endpoint")).values_list("name", "pk"))
    return found | _by_name("the", _newest())


def _names(kind: str) -> list[str]:
    return [step.of[1] for role in ROLES for step in role.steps if step.of and step.of[0] == kind]


def _by_name(kind: str, rows: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    return {(kind, name): key for name, key in rows}


def _newest() -> list[tuple[str, str]]:
    """Return the first object of each of these lists, in its page's order."""
    lists = {
        "failed run": Run.objects.filter(state=RunState.FAILED),
        "difference": Difference.objects.filter(gone_at=None, decision="", kind="harmful"),
        "migration": Migration.objects.all(),
        "failed message": ReceivedMail.objects.filter(outcome=DeliveryOutcome.FAILED),
    }
    keys = {name: rows.values_list("pk", flat=True).first() for name, rows in lists.items()}
    return [(name, key) for name, key in keys.items() if key]
