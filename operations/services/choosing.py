"""Which customers a migration is made of: one, all, those that a filter finds, or those that a file names."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO

from inbound_admin.lib.errors import Refused
from operations.core.migration import Chosen
from operations.selectors.migrations import customers_to_migrate
from tenants.models import Customer

MOST_LINES = 100_000
HEADS = ("customer", "customer_id", "id", "name")


@dataclass(frozen=True)
class Choice:
    """`left_out`: a sentence for each line of a file that chose nobody."""

    chosen: Chosen
    text: str
    customers: tuple[Customer, ...]
    left_out: tuple[str, ...] = ()


def all_of_them() -> Choice:
    return Choice(Chosen.ALL, "", tuple(customers_to_migrate()))


def by_filter(text: str) -> Choice:
    """By part of the name. Raises Refused for an empty one, which would be everybody."""
    if not text.strip():
        raise Refused("Type part of a customer’s name, or choose all.", code="FILTER_MISSING")
    return Choice(Chosen.FILTER, text.strip()[:200], tuple(customers_to_migrate(text.strip())))


def one(customer: Customer) -> Choice:
    return Choice(Chosen.CUSTOMER, customer.name[:200], (customer,))


def named(customers: Iterable[Customer]) -> Choice:
    """Those that the caller has fetched for its viewer; who is migrated already is left out."""
    keys = [customer.pk for customer in customers]
    return Choice(Chosen.CSV, "by the API", tuple(customers_to_migrate().filter(pk__in=keys)))


def by_csv(text: str, name: str) -> Choice:
    """One customer a line, by id or by whole name, in the first column or in one that is headed so. Raises Refused."""
    lines = [row for row in csv.reader(StringIO(text.lstrip("\ufeff"))) if any(cell.strip() for cell in row)]
    if len(lines) > MOST_LINES:
        raise Refused(f"The file has {len(lines)} lines; {MOST_LINES} are the most.", code="TOO_MANY")
    column, rows = _column(lines)
    wanted = list(dict.fromkeys(row[column].strip() for row in rows if len(row) > column and row[column].strip()))
    if not wanted:
        raise Refused("The file names no customer.", code="FILE_EMPTY")
    found = _found(wanted)
    customers = tuple(dict.fromkeys(found[each] for each in wanted if found[each] is not None))
    left_out = tuple(
        f"“{each[:120]}” is no customer that is still to be migrated." for each in wanted if not found[each]
    )
    return Choice(Chosen.CSV, name[:200], tuple(each for each in customers if each), left_out)


def _column(lines: list[list[str]]) -> tuple[int, list[list[str]]]:
    head = [cell.strip().lower() for cell in lines[0]] if lines else []
    for name in HEADS:
        if name in head:
            return head.index(name), lines[1:]
    return 0, lines


def _found(wanted: list[str]) -> dict[str, Customer | None]:
    """By id first; by name where exactly one customer has it."""
    there = list(customers_to_migrate())
    by_id = {customer.pk: customer for customer in there}
    by_name: dict[str, Customer | None] = {}
    for customer in there:
        key = customer.name.casefold()
        by_name[key] = None if key in by_name else customer
    return {each: by_id.get(each) or by_name.get(each.casefold()) for each in wanted}
