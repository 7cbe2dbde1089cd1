"""Parses the domains of a batch from pasted text or a file. Pure."""

import csv
import io
from dataclasses import dataclass

SEND_ONLY = "Send only"  # in a batch's words
MOST = 1000  # domains in one batch: its preview lists each


@dataclass(frozen=True)
class DomainLine:
    """One line of the input. `customer`: an ID or a full name; "" if the line has none."""

    name: str
    customer: str = ""


def parse_names(text: str, *, with_customers: bool = False) -> tuple[DomainLine, ...]:
    """Return each name once, in the given order, without a `domain` header.

    A name with two customers is returned twice.

    `with_customers`: CSV lines of domain and customer. Otherwise names are separated by commas, spaces or lines.
    """
    rows = _rows(text) if with_customers else [[word] for word in text.replace(",", " ").replace(";", " ").split()]
    found: dict[tuple[str, str], DomainLine] = {}
    for row in rows:
        name, customer = (*(cell.strip() for cell in row), "", "")[:2]
        if name and name.lower() not in ("domain", "name"):
            found.setdefault((name.lower(), customer.casefold()), DomainLine(name, customer))
    return tuple(found.values())


def format_names(named: tuple[DomainLine, ...]) -> str:
    """Return text that `parse_names` parses to the same, with customers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([each.name, each.customer] if each.customer else [each.name] for each in named)
    return out.getvalue()


def _rows(text: str) -> list[list[str]]:
    """Parse commas or semicolons, as some spreadsheets write. An unclosed quote affects only its own line."""
    lines = text.lstrip("\ufeff \r\n").splitlines()
    delimiter = ";" if lines and ";" in lines[0] else ","
    return [next(csv.reader([line], delimiter=delimiter), []) for line in lines]
