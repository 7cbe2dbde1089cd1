"""What staff expect of a record in place of what we would ask for: nothing at all, or an inbound host elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from domains.core.names import understand
from domains.core.records import Record
from inbound_admin.lib.errors import Refused

# What Amazon itself asks for (ownership, keys, MAIL FROM) is not here: without it the domain does not work at all.
EXPECTABLE = {
    "inbound-mx": "Inbound mail (MX)",
    "apex-spf": "Sender record (SPF)",
    "dmarc": "Forgery protection (DMARC)",
}
WITH_VALUE = ("inbound-mx",)  # others are compared by their meaning, to which another value means nothing


@dataclass(frozen=True)
class Expected:
    """`value` "": the record is not asked for. `by` is who said so, `at` when, in ISO 8601."""

    key: str
    value: str
    because: str
    by: str
    at: str

    @property
    def title(self) -> str:
        return EXPECTABLE.get(self.key, self.key)


def expected_host(key: str, value: str) -> str:
    """The value as it is stored; "" where the record is not to be asked for. Raises Refused."""
    if key not in EXPECTABLE:
        raise Refused("Amazon itself asks for that record, so there is nothing to expect in its place.")
    if not value.strip():
        return ""
    if key not in WITH_VALUE:
        raise Refused(f"{EXPECTABLE[key]} is asked for or not; a value of its own is for inbound mail alone.")
    return understand(value.strip().rstrip(".")).domain.ascii


def as_expected(records: Sequence[Record], expected: Mapping[str, Expected]) -> tuple[Record, ...]:
    """Without what is not asked for, and with the value that is expected in place of ours."""
    kept = (record for record in records if record.key not in expected or expected[record.key].value)
    return tuple(replace(r, value=expected[r.key].value) if r.key in expected else r for r in kept)
