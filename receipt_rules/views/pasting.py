"""Many addresses pasted at once: each line with its own fate, shown before anything is added."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.ids import new_id
from receipt_rules.models import Endpoint
from receipt_rules.selectors.pages import endpoints_of
from receipt_rules.services.addresses import add_address, look_at_address
from tenants.models import Customer, User

MOST_LINES = 500


@dataclass(frozen=True)
class Line:
    """`address` is how we understood `text`; `refused` says why it is not added, and is empty where it is."""

    number: int
    text: str
    address: str = ""
    endpoint: Endpoint | None = None
    refused: str = ""

    @property
    def is_good(self) -> bool:
        return not self.refused


def read_lines(text: str, customer: Customer) -> list[Line]:
    """Empty lines and a heading are passed over; the second of two equal lines is refused."""
    endpoints = {endpoint.name.lower(): endpoint for endpoint in endpoints_of(customer)}
    seen: set[str] = set()
    lines = []
    for number, cells in _cells(text):
        line = _read(number, cells, customer, endpoints)
        if line.is_good and line.address in seen:
            line = replace(line, refused=f"{line.address} stands further up already.")
        seen.add(line.address)
        lines.append(line)
    return lines


def _cells(text: str) -> Iterator[tuple[int, list[str]]]:
    found = 0
    for number, row in enumerate(csv.reader(text.replace("\x00", "").replace(";", ",").splitlines()), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].lower() in ("address", "email", "e-mail"):
            continue
        found += 1
        if found > MOST_LINES:
            return
        yield number, cells


def _read(number: int, cells: list[str], customer: Customer, endpoints: dict[str, Endpoint]) -> Line:
    text, name = cells[0], cells[1] if len(cells) > 1 else ""
    line = Line(number, text[:320], endpoint=endpoints.get(name.lower()))
    if name and line.endpoint is None:
        return replace(line, refused=f"{customer} has no endpoint called “{name[:120]}”.")
    try:
        return replace(line, address=look_at_address(text=text, customer=customer).address)
    except Refused as refused:
        return replace(line, refused=str(refused))


def add_lines(lines: Iterable[Line], customer: Customer, actor: User) -> list[Line]:
    """Each for itself: what cannot be added any more says why, and keeps none of the others back."""
    bulk_id = new_id("bulk")
    return [_added(line, customer, actor, bulk_id) if line.is_good else line for line in lines]


def _added(line: Line, customer: Customer, actor: User, bulk_id: str) -> Line:
    try:
        add_address(text=line.text, customer=customer, actor=actor, endpoint=line.endpoint, bulk_id=bulk_id)
    except Refused as refused:
        return replace(line, refused=str(refused))
    return line
