"""Finds why a correct record fails all the same: a nameserver without it, or another record that excludes it. Pure.

Resolvers don't show it: they cache one nameserver's answer, and follow a CNAME that has neighbours. So the domain's own
nameservers are asked, once everything else is correct.

A nameserver that showed a conflict is remembered. Its silence doesn't end the conflict: only its correct answer does,
its removal from the zone's nameservers, or a week without an answer.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from domains.checking.core import sentences
from domains.checking.core.comparison import Verdict, compare
from domains.checking.core.judgement import Judgement, State
from domains.dns.core import Answer, LookupStatus, Question, question_for, rival_question
from domains.records.core import Need, Record

KEPT_FOR = timedelta(days=7)  # a conflict that a nameserver showed, while it doesn't answer
_DISAGREES = "dns.server.disagree"
_LONGEST = 120  # of a quoted value
_DISAGREE = (
    "{subject} is published on {count} of your nameservers, so some lookups don't find it. Wait an hour. If they still "
    "disagree, ask your DNS host why."
)
_NOWHERE = (
    "{subject} isn't published on the nameservers that we asked, so some lookups don't find it. Restore it. If you "
    "didn't remove it, ask your DNS host why."
)
_BESIDE = (
    "{name} also has a {kind} record: {found}. A name with a CNAME can't have other records. Delete the {kind} record."
)
_AT_DOMAIN = (
    "{name} has a CNAME to {found}. A name with a CNAME can't have other records, so some lookups don't find ours. Ask "
    "your website's host for IP addresses to replace the CNAME, or use a subdomain for mail."
)


@dataclass(frozen=True)
class RecordConflict:
    """`servers` showed the conflict, each with the ISO time at which it last did."""

    code: str
    found: tuple[str, ...]
    sentence: str
    servers: dict[str, str]

    @classmethod
    def stored(cls, kept: Mapping[str, Any]) -> Self:
        return cls(kept["code"], tuple(kept["found"]), kept["sentence"], dict(kept["servers"]))


def conflict_questions(
    records: Sequence[Record], judgements: Sequence[Judgement], known: Collection[str] = ()
) -> tuple[Question, ...]:
    """Return what to ask the nameservers: until all required records are correct, only about known conflicts.

    `known`: the keys of records with a conflict.
    """
    required = [record for record in records if record.need is Need.REQUIRED]
    if any(each.state is not State.VERIFIED for each in judgements if each.need is Need.REQUIRED):
        required = [record for record in required if record.key in known]
    return tuple(dict.fromkeys(ask(record) for record in required for ask in (question_for, rival_question)))


def with_conflict(
    record: Record,
    judgement: Judgement,
    at_host: Mapping[Question, Sequence[Answer]],
    domain: str,
    *,
    now: datetime,
    known: RecordConflict | None = None,
    servers: Collection[str] | None = None,
) -> Judgement:
    """Return the judgement of a correct record, or that it needs fixing. Only nameservers that answered count.

    `known`: the conflict that earlier checks found. `servers`: the zone's nameservers, None if unknown.
    """
    if record.need is not Need.REQUIRED:
        return judgement
    if judgement.state is not State.VERIFIED:
        return replace(judgement, conflict=asdict(known) if known else None)
    if record.key == "identity" and f"amazonses:{record.value}" in judgement.found:
        return judgement  # the token at the domain itself proves it, whatever is at the record's own name
    kept = _silent(record, at_host, known, servers, now) if known else {}
    found = _disagreement(record, judgement, at_host, known, kept) or _rival_conflict(record, at_host, domain)
    if found:
        found = replace(found, servers={**kept, **dict.fromkeys(found.servers, now.isoformat())})
    elif known and kept:
        found = replace(known, servers=kept)
    if found is None:
        return judgement
    wrong = replace(judgement, state=State.WRONG, code=found.code, found=found.found, sentence=found.sentence)
    return replace(wrong, conflict=asdict(found))


def _silent(
    record: Record,
    at_host: Mapping[Question, Sequence[Answer]],
    known: RecordConflict,
    servers: Collection[str] | None,
    now: datetime,
) -> dict[str, str]:
    """Return the nameservers of a known conflict that gave no answer about it now."""
    heard = _answering(at_host, question_for(record))
    if known.code != _DISAGREES:  # whether a record beside ours is a conflict depends on the answer for ours
        heard = _answering(at_host, rival_question(record)) - (_showing(at_host, rival_question(record)) - heard)
    return {
        server: at
        for server, at in known.servers.items()
        if server not in heard
        and (servers is None or server in servers)
        and now - datetime.fromisoformat(at) < KEPT_FOR
    }


def _answering(at_host: Mapping[Question, Sequence[Answer]], question: Question) -> set[str]:
    answers = at_host.get(question, ())
    return {each.resolver for each in answers if each.status is not LookupStatus.FAILED or each.aliases}


def _showing(at_host: Mapping[Question, Sequence[Answer]], question: Question) -> set[str]:
    return {each.resolver for each in at_host.get(question, ()) if each.status is LookupStatus.FOUND}


def _disagreement(
    record: Record,
    judgement: Judgement,
    at_host: Mapping[Question, Sequence[Answer]],
    known: RecordConflict | None,
    kept: Collection[str],
) -> RecordConflict | None:
    compared = [(answer, compare(record, answer).verdict) for answer in at_host.get(question_for(record), ())]
    right = [answer for answer, verdict in compared if verdict is Verdict.CORRECT]
    wrong = [answer for answer, verdict in compared if verdict in (Verdict.ABSENT, Verdict.WRONG)]
    if not wrong:
        return None
    text, found = (_DISAGREE, right[0].values) if right else (_NOWHERE, judgement.found)
    silent = len(kept) if known and known.code == _DISAGREES else 0
    count = f"{len(right)} of {len(right) + len(wrong) + silent}"
    sentence = text.format(subject=sentences.subject(record), count=count)
    return RecordConflict(_DISAGREES, found, sentence, dict.fromkeys((answer.resolver for answer in wrong), ""))


def _rival_conflict(record: Record, at_host: Mapping[Question, Sequence[Answer]], domain: str) -> RecordConflict | None:
    """Return the record that can't be beside a correct one. There is none if an alias leads to the record."""
    own = at_host.get(question_for(record), ())
    right = [answer for answer in own if compare(record, answer).verdict is Verdict.CORRECT]
    answers = at_host.get(rival_question(record), ())
    held = [answer for answer in answers if answer.status is LookupStatus.FOUND and not answer.aliases]
    if not held or not right or any(answer.aliases for answer in right):
        return None
    found = ", ".join(held[0].values)
    text = _AT_DOMAIN if record.name == domain else _BESIDE
    shown = found if len(found) <= _LONGEST else f"{found[:_LONGEST]}…"
    sentence = text.format(name=record.name, kind=rival_question(record).type, found=shown)
    return RecordConflict(
        "dns.rival.cname", held[0].values, sentence, dict.fromkeys((each.resolver for each in held), "")
    )
