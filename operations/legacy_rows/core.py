"""Finds the rows of an import that are about the same. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from domains.names.core import parse_existing_domain
from inbound_admin.lib.errors import Refused
from operations.legacy_import.core import ParsedRow, RowKind
from receipt_rules.addresses.core import read_recipient

DUPLICATE = "Duplicate row."


def plain_name(text: str) -> str:
    """Return the name as DNS spells it, or the text in lower case if it is none."""
    try:
        return parse_existing_domain(text)
    except Refused:
        return text.lower()


def row_key(given: ParsedRow) -> tuple[RowKind, str]:
    """Return what the row is about. Spellings of one name are one key; “ß” and “ss” are two names in DNS."""
    if given.kind in (RowKind.DOMAIN, RowKind.CATCH_ALL):
        return given.kind, plain_name(given.name)
    if given.kind is not RowKind.ADDRESS:
        return given.kind, given.name.casefold()
    try:
        return given.kind, read_recipient(given.name).address
    except Refused:  # it is rejected for that
        return given.kind, given.name.lower()


def mark_duplicates(rows: Iterable[ParsedRow]) -> tuple[ParsedRow, ...]:
    """Mark the second row of one domain as a duplicate, whoever owns it.

    A person may be named twice. Duplicate addresses and catch-alls are found when they are stored: the first that is
    accepted counts.
    """
    seen: set[tuple[RowKind, str]] = set()
    found = []
    for given in rows:
        key = row_key(given) if given.kind is RowKind.DOMAIN else None
        is_second = key in seen
        if key and not given.why_not:  # a rejected row doesn't make the next a duplicate
            seen.add(key)
        found.append(replace(given, why_not=given.why_not or DUPLICATE) if is_second else given)
    return tuple(found)
