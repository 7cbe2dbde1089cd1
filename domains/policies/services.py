"""Looks up the SPF and DMARC facts that a check needs to offer values: inherited policies and SPF includes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from domains.dmarc import core as dmarc_core
from domains.dns.core import LookupStatus, Question, first_values, is_void
from domains.models.domains import Domain
from domains.nameservers import services as nameservers_services
from domains.nameservers.services import AnswersByQuestion, HostLookup
from domains.policies import core
from domains.policies.core import PublishedPolicies
from domains.spf.core import evaluation
from domains.spf.core.grammar import AMAZON, spf_records

DEPTH = 10  # levels of includes to follow: each costs a lookup, and more than ten are an error
NAMES = 20  # per domain and level; more than ten lookups are an error anyway


def update_policies(domains: Sequence[Domain], seen: HostLookup) -> None:
    """Update `policies` of each domain, which the caller saves. Failed lookups change nothing.

    `seen` has the answers to the questions of the records.
    """
    own = {domain.pk: _published(domain, seen) for domain in domains}
    questions_of = {domain.pk: _questions(domain, own[domain.pk]) for domain in domains}
    resolved = nameservers_services.query_resolvers(
        [question for questions in questions_of.values() for question in questions]
    )
    resolved |= nameservers_services.query_other_places(
        (each.parsed.zone, question) for each in domains for question in _existence(each)
    )
    inside = _inside([[line for lines in each.spf.values() for line in lines] for each in own.values()], resolved)
    for domain in domains:
        known = domain.published.updated(own[domain.pk])
        new = PublishedPolicies(
            inside=inside,
            absent=_terms(resolved, is_void_wanted=True),
            present=_terms(resolved, is_void_wanted=False),
            dmarc=_dmarc(questions_of[domain.pk], resolved),
            is_there=_is_there(domain, resolved),
        )
        domain.policies = _without_unreferenced(known.updated(new)).as_json()


def _published(domain: Domain, seen: HostLookup) -> PublishedPolicies:
    spf = {name: spf_records(values) for name in _spf_names(domain) if (values := _txt_values(seen, name)) is not None}
    name = core.dmarc_name(domain.name)
    values = _txt_values(seen, name) if domain.wants_dmarc else None
    return PublishedPolicies(spf=spf, dmarc={} if values is None else {name: core.dmarc_lines(values)})


def _spf_names(domain: Domain) -> tuple[str, ...]:
    apex = (domain.name,) if domain.wants_apex_spf else ()
    return (*apex, domain.ses_mail_from) if domain.ses_mail_from else apex


def _txt_values(seen: HostLookup, name: str) -> tuple[str, ...] | None:
    return first_values(seen.answers_to(Question(name, "TXT")))


def _questions(domain: Domain, own: PublishedPolicies) -> list[Question]:
    """Ask for the policies of parent domains, unless the domain has its own, and for the names in its SPF lines."""
    lines = [line for each in own.spf.values() for line in each]
    questions = _host_questions(lines)
    if not domain.wants_dmarc or dmarc_core.usable_record(own.dmarc.get(core.dmarc_name(domain.name), ())):
        return questions
    above = [Question(core.dmarc_name(name), "TXT") for name in core.names_above(domain.parsed)]
    return [*questions, *above]


def _host_questions(lines: Iterable[str]) -> list[Question]:
    return [Question(*pair) for line in lines for pair in evaluation.names_looked_up(line)][:NAMES]


def _existence(domain: Domain) -> list[Question]:
    """Ask whether a subdomain exists: its nameservers first, since a resolver caches its absence (RFC 8020)."""
    return [Question(domain.name, "TXT")] if domain.parsed.parents else []


def _dmarc(questions: Iterable[Question], answers: AnswersByQuestion) -> dict[str, tuple[str, ...]]:
    names = [question.name for question in questions if question.name.startswith("_dmarc.")]
    found = {name: first_values(answers.get(Question(name, "TXT"), ())) for name in names}
    return {name: core.dmarc_lines(values) for name, values in found.items() if values is not None}


def _is_there(domain: Domain, answers: AnswersByQuestion) -> bool:
    statuses = {answer.status for answer in answers.get(Question(domain.name, "TXT"), ())} - {LookupStatus.FAILED}
    return statuses != {LookupStatus.NO_NAME} if statuses else domain.published.is_there


def _inside(lines_by_domain: Sequence[Sequence[str]], answers: AnswersByQuestion) -> dict[str, tuple[str, ...]]:
    """Return the SPF lines behind all includes, by name, except SES's own, which is known. Extends `answers`."""
    found: dict[str, tuple[str, ...]] = {}
    asked = {AMAZON}
    for _ in range(DEPTH):
        names_by_domain = [_included(lines) for lines in lines_by_domain]
        new = [Question(name, "TXT") for name in dict.fromkeys(chain(*names_by_domain)) if name not in asked]
        if not new:
            break
        asked |= {question.name for question in new}
        replies = nameservers_services.query_resolvers(new)
        by_name = {question.name: first_values(replies[question]) for question in new}
        found |= {name: spf_records(values) for name, values in by_name.items() if values is not None}
        lines_by_domain = [[line for name in names for line in found.get(name, ())] for names in names_by_domain]
        hosts = dict.fromkeys(question for lines in lines_by_domain for question in _host_questions(lines))
        answers |= nameservers_services.query_resolvers([question for question in hosts if question not in answers])
    return found


def _included(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for line in lines for name in evaluation.included_names(line)))[:NAMES]


def _without_unreferenced(known: PublishedPolicies) -> PublishedPolicies:
    """Remove the names that none of this domain's SPF lines refers to."""
    names: dict[str, tuple[str, ...]] = {}
    lines, pairs = [line for each in known.spf.values() for line in each], set[tuple[str, str]]()
    while lines:
        pairs |= {pair for line in lines for pair in evaluation.names_looked_up(line)}
        new = {name for line in lines for name in evaluation.included_names(line) if name in known.inside} - set(names)
        names |= {name: known.inside[name] for name in sorted(new)}
        lines = [line for name in new for line in known.inside[name]]
    return replace(known, inside=names, absent=known.absent & pairs, present=known.present & pairs)


def _terms(answers: AnswersByQuestion, *, is_void_wanted: bool) -> frozenset[tuple[str, str]]:
    """Return the terms whose lookups found nothing, or found something."""
    return frozenset(
        (question.name, question.type)
        for question, replies in answers.items()
        if question.type in ("A", "MX")
        and (statuses := [a.status for a in replies if a.status is not LookupStatus.FAILED])
        and all(is_void(question.type, status) for status in statuses) is is_void_wanted
    )
