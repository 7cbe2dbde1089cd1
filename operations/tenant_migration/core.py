"""Plans a customer's migration into a tenant: from an inventory to steps, the readiness gate, the pace, the time left.

Also reads the file that names the customers of a mass migration.

SES refuses a send that names a tenant unless everything it uses is associated with that tenant (AccessDeniedException).
So the switch comes last, after the gate.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from io import StringIO

from inbound_admin.lib.errors import Refused
from inbound_admin.lib.exports import unescaped
from inbound_admin.lib.foreign_text import without_nul

SECONDS_PER_CALL = 1.0  # SES's rate limit (ses.md A)
HOUR = timedelta(hours=1)


class Chosen(StrEnum):
    """How the customers of a migration were selected."""

    CUSTOMER = "customer"
    ALL = "all"
    FILTER = "filter"
    CSV = "csv"

    @property
    def words(self) -> str:
        return {"customer": "One customer", "all": "All customers", "filter": "Name contains", "csv": "From a file"}[
            self
        ]


class StepKind(StrEnum):
    TENANT = "tenant"
    POLICY = "policy"
    CONFIGURATION_SET = "configuration_set"
    BELOW = "below"
    LOOK = "look"
    DEFAULT_SET = "default_set"
    OWN_SET = "own_set"
    ASSOCIATE = "associate"
    STATUS = "status"
    GATE = "gate"
    SWITCH = "switch"


class MigrationStepState(StrEnum):
    """FOUND: it existed already, so no call was made."""

    TO_DO = "to_do"
    DONE = "done"
    FOUND = "found"
    FAILED = "failed"
    UNDONE = "undone"

    @property
    def words(self) -> str:
        words = {"to_do": "To do", "done": "Done", "found": "Already done", "failed": "Failed", "undone": "Undone"}
        return words[self]


@dataclass(frozen=True)
class MigrationResource:
    """A resource that the customer's sends use. `is_associated`: SES has confirmed it, by our rows."""

    kind: str  # identity, configuration-set, template, as SES spells them (ses.md E)
    name: str
    arn: str
    is_associated: bool = False
    has_default_read: bool = False  # an identity whose default configuration set this attempt has read


@dataclass(frozen=True)
class Inventory:
    """What a customer has before any call. `tenant` is "" if none was requested yet.

    `identities` are those in SES; `left_out` says why others wait. `undecided`: SES has them below the customer's
    domains, so it would use them for sends, but nobody has decided that they belong to the tenant.
    """

    tenant: str
    is_created: bool
    has_policy: bool
    configuration_set: MigrationResource
    set_is_made: bool
    identities: tuple[MigrationResource, ...] = ()
    others: tuple[MigrationResource, ...] = ()  # default configuration sets of identities, templates
    left_out: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    is_listed: bool = False  # SES's identities were listed, to find those below the customer's domains
    is_alone: bool = True  # they are listed for this customer alone
    has_status: bool = False
    is_switched: bool = False

    @property
    def resources(self) -> tuple[MigrationResource, ...]:
        return (self.configuration_set, *self.identities, *self.others)

    @property
    def is_complete(self) -> bool:
        """Return whether nothing is left to do, also for a tenant named from the start whose associations follow."""
        return self.is_switched and self.is_created and not self.undecided and self._are_associated

    @property
    def is_ready(self) -> bool:
        """Return whether SES would accept every send of the customer that names the tenant."""
        are_read = all(each.has_default_read for each in self.identities)
        return self.is_listed and are_read and not self.undecided and self._are_associated

    @property
    def _are_associated(self) -> bool:
        return all(each.is_associated for each in self.resources)


@dataclass(frozen=True)
class Step:
    """`call`: the SES operation, "" for a step without one. `stands`: the step is already done."""

    kind: StepKind
    sentence: str
    call: str = ""
    subject: str = ""
    stands: bool = False


def plan(inventory: Inventory) -> tuple[Step, ...]:
    """Return all steps in order, done ones included, so the list is the same whenever it is computed."""
    return (_list(inventory), *_creation(inventory), *_associations(inventory), *_end(inventory))


def _list(inventory: Inventory) -> Step:
    """SES is asked for all its identities once for several customers, and for this one alone if it is alone."""
    stands = inventory.is_listed or inventory.is_complete
    call = "ListEmailIdentities" if inventory.is_alone else ""
    return Step(StepKind.BELOW, "Check for more identities below the customer’s domains.", call, stands=stands)


def _creation(inventory: Inventory) -> Iterable[Step]:
    """Yield the steps in the order in which a tenant is created, so completed steps come first."""
    name, own = inventory.tenant, inventory.configuration_set
    yield Step(StepKind.TENANT, f"Create tenant {name}.", "CreateTenant", stands=inventory.is_created)
    policy = "Set its reputation policy."
    yield Step(StepKind.POLICY, policy, "UpdateReputationEntityPolicy", stands=inventory.has_policy)
    made = f"Create configuration set {own.name}."
    yield Step(StepKind.CONFIGURATION_SET, made, "CreateConfigurationSet", stands=inventory.set_is_made)
    associate = f"Associate configuration set {own.name}."
    yield Step(StepKind.OWN_SET, associate, "CreateTenantResourceAssociation", stands=own.is_associated)
    status = "Read the tenant’s sending status."
    yield Step(StepKind.STATUS, status, "GetReputationEntity", stands=inventory.has_status)


def _associations(inventory: Inventory) -> Iterable[Step]:
    for each in inventory.identities:
        yield from _identity_checks(each)
        yield _associate(each)
    yield from (_associate(each) for each in inventory.others)


def _identity_checks(identity: MigrationResource) -> Iterable[Step]:
    """Check identities: another tenant may have one, and each may have a configuration set of its own."""
    name = identity.name
    default = f"Read the default configuration set of {name}."
    yield Step(StepKind.DEFAULT_SET, default, "GetEmailIdentity", identity.arn, stands=identity.has_default_read)
    look = f"Check whether another tenant has {name}."
    yield Step(StepKind.LOOK, look, "ListResourceTenants", identity.arn, stands=identity.is_associated)


_NOUNS = {"identity": "identity", "configuration-set": "configuration set", "template": "template"}


def _associate(resource: MigrationResource) -> Step:
    sentence = f"Associate {_NOUNS.get(resource.kind, resource.kind)} {resource.name}."
    return Step(
        StepKind.ASSOCIATE, sentence, "CreateTenantResourceAssociation", resource.arn, stands=resource.is_associated
    )


def _end(inventory: Inventory) -> Iterable[Step]:
    gate = "Confirm that every required resource is associated."
    yield Step(StepKind.GATE, gate, "ListTenantResources", stands=inventory.is_complete)
    switch = "Switch the customer’s sending to the tenant."
    yield Step(StepKind.SWITCH, switch, stands=inventory.is_switched)


def calls(steps: Sequence[Step]) -> int:
    """Return the number of SES calls of the steps that aren't done."""
    return sum(bool(step.call) and not step.stands for step in steps)


def missing(resources: Iterable[MigrationResource], found: Iterable[str]) -> tuple[str, ...]:
    """Return names of resources that a send uses and SES doesn't list with the tenant.

    The gate is open if there are none.
    """
    there = frozenset(found)
    return tuple(each.name for each in resources if each.arn not in there)


@dataclass(frozen=True)
class Progress:
    done: int
    total: int

    @property
    def is_partial(self) -> bool:
        return 0 < self.done < self.total


def wait_seconds(now: datetime, begun: Sequence[datetime], at_most_per_hour: int | None) -> int:
    """Return seconds until one more customer may start; 0: now. `begun`: when the others started."""
    if not at_most_per_hour:
        return 0
    recent = sorted(moment for moment in begun if moment > now - HOUR)
    if len(recent) < at_most_per_hour:
        return 0
    free_at = recent[-at_most_per_hour] + HOUR
    return max(1, round((free_at - now).total_seconds() + 0.5))


def seconds_left(customers: int, calls_left: int, at_most_per_hour: int | None) -> int:
    """Estimate by the SES rate limit, or by the hourly limit if that is slower."""
    by_pace = calls_left * SECONDS_PER_CALL
    by_limit = (max(0, customers - 1) // at_most_per_hour) * 3600 if at_most_per_hour else 0
    return round(max(by_pace, by_limit))


MOST_LINES = 100_000
HEADS = ("customer_id", "customer", "id", "name")  # the first that the header has says who is meant
DELIMITERS = (",", ";", "\t")
NOT_CSV = "The line is not valid CSV ({error}). Check its quotation marks."


@dataclass(frozen=True)
class CustomerLine:
    """One line of a file. `texts`: what may name the customer, in the order to try. `problem`: it can't be read."""

    number: int  # as an editor counts, from 1
    texts: tuple[str, ...] = ()
    problem: str = ""


def file_text(data: bytes) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 as Excel's "Unicode text". Raises Refused."""
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return without_nul(data.decode(encoding))
    except UnicodeDecodeError as error:
        raise Refused("The file is not UTF-8 text. Save it as CSV (UTF-8).", code="FILE_UNREADABLE") from error


def customer_lines(text: str) -> tuple[CustomerLine, ...]:
    """Return the lines that name customers, with commas, semicolons or tabs, and with or without a header line.

    Without one, a whole line names the customer, or its first cell if all lines have the same separator. Raises Refused
    if there are too many lines.
    """
    lines = list(StringIO(text.lstrip("\ufeff"), newline=None))
    if len(lines) > MOST_LINES:
        raise Refused(f"The file has {len(lines):,} lines. The maximum is {MOST_LINES:,}.", code="TOO_MANY")
    first = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    delimiters: tuple[str, ...] = DELIMITERS
    if first < len(lines) and lines[first].lower().startswith("sep="):  # as Excel writes it
        delimiters, first = tuple(lines[first][4:5].strip("\n")) or DELIMITERS, first + 1
    for delimiter in delimiters if first < len(lines) else ():
        heads = [cell.lower().replace(" ", "_").replace("-", "_") for cell in _cells(lines[first], delimiter)]
        if head := next((name for name in HEADS if name in heads), ""):
            return tuple(_table(lines, first + 1, delimiter, heads.index(head)))
    there = [at for at in range(first, len(lines)) if lines[at].strip()]
    common = [each for each in delimiters if all(each in lines[at] for at in there)]
    return tuple(_line(at, lines[at], common) for at in there)


def _cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line, none if it isn't valid CSV."""
    with suppress(csv.Error):
        return [unescaped(cell.strip()) for cell in next(csv.reader([line], strict=True, delimiter=delimiter), [])]
    return []


def _line(at: int, line: str, delimiters: Iterable[str]) -> CustomerLine:
    """Return a line without a header above it. A name may contain what separates cells in another file."""
    whole = _cells(line, "\0") or [line.strip()]  # without its quotation marks
    firsts = [cells[0] for each in delimiters if (cells := _cells(line, each)) and cells[0]]
    return CustomerLine(at + 1, tuple(dict.fromkeys([*whole, *sorted(firsts, key=len, reverse=True)])))


def _table(lines: Sequence[str], start: int, delimiter: str, column: int) -> Iterator[CustomerLine]:
    """Yield a line for each record. After an invalid one, reading continues at the line after its first."""
    while start < len(lines):
        reader, read = csv.reader((lines[at] for at in range(start, len(lines))), strict=True, delimiter=delimiter), 0
        try:
            for row in reader:
                number, read = start + read + 1, reader.line_num
                cells = [unescaped(cell.strip()) for cell in row]
                if len(cells) > column and cells[column]:
                    yield CustomerLine(number, (cells[column],))
                elif any(cells):
                    yield CustomerLine(number, problem="The line names no customer.")
        except csv.Error as error:
            start += read + 1
            yield CustomerLine(start, problem=NOT_CSV.format(error=error))
        else:
            return
