"""Adopt an account that another client has filled: nothing is written to SES until one plan compacts the rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from accounts.models.people import Customer, User
from accounts.roles import Role
from domains.models.domains import Domain, Stage
from operations.drift.core import TENANTS_AREA
from operations.drift_store import services as drift_store_services
from operations.legacy_import import services as legacy_import_services
from operations.models import Difference, LegacyImportState
from operations.tenant_drift import services as tenant_drift_services
from receipt_rules.auto_apply import services as auto_apply_services
from receipt_rules.drift import services as drift_services
from receipt_rules.models.addresses import Address, CatchAll
from receipt_rules.models.runs import PendingChange, Run, RunState
from receipt_rules.planner import services as planner_services
from receipt_rules.planner.core.matching import delivering_rules
from receipt_rules.planner.services import PlanRequest
from sandbox.aws.state import WORLD, region_state
from sandbox.aws.state import Tenant as TenantThere
from sandbox.process import Sandbox
from tenants.lifecycle import services as lifecycle_services
from tenants.models.tenants import Tenant, TenantStage
from tenants.resources import services as resources_services
from tests.domains.factories import seed_identities
from tests.factories import make_staff
from tests.operations.legacy_documents import files
from tests.receipt_rules.factories import live, make_unmanaged_rule
from tests.receipt_rules.plan_guarantees import check_all

pytestmark = pytest.mark.django_db

FOREIGN, SHOPS = 150, 20  # a shop has two rules of the old style
SET = "default-rule-set"


@dataclass(frozen=True)
class Size:
    identities: int
    tenants: int


def domain_name(number: int) -> str:
    return f"shop{number}.com"


def old_system(size: Size) -> dict[str, Any]:
    """Return six or seven domains and an endpoint for each person; the first twenty domains receive mail."""
    people = [{"id": f"u{n}", "email": f"person{n}@people.example", "name": f"Person {n}"} for n in range(size.tenants)]
    endpoint = {"name": "Desk", "type": "webhook", "config": {"url": "https://desk.example/"}}
    return {
        "users": people,
        "endpoints": [{**endpoint, "id": f"e{n}", "userId": f"u{n}"} for n in range(SHOPS)],
        "domains": [
            {
                "id": f"d{n}",
                "domain": domain_name(n),
                "userId": f"u{n % size.tenants}",
                "isCatchAllEnabled": n < SHOPS,
                "catchAllEndpointId": f"e{n}" if n < SHOPS else None,
            }
            for n in range(size.identities)
        ],
        "emailAddresses": [
            {"address": f"{word}@{domain_name(n)}", "domainId": f"d{n}", "endpointId": f"e{n}", "userId": f"u{n}"}
            for n in range(SHOPS)
            for word in ("billing", "help")
        ],
    }


def seed_rules() -> None:
    """Create old rules and unmanaged ones alternately."""
    old = [(f"{domain_name(n)}-rule", [f"billing@{domain_name(n)}", f"help@{domain_name(n)}"]) for n in range(SHOPS)]
    old += [(f"{domain_name(n)}-catchall-rule", [domain_name(n)]) for n in range(SHOPS)]
    unmanaged = [(f"program-{n}", [f"in{n}@elsewhere.example"]) for n in range(FOREIGN)]
    for number, (name, recipients) in enumerate(_alternate(unmanaged, old)):
        make_unmanaged_rule(name, recipients, rule_set=SET, create_set=not number)


def _alternate(many: list[Any], few: list[Any]) -> Iterator[Any]:
    for number, each in enumerate(many):
        yield each
        if number % 3 == 0 and few:
            yield few.pop(0)
    yield from few


def seed_tenants(size: Size) -> None:
    """Store tenants in the sandbox, each with its configuration set and three identities of one person."""
    backend = ses_backends[DEFAULT_ACCOUNT_ID][settings.AWS_REGION]
    state, now = region_state(backend), WORLD.clock.now()
    with WORLD.lock:
        for number in range(size.tenants):
            backend.create_configuration_set(f"set{number}")
            arns = [state.arn("identity", domain_name(number + size.tenants * times)) for times in range(3)]
            arns.append(state.arn("configuration-set", f"set{number}"))
            name, ses_id = f"tenant{number}", f"tn-{number}"
            tenant = TenantThere(name, ses_id, state.arn("tenant", f"{name}/{ses_id}"), now, dict.fromkeys(arns, now))
            tenant.policy = "standard"
            state.tenants[name] = tenant


def fill_account(sandbox: Sandbox, size: Size) -> None:
    seed_identities(map(domain_name, range(size.identities)), ownership="Success", dkim="Success")
    seed_tenants(size)
    seed_rules()
    sandbox.control.clear_calls()


def adopt_everything(adam: User, size: Size) -> None:
    """Import the old system's rows, and adopt its rule set and its tenants."""
    legacy_import = legacy_import_services.store_import(
        files=files(old_system(size)), because="We bought the service", actor=adam
    )
    legacy_import_services.work()
    legacy_import_services.start(legacy_import=legacy_import, actor=adam)
    legacy_import_services.work()
    legacy_import.refresh_from_db()
    assert legacy_import.state == LegacyImportState.DONE
    assert set(legacy_import.rows.values_list("result", flat=True)) <= {"new", "same"}
    drift_services.adopt_rule_set(name=SET, because="It was the service's", actor=adam)
    drift_store_services.request_check(TENANTS_AREA)
    tenant_drift_services.work()
    for found in Difference.objects.filter(kind="unknown", area="tenants"):
        tenant_drift_services.adopt(difference=found, because="It was theirs", actor=adam, customer=found.customer)
    for tenant in Tenant.objects.all():
        lifecycle_services.create_in_ses(tenant_id=tenant.pk)
        resources_services.apply_associations(tenant_id=tenant.pk)


@pytest.mark.parametrize("size", [Size(120, 20), pytest.param(Size(2000, 300), marks=pytest.mark.soak)], ids=str)
def test_a_filled_account_is_adopted_without_a_write_and_compacted_by_one_plan(sandbox: Sandbox, size: Size) -> None:
    fill_account(sandbox, size)
    adam, before = make_staff(Role.ADMIN), live()
    assert len(before.rules) == FOREIGN + 2 * SHOPS
    adopt_everything(adam, size)
    assert sandbox.control.write_calls() == ()
    assert Domain.objects.filter(stage=Stage.READY, adopted=True).count() == size.identities
    assert Customer.objects.count() == Tenant.objects.filter(stage=TenantStage.READY).count() == size.tenants
    assert (Address.objects.count(), CatchAll.objects.filter(is_active=True).count()) == (2 * SHOPS, SHOPS)
    assert (PendingChange.objects.count(), Run.objects.count()) == (0, 0)
    compact_rules(adam)
    assert [rule for rule in live().rules if rule in before.rules] == [
        rule for rule in before.rules if rule.name.startswith("program-")
    ]


def compact_rules(adam: User) -> None:
    """Check the plan with whole envelopes at every step, then approve and execute it."""
    asked, before = PlanRequest(old_style=True), live()
    made = planner_services.plan_changes(asked)
    names = {rule.name for rule in before.rules if not rule.name.startswith("program-")}
    assert names.isdisjoint(made.after.names)
    assert len(made.after.ours) == 1
    assert "stop" not in made.summary
    assert "start" not in made.summary
    shops = [domain_name(n) for n in range(SHOPS)]
    mail = [[f"billing@{shop}", f"any@{shop}", "in7@elsewhere.example"] for shop in shops]
    check_all(made, before, [*mail, [f"help@{shop}" for shop in shops]])
    run = planner_services.approve(digest=made.digest, because="as shown", actor=adam, request=asked, typed=before.name)
    auto_apply_services.work()
    run.refresh_from_db()
    assert (run.state, run.problem) == (RunState.DONE, "")
    assert all(
        len(delivering_rules(live().rules, f"{word}@{shop}")) == 1 for shop in shops for word in ("billing", "any")
    )
