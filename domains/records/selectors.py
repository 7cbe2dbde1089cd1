"""The records page: the records in groups, what was found, and what is still to do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone

from domains.checking.core import comparison
from domains.checking.core.judgement import Aspect, Judgement, State, judge_aspects
from domains.checking.selectors import poll_seconds, upcoming_check
from domains.diagnosis.core.findings import DiagnosisFinding, Pair, mark_differences
from domains.diagnosis.selectors import Explanations, diagnosed_reason, explanations
from domains.exports.core.values import Entry, entries
from domains.models.domains import Domain, Stage
from domains.models.record_checks import KnownResult, RecordCheck
from domains.mta_sts.core import PolicyCheck
from domains.ownership import core as ownership_core
from domains.providers.core import FormValues, form_values
from domains.providers.selectors import DnsHost, dns_host
from domains.receiving.core import RED, Receiving, ReceivingState, most_severe
from domains.records.core import BY_DKIM, TITLES, Need, Purpose, Record, RecordAction, action_of, label_of
from domains.zone_causes.core import ZoneCause, cause_of
from notifications.alerts.selectors import open_since

ASPECTS: Mapping[Aspect, str] = {
    Aspect.IDENTITY: "Ownership",
    Aspect.DKIM: "DKIM",
    Aspect.MAIL_FROM: "MAIL FROM",
    Aspect.RECEIVING: "Inbound MX",
}
UNSIGNED = "The DKIM records are correct, but signing is turned off under Settings, so SES doesn't sign your mail."
TIME_TO_READ = 12  # seconds that the result of a check stays on the page before the next poll replaces it


@dataclass(frozen=True)
class RecordRow:
    """`known` is what the last successful lookup found: a failed one (`is_unchecked`) takes nothing away.

    `said_above`: what the summary says of every record.
    """

    record: Record
    form_values: FormValues
    label: str
    relative_name: str
    zone: str
    state: State
    found: tuple[str, ...]
    sentence: str
    code: str
    known: KnownResult | None = None
    policy: PolicyCheck | None = None
    finding: DiagnosisFinding | None = None
    said_above: str = ""

    @property
    def own_reason(self) -> str:
        """Return the reason without what the summary already says of every record."""
        return self.reason.removeprefix(self.said_above).lstrip()

    @property
    def is_explained(self) -> bool:
        """Return True if the row says what was found and what to do, unless the summary has said all of it."""
        is_marked = self.state in (State.WRONG, State.AT_RISK, State.COULD_NOT_CHECK)
        has_something = is_marked or bool(self.finding) or bool(self.found and not self.is_done)
        return has_something and bool(self.own_reason or self.found)

    @property
    def reason(self) -> str:
        """Return what is wrong: from the latest diagnosis if it explains more than the check."""
        return " ".join((self.finding.verdict, *self.finding.steps)) if self.finding else self.sentence

    @property
    def is_done(self) -> bool:
        return self.state is State.VERIFIED

    @property
    def waits_for_policy(self) -> bool:
        """Return True if something else must exist first: MTA-STS is announced once its policy is served."""
        is_announced = self.is_done or bool(self.found)
        return self.record.key == "mta-sts" and not is_announced and not (self.policy and self.policy.is_good)

    @property
    def is_inherited(self) -> bool:
        """Return True if the record is correct because of the DMARC record of a domain above."""
        return self.is_done and self.code == comparison.INHERITED_CODE

    @property
    def is_offered(self) -> bool:
        """Return True if it can be published now. Every export, copy, print, email and share page lists these."""
        return bool(self.record.value) and self.is_listed

    @property
    def is_listed(self) -> bool:
        """Return True if it is offered, or would be if its value weren't withheld: no list may leave that out."""
        return not self.waits_for_policy and not self.is_inherited

    @property
    def is_todo(self) -> bool:
        """Return True if something must or could be done for the record."""
        return not self.is_done and not self.record.is_unnecessary

    @property
    def counts_as_done(self) -> bool:
        """Return True if the record was correct at the last successful check: a failed lookup changes nothing."""
        return self.known is not None and self.known.is_correct

    @property
    def is_unchecked(self) -> bool:
        return self.state is State.COULD_NOT_CHECK

    @property
    def is_published(self) -> bool:
        """Return True if it was published, also if still propagating, at the last successful check."""
        return self.known is not None and self.known.is_published

    @property
    def action(self) -> RecordAction:
        """Return what to do at the DNS host. CHECK: the lookup failed, and nothing is known to be missing."""
        if self.is_unchecked and (self.known is None or self.known.is_published):
            return RecordAction.CHECK
        if self.finding and not self.is_unchecked:
            return action_of(self.finding.code, self.finding.found)
        return self.known.action if self.known else RecordAction.ADD

    @property
    def existing(self) -> tuple[str, ...]:
        """Return what is published and must be replaced by the record."""
        return self.known.existing if self.known else ()

    @property
    def expected(self) -> str:
        """Return the value as DNS shows it, with its priority.

        It has the type if the type is wrong, and the name if a correct value is at the wrong name.
        """
        record = self.record
        if self.code == comparison.WRONG_TYPE_CODE:
            return f"{record.type} {record.value}"
        if self.found and self.found[0].startswith("at "):
            return f"{record.type} at {record.name}"
        return record.with_priority

    @property
    def marked(self) -> Pair | None:
        """Return expected and found with the differences marked, if they are only a few letters."""
        return mark_differences(self.expected, self.found, self.record)


@dataclass(frozen=True)
class Group:
    purpose: Purpose
    title: str
    explanation: str
    rows: tuple[RecordRow, ...]

    @property
    def is_done(self) -> bool:
        return all(row.is_done for row in self.rows)

    @property
    def value_label(self) -> str:
        """Return the DNS host's label of the value box; it may differ by type."""
        return " or ".join(dict.fromkeys(row.form_values.value_label for row in self.rows))

    @property
    def traps(self) -> tuple[str, ...]:
        """Return the usual mistakes with these records at this DNS host, without those that apply to every record."""
        warnings = (warning for row in self.rows if not row.is_done for warning in row.form_values.warnings)
        return tuple(dict.fromkeys(trap for trap in warnings if trap not in self.rows[0].form_values.provider.traps))


FIRST_AN_ADDRESS = "Add an address first. The MX record comes last."


@dataclass(frozen=True)
class AspectLine:
    """`receiving` is set for the line about receiving, which has its own states.

    `is_marked`: a required record below has something to do.
    """

    title: str
    state: State
    sentence: str
    receiving: Receiving | None = None
    is_marked: bool = True

    @property
    def detail(self) -> str:
        """Return the text below the chip, which does not repeat it."""
        if self.receiving is not None:
            return FIRST_AN_ADDRESS if self.receiving.asks_for_address and self.sentence else self.sentence
        if self.state is State.VERIFIED:
            return self.sentence if self.sentence == BY_DKIM else ""
        is_below = self.state is State.WRONG and self.is_marked and self.sentence
        return "Fix the records marked below." if is_below else self.sentence


@dataclass(frozen=True)
class RecordsPage:
    """`done` of `total` required records; `rests_on_earlier` if some of them are from an earlier check.

    `cause`: what is wrong with the zone as a whole, so that the records alone would mislead.
    """

    host: DnsHost
    groups: tuple[Group, ...]
    aspects: tuple[AspectLine, ...]
    claim_row: RecordRow | None
    claim_why: str
    done: int
    total: int
    rests_on_earlier: bool
    only_todo: bool
    poll_seconds: int | None
    can_check_in: int
    message: str
    next_action: str
    cause: ZoneCause | None
    alert: str  # what is said above the summary: how to receive mail, or that none arrives
    is_gone: bool  # SES no longer has the identity
    has_new_keys: bool  # SES replaced its DKIM keys, and they aren't verified yet
    next_check: datetime | None

    @property
    def to_publish(self) -> tuple[RecordRow, ...]:
        """Return the rows to publish among those shown; only the ownership challenge while ownership is not proven.

        With `only_todo`, a record that was published when last found isn't one of them.
        """
        return tuple(row for row in self.rows if row.is_offered and not (self.only_todo and row.is_published))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return what files have of the rows to publish, with what each replaces."""
        rows = self.to_publish
        today = {row.record.key: row.known.existing_of(row.record.type) for row in rows if row.known}
        return entries((row.record for row in rows), today)

    @property
    def rows(self) -> list[RecordRow]:
        return [self.claim_row] if self.claim_row else [row for group in self.groups for row in group.rows]

    @property
    def cause_sentence(self) -> str:
        return self.cause.sentence if self.cause else ""

    @property
    def withheld(self) -> tuple[Record, ...]:
        """Return the records that no file can have: their value isn't offered, for a reason."""
        return tuple(row.record for row in self.rows if row.is_listed and not row.is_offered and not row.is_done)

    @property
    def copy_text(self) -> str:
        """Return the records to publish as tab-separated lines, for a spreadsheet or a ticket."""
        typed_rows = [row.form_values for row in self.to_publish]
        lines = [(each.type, each.name, each.value, each.priority, each.ttl) for each in typed_rows]
        return "\n".join("\t".join(line) for line in (("Type", "Name", "Value", "Priority", "TTL"), *lines))

    @property
    def query_parameter(self) -> tuple[str, str] | None:
        """Return the query parameter to keep when the reader chooses a DNS host."""
        return ("show", "todo") if self.only_todo else None


def records_page(
    domain: Domain, *, can_check_in: int, only_todo: bool = False, message: str = "", host: str = ""
) -> RecordsPage:
    """Build the page from database rows alone. `message`: of a check that just ran. `host`: the reader's DNS host."""
    at = dns_host(domain, host)
    checks = {check.key: check for check in domain.record_checks.all()}
    explained = explanations(domain) if any(check.state != State.VERIFIED for check in checks.values()) else {}
    cause = cause_of(checks.values())
    above = _said_of_all(checks.values(), cause)
    rows = [_row(domain, record, checks.get(record.key), at, explained, above) for record in domain.records]
    required = [row for row in rows if row.record.need is Need.REQUIRED]
    polled = poll_seconds(domain, timezone.now(), settled=bool(rows) and not any(row.is_todo for row in rows))
    next_action = "diagnose" if cause and domain.stage == Stage.READY else _next_action(domain, required)
    alert = _alert(domain, next_action)
    return RecordsPage(
        host=at,
        groups=_groups([row for row in rows if row.is_todo or not only_todo]),
        aspects=_aspects(domain, rows, cause, is_said=bool(alert)),
        claim_row=_claim(domain, checks.get(ownership_core.KEY), at, explained),
        claim_why=_claim_why(domain),
        done=sum(row.counts_as_done for row in required),
        total=len(required),
        rests_on_earlier=any(row.counts_as_done and not row.is_done for row in required),
        only_todo=only_todo,
        poll_seconds=TIME_TO_READ if message and polled else polled,
        can_check_in=can_check_in,
        message=message,
        next_action=next_action,
        cause=cause,
        alert=alert,
        is_gone=domain.is_gone,
        has_new_keys=_has_new_keys(domain),
        next_check=upcoming_check(domain, timezone.now()),
    )


def _has_new_keys(domain: Domain) -> bool:
    was_verified = domain.verified_at is not None and domain.state != State.VERIFIED
    return was_verified and bool(open_since("domain.new_dkim", [domain.pk]))


def _next_action(domain: Domain, required: Sequence[RecordRow]) -> str:
    """Return the most likely next action, shown as the primary button: copy, diagnose, check, address or ""."""
    if domain.stage != Stage.READY or domain.is_held:
        return ""
    if required and all(row.counts_as_done for row in required):
        if domain.receiving.asks_for_address or domain.receiving.state in (set(RED) - {ReceivingState.MTA_STS}):
            return "address"
        return "" if domain.state == State.VERIFIED else "check"
    if any(row.known and row.known.state in (State.WRONG, State.AT_RISK) for row in required):
        return "diagnose"
    is_begun = any(row.counts_as_done or row.state is State.SPREADING for row in required)
    return "check" if is_begun else "copy"


def _alert(domain: Domain, next_action: str) -> str:
    own = domain.receiving
    awaits_us = own.state in (ReceivingState.NOT_SET_UP, ReceivingState.BLOCKED)
    asks = own.state is ReceivingState.ADD_ADDRESS and next_action == "address"
    return own.sentence if domain.stage == Stage.READY and (own.is_red or awaits_us or asks) else ""


def _said_of_all(checks: Collection[RecordCheck], cause: ZoneCause | None) -> str:
    """Return what the summary says of every record: the cause, or that none could be checked; else ""."""
    if cause:
        return cause.sentence
    sentences = {check.sentence if check.state == State.COULD_NOT_CHECK else "" for check in checks}
    return sentences.pop() if len(sentences) == 1 else ""


def _row(
    domain: Domain, record: Record, check: RecordCheck | None, host: DnsHost, explained: Explanations, above: str = ""
) -> RecordRow:
    return RecordRow(
        record=record,
        form_values=form_values(record, host.provider, domain.hosted.zone),
        label=label_of(record),
        relative_name=domain.hosted.relative(record.name),
        zone=domain.hosted.zone,
        state=State(check.state) if check else State.NOT_CHECKED,
        found=tuple(check.found) if check else (),
        sentence=check.reason if check else "",
        code=check.code if check else "",
        known=check.known if check else None,
        policy=domain.mta_sts_check if record.key == "mta-sts" and domain.mta_sts_at else None,
        finding=diagnosed_reason(check, explained) if check else None,
        said_above=above,
    )


def records_summary(rows: Sequence[RecordRow]) -> str:
    """Return, for example, "6 required and 2 recommended records"."""
    numbers = {need: sum(row.record.need is need for row in rows) for need in Need}
    parts = [f"{number} {need}" for need, number in numbers.items() if number]
    listed = " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:]))) or "No"
    return f"{listed} {'record' if len(rows) == 1 else 'records'}"


def _groups(rows: Sequence[RecordRow]) -> tuple[Group, ...]:
    return tuple(
        Group(purpose, title, explanation, own)
        for purpose, (title, explanation) in TITLES.items()
        if (own := tuple(row for row in rows if row.record.purpose is purpose))
    )


def _aspects(
    domain: Domain, rows: Sequence[RecordRow], cause: ZoneCause | None, *, is_said: bool
) -> tuple[AspectLine, ...]:
    judged = [Judgement(r.record.key, r.record.need, r.state, r.found, r.code, r.sentence) for r in rows]
    aspects = [each for each in judge_aspects(judged, domain.ses_statuses) if each.aspect is not Aspect.RECEIVING]
    is_marked = any(row.record.need is Need.REQUIRED and not row.counts_as_done for row in rows)
    unsigned = None if domain.ses_dkim_signing else (Aspect.DKIM, State.VERIFIED)  # SES's status is of the keys alone
    if cause:  # the summary says it once, and what an aspect says of its records would contradict
        aspects = [each if each.state is State.VERIFIED else replace(each, sentence="") for each in aspects]
    said = [UNSIGNED if (each.aspect, each.state) == unsigned else each.sentence for each in aspects]
    lines = [AspectLine(ASPECTS[a.aspect], a.state, s, is_marked=is_marked) for a, s in zip(aspects, said, strict=True)]
    own, title = domain.receiving, ASPECTS[Aspect.RECEIVING]
    if own.state is ReceivingState.ADD_ADDRESS and (below := most_severe(domain.receiving_below)):
        own, title, is_said = below, f"{title} for {below.name}", below.is_red
    return (*lines, AspectLine(title, State.NOT_CHECKED, "" if is_said else own.sentence, own))


def _claim_why(domain: Domain) -> str:
    is_claim = domain.stage == Stage.CLAIM
    return ownership_core.WHY[ownership_core.ClaimReason(domain.claim_reason)] if is_claim else ""


def _claim(domain: Domain, check: RecordCheck | None, host: DnsHost, explained: Explanations) -> RecordRow | None:
    if domain.stage != Stage.CLAIM:
        return None
    return _row(domain, ownership_core.challenge(domain.parsed, domain.claim_token), check, host, explained)
