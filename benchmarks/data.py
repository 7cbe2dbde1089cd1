"""`make fill`: fills a database with a large operator's data. PostgreSQL copies one valid row of each kind.

The scale is the number of domains. Each has ten addresses; nine in ten have a catch-all, so the rules need one
recipient for each domain. There are a fifth as many customers, of which the first has a twentieth of all domains; a
tenant each; and five lines of the change log per domain. `python -m benchmarks.data 100000` fills the database of
DATABASE_URL, which must be empty.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from django.db.models import Model

ADDRESSES_EACH = 10
CHANGES_EACH = 5
RECORDS_EACH = 7
REGION = "eu-west-1"
FUNCTION = f"arn:aws:lambda:{REGION}:123456789012:function:inbound-mail-handler"  # the full ARN, so AWS isn't called
WORDS = ("harbour", "northwind", "maple", "copper", "lantern", "river", "granite", "saffron", "juniper", "willow")
KINDS = ("books", "bakery", "studio", "garden", "legal", "travel", "clinic", "motors", "foods", "design")
_ID = "substr(translate(md5('{prefix}' || ({number})), 'abcdef', 'ghjkmn'), 1, 20)"


def fill(domains: int) -> dict[str, int]:
    """Create every kind of row at this scale, and collect the planner's statistics. Returns the numbers of rows."""
    customers = max(domains // 5, 1)
    with _unwatched():
        _customers(customers)
        _tenants(customers)
        _endpoints(customers)
        _domains(domains, customers)
        _wishes(domains)
        _changes(domains, customers)
    _analyse()  # before the rules, whose queries would otherwise be planned for empty tables
    _rules()
    return counts()


def counts() -> dict[str, int]:
    from accounts.models.people import Customer
    from audit.models import Change
    from domains.models.domains import Domain
    from domains.models.record_checks import RecordCheck
    from receipt_rules.models.addresses import Address, CatchAll
    from tenants.models.tenants import Tenant

    kinds = (Customer, Tenant, Domain, RecordCheck, Address, CatchAll, Change)
    return {str(kind._meta.verbose_name_plural).title(): kind._default_manager.count() for kind in kinds}


@contextmanager
def _unwatched() -> Iterator[None]:
    """Disable keys and triggers: the rows are valid, so they needn't be checked a million times."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute("SET LOCAL work_mem = '256MB'")
        yield


def row_id(prefix: str, number: str) -> str:
    """Return SQL for an ID in our format, the same for the same number."""
    return f"'{prefix}' || {_ID.format(prefix=prefix, number=number)}"


def _copy(model: "Model", rows: str, **columns: str) -> None:
    """Copy the row for each row of `rows` (SQL with a column n), with these columns in SQL. The original is deleted."""
    from django.db import connection

    table, key = model._meta.db_table, model._meta.pk
    kept = [each.column for each in model._meta.concrete_fields if each.column not in columns and not _is_serial(each)]
    names = ", ".join(f'"{column}"' for column in (*columns, *kept))
    values = ", ".join((*columns.values(), *(f'one."{column}"' for column in kept)))
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({names}) SELECT {values} FROM "{table}" AS one, ({rows}) AS made'  # noqa: S608  # our own tables
            f' WHERE one."{key.column}" = %s'.replace("%", "%%").replace("%%s", "%s"),
            [model.pk],
        )


def _is_serial(field: object) -> bool:
    from django.db.models import AutoField

    return isinstance(field, AutoField)


def _numbers(count: int) -> str:
    return f"SELECT n FROM generate_series(1, {count}) AS n"  # noqa: S608  # a number of ours


def _one_of(values: tuple[str, ...], number: str) -> str:
    return f"(ARRAY[{', '.join(repr(each) for each in values)}])[1 + ({number}) % {len(values)}]"


def _name(number: str = "n") -> str:
    words = f"{_one_of(WORDS, number)} || '-' || {_one_of(KINDS, f'({number}) / 10')}"
    return f"{words} || '-' || ({number}) || {_one_of(('.com', '.org', '.co.uk', '.example.net'), number)}"


def _customer(number: str, customers: int) -> str:
    """Return SQL for the customer: the first has one domain in twenty, the others the rest in turn."""
    return row_id("cus_", f"CASE WHEN {number} % 20 = 0 THEN 1 ELSE 1 + {number} % {customers} END")


def _customers(count: int) -> None:
    from accounts.models.people import Customer

    words = f"initcap({_one_of(WORDS, 'n')} || ' ' || {_one_of(KINDS, 'n / 10')}) || ' ' || n"
    one = Customer.objects.create(name="The first")
    _copy(one, _numbers(count), id=row_id("cus_", "n"), name=words)
    one.delete()


def _tenants(count: int) -> None:
    from accounts.models.people import Customer
    from tenants.models.tenants import Tenant, TenantStage

    one = Tenant.objects.create(
        customer=Customer.objects.earliest("pk"),
        region="nowhere",
        name="the-first",
        stage=TenantStage.READY,
        configuration_set="the-first",
        policy_told="standard",
        aggregate="ENABLED",
        standing="active",
        read_at="2026-01-01T00:00:00Z",
    )
    _copy(
        one,
        _numbers(count),
        id=row_id("tenant-", "n"),
        customer_id=row_id("cus_", "n"),
        region=f"'{REGION}'",
        name="'tenant-' || n",
        configuration_set="'tenant-' || n",
        arn=f"'arn:aws:ses:{REGION}:123456789012:tenant/tenant-' || n || '/tn-' || md5(n::text)",
        standing=_one_of(("active",) * 18 + ("suspended", "unknown"), "n"),
        bounce_rate="(n % 97) / 2000.0",
        complaint_rate="(n % 89) / 90000.0",
        risk="CASE WHEN n % 20 > 16 THEN n % 1000 ELSE 0 END",
    )
    one.delete()


def _endpoints(customers: int) -> None:
    from accounts.models.people import Customer
    from receipt_rules.models.endpoints import Endpoint, EndpointType

    one = Endpoint(customer=Customer.objects.earliest("pk"), name="the first", type=EndpointType.WEBHOOK)
    one.config = {"url": "https://mail.example.com/in"}
    one.save()
    name = _one_of(("Helpdesk", "Orders", "Archive"), "n")
    _copy(one, _numbers(customers), id=row_id("ep_", "n"), customer_id=row_id("cus_", "n"), name=f"{name} || ' ' || n")
    one.delete()


def _domains(count: int, customers: int) -> None:
    one = _first_domain()
    states = ("verified",) * 15 + ("spreading", "waiting", "at_risk", "wrong", "could_not_check")
    _copy(
        one,
        _numbers(count),
        id=row_id("dom_", "n"),
        name=_name(),
        customer_id=_customer("n", customers),
        tenant_id=_customer("n", customers).replace("cus_", "tenant-"),
        state=_one_of(_known(states), "n"),
        known_state=_one_of(_known(states), "n"),
        provider=_one_of(("cloudflare", "route53", "godaddy", "", "namecheap"), "n / 3"),
        mail_rules=f"jsonb_build_object({_name()}, 'carried')",
        mx_facts=f"jsonb_build_object({_name()}, 'here')",
        has_catch_all="n % 10 <> 0",
        last_dns_check="now() - make_interval(secs => n % 86400)",
        next_check_at="now() + make_interval(secs => n % 86400)",
        created_at="now() - make_interval(mins => n)",
        state_since="now() - make_interval(mins => n / 2)",
    )
    _record_checks(one, count)
    one.delete()


def _first_domain() -> Any:
    """Create a verified domain, which the others are copies of."""
    from django.utils import timezone

    from accounts.models.people import Customer
    from domains.models.domains import Domain, Stage

    now = timezone.now()
    return Domain.objects.create(
        customer=Customer.objects.earliest("pk"),
        name="the-first.invalid",
        region=REGION,
        stage=Stage.READY,
        proven_at=now,
        verified_at=now,
        identity_status="SUCCESS",
        dkim_status="SUCCESS",
        dkim_tokens=["a" * 32, "b" * 32, "c" * 32],
        routes_unchecked=False,
        last_dns_check=now,
        last_ses_check=now,
        summary="Everything is set up correctly.",
        receiving_state="live",
    )


def _record_checks(one: Any, count: int) -> None:
    from domains.models.record_checks import RecordCheck

    at = one.verified_at
    check = RecordCheck.objects.create(domain=one, key="spf", state="verified", checked_at=at, verified_at=at)
    rows = f"SELECT d AS n, k FROM generate_series(1, {count}) AS d, generate_series(1, {RECORDS_EACH}) AS k"  # noqa: S608
    keys = ("dkim1", "dkim2", "dkim3", "mail_from_mx", "mail_from_spf", "apex_spf", "dmarc")
    _copy(check, rows, domain_id=row_id("dom_", "n"), key=_one_of(keys, "k"))
    check.delete()


def _known(states: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names, all of which are known states. A renamed one fails here, not on a page."""
    from domains.checking.core.judgement import State

    return tuple(State(each).value for each in states)


def _wishes(domains: int) -> None:
    """Activate one address in ten where there is no catch-all; more would not fit into the rules."""
    from domains.models.domains import Domain
    from receipt_rules.models.addresses import Address, CatchAll

    holder = Domain.objects.earliest("pk")
    locals_ = ("info", "sales", "support", "billing", "hello", "office", "jobs", "press", "orders", "returns")
    one = Address.objects.create(address="the-first@the-first.invalid", domain=holder, rules="carried")
    rows = f"SELECT d AS n, k FROM generate_series(1, {domains}) AS d, generate_series(0, {ADDRESSES_EACH - 1}) AS k"  # noqa: S608
    _copy(
        one,
        rows,
        id=row_id("addr_", f"n * {ADDRESSES_EACH} + k"),
        address=f"{_one_of(locals_, 'k')} || '@' || {_name()}",
        domain_id=row_id("dom_", "n"),
        is_active="n % 10 <> 0 OR (k = 0 AND n % 100 <> 0)",
    )
    every = CatchAll.objects.create(domain=holder, subdomains=True, rules="carried")
    rows = f"SELECT n FROM generate_series(1, {domains}) AS n WHERE n % 10 <> 0"  # noqa: S608
    _copy(every, rows, id=row_id("all_", "n"), domain_id=row_id("dom_", "n"), subdomains="false")
    one.delete()
    every.delete()


def _changes(domains: int, customers: int) -> None:
    from django.db import connection

    columns = "bulk_id, at, actor_kind, actor_id, actor_name, what, object_type, object_id, object_name, customer_id"
    what = _one_of(("domain.added", "domain.verified", "address.added", "domain.checked", "domain.settings"), "n / 7")
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO audit_change ({columns}, for_staff, because, before, after, aws_request_ids)"  # noqa: S608
            f" SELECT {row_id('chg_', 'n')}, now() - make_interval(secs => n * 60), 'person', '1', 'Olga', {what},"
            f" 'domain', {row_id('dom_', f'1 + n % {domains}')}, {_name(f'(1 + n % {domains})')},"
            f" {_customer(f'(1 + n % {domains})', customers)}, false, '', '{{}}', '{{\"state\": \"verified\"}}', '[]'"
            f" FROM generate_series(1, {domains * CHANGES_EACH}) AS n"
        )


def _rules() -> None:
    """Store the rules of this state as if read from SES, and mark them active."""
    from django.test import override_settings
    from django.utils import timezone

    from receipt_rules.live.services import store_snapshot
    from receipt_rules.models.runs import ActiveRuleSet, RulesCheck
    from receipt_rules.planner.core.planner import make_plan
    from receipt_rules.planner.core.rules import RuleSet
    from receipt_rules.planner.services import limits, read_desired_state

    with override_settings(RECEIVING_FUNCTION=FUNCTION):
        live = make_plan(read_desired_state().desired, RuleSet("inbound-mail"), limits=limits()).after
    store_snapshot(live)
    now = timezone.now()
    ActiveRuleSet.objects.create(region=REGION, name=live.name, is_ours=True, read_at=now, changed_at=now)
    RulesCheck.objects.create(region=REGION, at=now)


def _analyse() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inbound_admin.settings")
    django.setup()
    began = time.monotonic()
    domains = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    if any(counts().values()):
        print("The database has rows already. Name an empty one in DATABASE_URL.", file=sys.stderr)
        return 1
    for kind, number in fill(domains).items():
        print(f"{kind}: {number:,}")
    print(f"Filled in {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
