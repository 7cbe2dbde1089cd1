"""Parses the domains of a batch from pasted text or a file. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inbound_admin.lib.foreign_text import without_nul

SEND_ONLY = "Send only"  # in a batch's words
DESPITE_MX = "Domains whose MX record points here too"  # in a batch's words
MOST = 1000  # domains in one batch: its preview lists each
_SEPARATOR = re.compile("[,;]")
LONGEST_LINE = 1000  # characters; the rest of a longer line is ignored


@dataclass(frozen=True)
class DomainLine:
    """One line of the input. `customer`: an ID or a full name; "" if the line has none."""

    name: str
    customer: str = ""


def parse_names(text: str, *, with_customers: bool = False) -> tuple[DomainLine, ...]:
    """Return each name once, in the given order, without a `domain` header."""
    return unique_lines(parse_lines(text, with_customers=with_customers))


def parse_lines(text: str, *, with_customers: bool = False) -> tuple[DomainLine, ...]:
    """Return every line, in the given order, without a `domain` header.

    `with_customers`: CSV lines of domain and customer. Otherwise names are separated by commas, spaces or lines.
    """
    text = without_nul(text)
    rows = _rows(text) if with_customers else [[word] for word in text.replace(",", " ").replace(";", " ").split()]
    lines = (DomainLine(*(*(cell.strip() for cell in row), "", "")[:2]) for row in rows)
    return tuple(line for line in lines if line.name and line.name.lower() not in ("domain", "name"))


def unique_lines(lines: Iterable[DomainLine]) -> tuple[DomainLine, ...]:
    """Return the first of those that mean the same. A name with two customers is returned twice."""
    found: dict[tuple[str, str], DomainLine] = {}
    for line in lines:
        found.setdefault(_key(line), line)
    return tuple(found.values())


def repeated_names(lines: Sequence[DomainLine]) -> tuple[str, ...]:
    """Return the name of each line that repeats an earlier one."""
    keys = [_key(line) for line in lines]
    first = {key: number for number, key in reversed(list(enumerate(keys)))}
    return tuple(line.name for number, line in enumerate(lines) if first[keys[number]] < number)


def _key(line: DomainLine) -> tuple[str, str]:
    return line.name.lower(), line.customer.casefold()


def format_names(named: tuple[DomainLine, ...]) -> str:
    """Return text that `parse_names` parses to the same, with customers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([each.name, each.customer] if each.customer else [each.name] for each in named)
    return out.getvalue()


def _rows(text: str) -> list[list[str]]:
    """Parse commas or semicolons, as some spreadsheets write: the first in a line, since no domain has one.

    An unclosed quote affects only its own line.
    """
    lines = (line[:LONGEST_LINE] for line in text.lstrip("\ufeff \r\n").splitlines())
    return [next(csv.reader([line], delimiter=(_SEPARATOR.search(line) or ",")[0]), []) for line in lines]
