"""Derives the state of each record, each aspect and the domain from DNS answers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from domains.checking.core import comparison, sentences
from domains.checking.core.comparison import Comparison, Verdict
from domains.dns.core import Answer
from domains.receiving.core import Receiving, ReceivingState
from domains.records.core import BY_DKIM, Need, Record, is_inbound
from domains.spf.core.evaluation import NO_NAMES, SpfNames
from inbound_admin.lib.moments import minute_in_utc
from inbound_admin.lib.stored import StoredState


class State(StoredState):
    """All states of a record or domain. COULD_NOT_CHECK says nothing about the record."""

    NOT_CHECKED = "not_checked"
    WAITING = "waiting"
    SPREADING = "spreading"
    VERIFIED = "verified"
    AT_RISK = "at_risk"
    WRONG = "wrong"
    COULD_NOT_CHECK = "could_not_check"

    @property
    def label(self) -> str:
        """Return the status of a domain as pages show it."""
        return _LABELS[self]


_LABELS = {
    State.NOT_CHECKED: "Not checked",
    State.WAITING: "Action needed",
    State.SPREADING: "Pending",
    State.VERIFIED: "Verified",
    State.AT_RISK: "At risk",
    State.WRONG: "Needs fixing",
    State.COULD_NOT_CHECK: "Check failed",
}


class Aspect(StrEnum):
    IDENTITY = "identity"
    DKIM = "dkim"
    MAIL_FROM = "mail_from"
    RECEIVING = "receiving"


class SesStatus(StrEnum):
    """SES's status values (SESv2 spelling). UNKNOWN: not read, or SES did not answer."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    TEMPORARY_FAILURE = "TEMPORARY_FAILURE"
    NOT_STARTED = "NOT_STARTED"
    UNKNOWN = ""


class NextActor(StrEnum):
    """Who has to act next."""

    YOU = "you"
    AMAZON = "amazon"
    CACHES = "caches"
    US = "us"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Judgement:
    """`last_verified` is `now` if the record is correct, otherwise the `verified_before` argument."""

    key: str
    need: Need
    state: State
    found: tuple[str, ...]
    code: str
    sentence: str
    last_verified: datetime | None = None
    conflict: Mapping[str, object] | None = None  # to store, see `domains.conflicts.core`


@dataclass(frozen=True)
class AspectState:
    aspect: Aspect
    state: State
    sentence: str


@dataclass(frozen=True)
class Overall:
    """`done` of `required` records are verified."""

    state: State
    next_actor: NextActor
    sentence: str
    done: int
    required: int


# The most urgent state comes first. The state of several things together is the first of these that occurs.
URGENCY = (
    State.AT_RISK,
    State.WRONG,
    State.WAITING,
    State.COULD_NOT_CHECK,
    State.NOT_CHECKED,
    State.SPREADING,
    State.VERIFIED,
)

_SUBJECTS = {
    Aspect.IDENTITY: "Ownership",
    Aspect.DKIM: "DKIM",
    Aspect.MAIL_FROM: "MAIL FROM",
    Aspect.RECEIVING: "The inbound MX record",
}
_MISSING = {
    Aspect.IDENTITY: "the ownership record",
    Aspect.DKIM: "the missing DKIM records",
    Aspect.MAIL_FROM: "the missing MAIL FROM records",
    Aspect.RECEIVING: "the inbound MX record",
}

_BY_SES = {
    (State.VERIFIED, SesStatus.SUCCESS): (State.VERIFIED, "{subject} is verified by Amazon SES."),
    (State.VERIFIED, SesStatus.PENDING): (
        State.SPREADING,
        "{subject} is correct in DNS. Waiting for Amazon SES to verify it.",
    ),
    (State.VERIFIED, SesStatus.NOT_STARTED): (
        State.SPREADING,
        "{subject} is correct in DNS. Amazon SES hasn't started checking it yet.",
    ),
    (State.VERIFIED, SesStatus.UNKNOWN): (
        State.COULD_NOT_CHECK,
        "{subject} is correct in DNS. We couldn't get its status from Amazon SES; we'll try again shortly.",
    ),
}

_BY_DNS = {
    State.NOT_CHECKED: "{subject} hasn't been checked yet.",
    State.WAITING: "Publish {missing}.",
    State.SPREADING: "{subject} is published and propagating.",
    State.VERIFIED: "{subject} is correct.",
    State.AT_RISK: "{subject} was correct, but a record has changed, disappeared or conflicts with another. "
    "Correct it as shown.",
    State.WRONG: "{subject} needs fixing.",
    State.COULD_NOT_CHECK: "{subject} couldn't be checked. Your records may be fine; we'll try again shortly.",
}


def judge(
    record: Record,
    answers: Sequence[Answer],
    *,
    verified_before: datetime | None,
    now: datetime,
    further: Sequence[Answer] = (),
    names: SpfNames = NO_NAMES,
) -> Judgement:
    """Judge a record by one answer of each resolver to `question_for(record)`.

    `further` answers, if any, explain what is wrong. `names` is what DNS has at the names in an SPF record.
    """
    compared = [comparison.compare(record, answer, further, names) for answer in answers]
    before = None if record.is_unnecessary else verified_before  # losing an unnecessary record is no loss
    state, finding = _decide(compared, before)
    if state is State.WRONG and is_inbound(record.key) and finding.code == "dns.rival.mx":
        state = State.WAITING  # the MX is changed last
    sentence = sentences.describe(finding.code, record, finding.found, names)
    if state is State.AT_RISK and verified_before:
        sentence = f"Last verified on {minute_in_utc(verified_before)}. {sentence}"
    is_own = finding.code != comparison.INHERITED_CODE  # the record of a parent domain was never this domain's
    last_verified = now if state is State.VERIFIED and is_own else verified_before
    return Judgement(record.key, record.need, state, finding.found, finding.code, sentence, last_verified)


def judge_aspect(aspect: Aspect, judgements: Sequence[Judgement], ses_status: SesStatus) -> AspectState:
    """Judge an aspect by its records and SES's status. SES has no status for receiving, so there DNS decides."""
    own = [judgement for judgement in judgements if aspect_of(judgement.key) is aspect]
    if aspect is Aspect.IDENTITY and not any(judgement.need is Need.REQUIRED for judgement in own):
        own = [judgement for judgement in judgements if aspect_of(judgement.key) is Aspect.DKIM]
        if ses_status is SesStatus.SUCCESS:
            return AspectState(aspect, State.VERIFIED, BY_DKIM)
    in_dns = most_urgent([judgement.state for judgement in own])
    state, sentence = _with_ses_status(aspect, in_dns, ses_status)
    return AspectState(aspect, state, sentence.format(subject=_SUBJECTS[aspect], missing=_MISSING[aspect]))


def judge_aspects(judgements: Sequence[Judgement], ses_statuses: Mapping[Aspect, SesStatus]) -> tuple[AspectState, ...]:
    """Judge all aspects that the domain has records for. DKIM records verify the identity too."""
    present = {aspect_of(judgement.key) for judgement in judgements}
    if Aspect.DKIM in present:
        present.add(Aspect.IDENTITY)
    return tuple(
        judge_aspect(aspect, judgements, ses_statuses.get(aspect, SesStatus.UNKNOWN))
        for aspect in Aspect
        if aspect in present
    )


def judge_domain(aspects: Sequence[AspectState], judgements: Sequence[Judgement]) -> Overall:
    """Return the domain's state: verified only if every required record and aspect is."""
    required = [judgement for judgement in judgements if judgement.need is Need.REQUIRED]
    state = most_urgent([*(judgement.state for judgement in required), *(aspect.state for aspect in aspects)])
    concerned = [judgement for judgement in required if judgement.state is state]
    done = sum(judgement.state is State.VERIFIED for judgement in required)
    turn = _next_actor(state, by_record=bool(concerned), records_right=done == len(required))
    several = _counts(required) if turn is NextActor.YOU and concerned else ""
    return Overall(state, turn, several or _summary(state, concerned, aspects, len(required)), done, len(required))


def with_receiving(result: Overall, found: Sequence[Receiving]) -> Overall:
    """Put the receiving sentence first while SES rejects mail, and last if it is next. While we delay it: pending."""
    red = [each for each in found if each.is_red]
    if red:
        rest = "" if result.state in (State.VERIFIED, State.NOT_CHECKED) else f" {result.sentence}"
        state = most_urgent([result.state, State.WRONG])
        return replace(result, state=state, next_actor=NextActor.YOU, sentence=f"{red[0].sentence}{rest}")
    if result.state is not State.VERIFIED or not found:
        return result
    if next_step := [each for each in found if not each.is_settled]:
        ours = [each for each in next_step if each.waits_for_us]
        first = (ours or next_step)[0]
        result = replace(result, sentence=f"{'' if first.is_turned_off else 'Ready to send. '}{first.sentence}")
        return replace(result, state=State.SPREADING, next_actor=NextActor.US) if ours else result
    if all(each.state is ReceivingState.SEND_ONLY for each in found):
        return replace(result, sentence="Ready to send. This domain doesn't receive mail here.")
    return result


def is_signed(judgements: Sequence[Judgement]) -> bool:
    """Return True if all DKIM records are correct. If not, and their zone is unknown, our value may be wrong."""
    return all(each.state is State.VERIFIED for each in judgements if aspect_of(each.key) is Aspect.DKIM)


def has_unchecked(judgements: Sequence[Judgement]) -> bool:
    """Return True if a record was added or renamed during this check, so that its lookup is missing."""
    return any(judgement.code == "dns.not_checked" for judgement in judgements)


def aspect_of(key: str) -> Aspect | None:
    """Return the aspect that a record serves; None for recommended records."""
    if key.startswith("dkim-"):
        return Aspect.DKIM
    if is_inbound(key):
        return Aspect.RECEIVING
    return {
        "identity": Aspect.IDENTITY,
        "mail-from-mx": Aspect.MAIL_FROM,
        "mail-from-spf": Aspect.MAIL_FROM,
    }.get(key)


def most_urgent(states: Sequence[State]) -> State:
    """Return the most urgent state, NOT_CHECKED if there are none."""
    return min(states, key=URGENCY.index, default=State.NOT_CHECKED)


def _decide(findings: Sequence[Comparison], verified_before: datetime | None) -> tuple[State, Comparison]:
    """A correct answer beats a failed lookup, and a failed lookup beats absence: then the state stays open."""
    right, wrong, absent, unknown = (
        [finding for finding in findings if finding.verdict is verdict]
        for verdict in (Verdict.CORRECT, Verdict.WRONG, Verdict.ABSENT, Verdict.UNKNOWN)
    )
    if not findings:
        return State.NOT_CHECKED, Comparison(Verdict.UNKNOWN, "dns.not_checked")
    if right and not wrong and not absent:
        return State.VERIFIED, right[0]
    if right:
        return State.SPREADING, Comparison(Verdict.CORRECT, "dns.spreading", right[0].found)
    if unknown:
        return State.COULD_NOT_CHECK, unknown[0]
    missing = (wrong or absent)[0]
    if verified_before:
        return State.AT_RISK, missing
    return State.WRONG if wrong else State.WAITING, missing


def _with_ses_status(aspect: Aspect, in_dns: State, ses: SesStatus) -> tuple[State, str]:
    """SES's failure statuses count whatever DNS shows. Its success counts only with correct records."""
    if aspect is Aspect.RECEIVING:
        return in_dns, _BY_DNS[in_dns]
    if ses is SesStatus.FAILED:
        gave_up = "{subject} wasn't found within 72 hours, so Amazon SES stopped checking. "
        return State.WRONG, gave_up + sentences.restart(in_dns)
    if ses is SesStatus.TEMPORARY_FAILURE:
        return State.AT_RISK, "{subject} was verified, but Amazon SES can't find the records now. " + sentences.restore(
            in_dns
        )
    if (aspect, ses, in_dns) == (Aspect.MAIL_FROM, SesStatus.NOT_STARTED, State.VERIFIED):
        return State.COULD_NOT_CHECK, sentences.OTHER_MAIL_FROM
    return _BY_SES.get((in_dns, ses), (in_dns, _BY_DNS[in_dns]))


def _next_actor(state: State, *, by_record: bool, records_right: bool) -> NextActor:
    if state is State.VERIFIED:
        return NextActor.NOBODY
    if state in (State.COULD_NOT_CHECK, State.NOT_CHECKED):
        return NextActor.US
    if state is State.SPREADING:
        return NextActor.CACHES if by_record else NextActor.AMAZON
    return NextActor.AMAZON if state is State.AT_RISK and records_right else NextActor.YOU


def _summary(state: State, concerned: Sequence[Judgement], aspects: Sequence[AspectState], required: int) -> str:
    if state is State.VERIFIED:
        return "All required records verified."
    if not concerned:
        return next((aspect.sentence for aspect in aspects if aspect.state is state), "Not checked yet.")
    number, one = len(concerned), len(concerned) == 1
    count = f"{number} of {required} records"
    if one and state is State.WAITING and is_inbound(concerned[0].key):
        return "Publish the MX record."
    return {
        State.AT_RISK: sentences.at_risk(concerned, count),
        State.WRONG: f"{count} {'needs' if one else 'need'} fixing.",
        State.WAITING: f"Publish {number} {'' if number == required else 'more '}DNS {'record' if one else 'records'}.",
        State.COULD_NOT_CHECK: f"We couldn't check {count}. We'll try again shortly.",
        State.NOT_CHECKED: f"{count} {'hasn' if one else 'haven'}'t been checked yet.",
        State.SPREADING: f"{count} {'is' if one else 'are'} published and propagating. No action needed.",
    }[state]


_TO_DO = (
    (State.AT_RISK, "to restore"),
    (State.WRONG, "to fix"),
    (State.WAITING, "to publish"),
    (State.COULD_NOT_CHECK, "couldn't be checked"),
)


def _counts(judgements: Sequence[Judgement]) -> str:
    """Return "Of 9 records: 1 to fix, 6 to publish."; "" if all records to do are in one class."""
    counted = [(sum(each.state is state for each in judgements), words) for state, words in _TO_DO]
    parts = [f"{number} {words}" for number, words in counted if number]
    harm = sentences.harm_of([each for each in judgements if each.state is State.AT_RISK])
    return f"Of {len(judgements)} records: {', '.join(parts)}. {harm}".rstrip() if len(parts) > 1 else ""
