"""Parses the domains of a batch from pasted text or a file. Pure."""

import csv
import io
from dataclasses import dataclass

SEND_ONLY = "Send only"  # in a batch's words
MOST = 1000  # domains in one batch: its preview lists each of them


@dataclass(frozen=True)
class Named:
    """One line of what was given; `customer` is an id or a whole name, "" where the line says none."""

    name: str
    customer: str = ""


def named_in(text: str, *, with_customers: bool = False) -> tuple[Named, ...]:
    """Each name once, in the order given; a heading line `domain` is none. For two customers, it is there twice.

    `with_customers`: lines of CSV, the domain and then whose it is; otherwise names apart by commas, blanks or lines.
    """
    rows = _rows(text) if with_customers else [[word] for word in text.replace(",", " ").replace(";", " ").split()]
    found: dict[tuple[str, str], Named] = {}
    for row in rows:
        name, customer = (*(cell.strip() for cell in row), "", "")[:2]
        if name and name.lower() not in ("domain", "name"):
            found.setdefault((name.lower(), customer.casefold()), Named(name, customer))
    return tuple(found.values())


def as_lines(named: tuple[Named, ...]) -> str:
    """As `named_in` reads it again, customers included."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([each.name, each.customer] if each.customer else [each.name] for each in named)
    return out.getvalue()


def _rows(text: str) -> list[list[str]]:
    """A spreadsheet of some countries writes semicolons. A quote that is never closed takes no other line with it."""
    lines = text.lstrip("\ufeff \r\n").splitlines()
    delimiter = ";" if lines and ";" in lines[0] else ","
    return [next(csv.reader([line], delimiter=delimiter), []) for line in lines]
