"""Finds why a correct record fails all the same: a nameserver without it, or another record that excludes it. Pure.

Resolvers don't show it: they cache one nameserver's answer, and follow a CNAME that has neighbours. So the domain's own
nameservers are asked, once everything else is correct.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from domains.checking.core import sentences
from domains.checking.core.comparison import Verdict, compare
from domains.checking.core.judgement import Judgement, State
from domains.dns.core import Answer, LookupStatus, Question, question_for
from domains.records.core import Need, Record

_LONGEST = 120  # of a quoted value
_DISAGREE = (
    "{subject} is published on {count} of your nameservers, so some lookups don't find it. Wait an hour. If they still "
    "disagree, ask your DNS host why."
)
_BESIDE = (
    "{name} also has a {kind} record: {found}. A name with a CNAME can't have other records. Delete the {kind} record."
)
_AT_DOMAIN = (
    "{name} has a CNAME to {found}. A name with a CNAME can't have other records, so some lookups don't find ours. Ask "
    "your website's host for IP addresses to replace the CNAME, or use a subdomain for mail."
)


def conflict_questions(records: Sequence[Record], judgements: Sequence[Judgement]) -> tuple[Question, ...]:
    """Return what to ask the nameservers: nothing until all required records are correct."""
    required = [record for record in records if record.need is Need.REQUIRED]
    if any(each.state is not State.VERIFIED for each in judgements if each.need is Need.REQUIRED):
        return ()
    return tuple(dict.fromkeys(question for each in required for question in (question_for(each), _rival(each))))


def with_conflict(
    record: Record, judgement: Judgement, at_host: Mapping[Question, Sequence[Answer]], domain: str
) -> Judgement:
    """Return the judgement of a correct record, or that it needs fixing. Only nameservers that answered count."""
    own = at_host.get(question_for(record), ())
    compared = [(answer, compare(record, answer).verdict) for answer in own]
    right = [answer for answer, verdict in compared if verdict is Verdict.CORRECT]
    if judgement.state is not State.VERIFIED or record.need is not Need.REQUIRED or not right:
        return judgement
    wrong = [answer for answer, verdict in compared if verdict in (Verdict.ABSENT, Verdict.WRONG)]
    if wrong:
        count = f"{len(right)} of {len(right) + len(wrong)}"
        sentence = _DISAGREE.format(subject=sentences.subject(record), count=count)
        return _wrong(judgement, "dns.server.disagree", right[0].values, sentence)
    rivals = _rivals(at_host.get(_rival(record), ()))
    if not rivals or any(answer.aliases for answer in right):
        return judgement  # without rivals, or the alias leads to the record
    found = ", ".join(rivals)
    text = _AT_DOMAIN if record.name == domain else _BESIDE
    shown = found if len(found) <= _LONGEST else f"{found[:_LONGEST]}…"
    sentence = text.format(name=record.name, kind=_rival(record).type, found=shown)
    return _wrong(judgement, "dns.rival.cname", rivals, sentence)


def _rival(record: Record) -> Question:
    """Return the question for the record that can't be beside this one: any other at a CNAME, or a CNAME."""
    return Question(record.name, "TXT" if record.type == "CNAME" else "CNAME")


def _rivals(answers: Sequence[Answer]) -> tuple[str, ...]:
    held = (answer.values for answer in answers if answer.status is LookupStatus.FOUND and not answer.aliases)
    return next(held, ())


def _wrong(judgement: Judgement, code: str, found: tuple[str, ...], sentence: str) -> Judgement:
    return replace(judgement, state=State.WRONG, code=code, found=found, sentence=sentence)
