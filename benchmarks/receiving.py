"""Counts the SES calls of receiving at the sandbox while runs are executed.

Reads before and after are included. The bounds are for an account with a rule set; the same requests without one, so
the run also creates and activates it, are shown for comparison.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from accounts.models.people import User
from benchmarks import database
from benchmarks.aws_calls import pointed_at
from benchmarks.rows import Row, at_most, shown
from domains.models.domains import Domain
from sandbox.process import Sandbox

if TYPE_CHECKING:
    from accounts.models.people import User
    from domains.models.domains import Domain

DOMAINS, EACH, MANY = 100, 3, 50_000
FIRST, ONE_MORE = 6, 3


def rows() -> Iterator[Row]:
    with database.fresh(), Sandbox() as sandbox, pointed_at(sandbox):
        for name, wish in (("individual", _individual), ("catch-all", _catch_all), ("mixed", _mixed)):
            first, calls = _from_nothing(sandbox, wish)
            yield at_most(f"AWS calls, {DOMAINS} domains x {EACH} addresses, {name}", calls, "calls", FIRST)
            yield shown(f"AWS calls, the same and no rule set yet, {name}", first, "calls")
        yield from _among_many(sandbox)


def _from_nothing(sandbox: Sandbox, wish: Callable[[], None]) -> tuple[int, int]:
    """Return the calls of the run without an existing rule set, and with one."""
    operator = _empty(sandbox)
    wish()
    first = _calls_of_a_run(sandbox, operator)
    operator = _empty(sandbox)
    _wish_addresses(1, 1, prefix="first")
    _calls_of_a_run(sandbox, operator)
    wish()
    return first, _calls_of_a_run(sandbox, operator)


def _individual() -> None:
    _wish_addresses(DOMAINS, EACH)


def _catch_all() -> None:
    from receipt_rules.models.addresses import CatchAll

    CatchAll.objects.bulk_create(CatchAll(domain=domain) for domain in _domains(DOMAINS))


def _mixed() -> None:
    """Each domain's catch-all has another endpoint than its addresses, which then need their own recipients."""
    from receipt_rules.models.addresses import CatchAll
    from tests.receipt_rules.factories import make_endpoint

    domains = _wish_addresses(DOMAINS, EACH)
    elsewhere = make_endpoint(domains[0].customer, s3_prefix="elsewhere/")
    CatchAll.objects.bulk_create(CatchAll(domain=domain, endpoint=elsewhere) for domain in domains)


def _among_many(sandbox: Sandbox) -> Iterator[Row]:
    from receipt_rules.addresses import services as addresses_services
    from receipt_rules.models.addresses import Address

    operator = _empty(sandbox)
    domains = _wish_addresses(MANY // 10, 10)
    _calls_of_a_run(sandbox, operator)
    addresses_services.add_address(text=f"more@{domains[0].name}", customer=domains[0].customer, actor=None)
    yield at_most(f"AWS calls, one address more among {MANY:,}", _calls_of_work(sandbox), "calls", ONE_MORE)
    addresses_services.set_catch_all(domain=domains[1], actor=None)
    yield at_most("AWS calls, one domain's mode switched", _calls_of_work(sandbox), "calls", ONE_MORE)
    assert Address.objects.count() == MANY + 1


def _empty(sandbox: Sandbox) -> "User":
    from domains.models.domains import Domain
    from receipt_rules.models.addresses import Address, CatchAll
    from receipt_rules.models.runs import OwnRuleSet, PendingChange, Snapshot
    from tests.receipt_rules.factories import make_operator

    sandbox.control.reset()
    for model in (Address, CatchAll, PendingChange, Snapshot, OwnRuleSet, Domain):
        model.objects.all().delete()
    return make_operator()


def _domains(number: int, prefix: str = "domain") -> "list[Domain]":
    from django.utils import timezone

    from domains.models.domains import Domain, Stage
    from tests.factories import make_customer

    customer, now = make_customer(), timezone.now()
    known = {"stage": Stage.READY, "verified_at": now, "proven_at": now, "region": "eu-west-1"}
    made = (Domain(name=f"{prefix}{at}.com", customer=customer, **known) for at in range(number))
    return Domain.objects.bulk_create(made)


def _wish_addresses(domains: int, each: int, prefix: str = "domain") -> "list[Domain]":
    from receipt_rules.models.addresses import Address

    made = _domains(domains, prefix)
    Address.objects.bulk_create(
        Address(address=f"person{at}@{domain.name}", domain=domain) for domain in made for at in range(each)
    )
    return made


def _calls_of_a_run(sandbox: Sandbox, operator: "User") -> int:
    """Count from the approval to the end of the run, as the worker executes it."""
    from receipt_rules.auto_apply import services as auto_apply_services
    from receipt_rules.models.runs import RunState
    from receipt_rules.planner import services as planner_services

    made = planner_services.plan_changes()
    run = planner_services.approve(digest=made.digest, because="the bench", actor=operator, typed="inbound-mail")
    sandbox.control.clear_calls()
    auto_apply_services.work()
    run.refresh_from_db()
    assert run.state == RunState.DONE, run.problem
    return sum(sandbox.control.call_counts().values())


def _calls_of_work(sandbox: Sandbox) -> int:
    from receipt_rules.auto_apply import services as auto_apply_services

    sandbox.control.clear_calls()
    auto_apply_services.work()
    return sum(sandbox.control.call_counts().values())
