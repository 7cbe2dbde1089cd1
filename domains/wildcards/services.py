"""Looks up whether the records that prove a domain stand at their own names, at the resolvers and at its nameservers.

It is asked only once the values were found, which is rare: each lookup takes a sibling name that was never used before.
"""

import secrets
from collections.abc import Mapping, Sequence

from domains.checking.core.judgement import SesStatus
from domains.dns.core import Answer, Question, question_for
from domains.models.domains import Domain
from domains.nameservers import services as nameservers_services
from domains.records.core import Record
from domains.wildcards.core import (
    Evidence,
    Seen,
    Standing,
    all_of,
    answers_for_zone,
    any_of,
    has_dkim_key,
    has_sibling,
    has_text,
    is_alias_to,
    judge_standing,
    sibling_of,
)


def standings_of_challenges(claims: Mapping[Domain, Record]) -> dict[str, Standing]:
    """Return by id whether the challenge's value stands at its own name."""
    nameservers_services.update_zones(list(claims))
    proofs = {each.pk: Evidence(question_for(record), has_text(record.value)) for each, record in claims.items()}
    seen = _look_at({domain: [proofs[domain.pk].question] for domain in claims})
    return {pk: judge_standing(each.is_right, seen[each.question], may_be_alias=True) for pk, each in proofs.items()}


def proofs_by_ses(domains: Sequence[Domain]) -> dict[str, Standing]:
    """Return by id whether the records by which SES verified an unproven domain stand at their own names: its TXT
    record or all DKIM records. Domains for which there is nothing to decide are left out.

    SES follows a CNAME. It was placed for SES, for whatever account, so it says nothing about who asks here.
    """
    roads = {each: some for each in domains if each.proven_at is None and (some := _roads(each))}
    seen = _look_at({domain: [each.question for road in some for each in road] for domain, some in roads.items()})
    return {domain.pk: _proof(domain, some, seen) for domain, some in roads.items()}


def _proof(domain: Domain, roads: Sequence[Sequence[Evidence]], seen: Mapping[Question, Seen]) -> Standing:
    found = [all_of([judge_standing(each.is_right, seen[each.question]) for each in road]) for road in roads]
    unread = [Standing.UNKNOWN] if domain.dkim_status == SesStatus.UNKNOWN else []  # they may have verified it
    return any_of([*found, *unread])


def _roads(domain: Domain) -> list[list[Evidence]]:
    """Return the sets of records of which SES needs one."""
    roads: list[list[Evidence]] = []
    name, token = domain.name, domain.verification_token
    if domain.identity_status == SesStatus.SUCCESS and token:
        roads.append([Evidence(Question(f"_amazonses.{name}", "TXT"), has_text(token))])
        roads.append([Evidence(Question(name, "TXT"), has_text(f"amazonses:{token}"))])
    if domain.dkim_status == SesStatus.SUCCESS and domain.dkim_tokens:
        roads.append(_dkim(domain))
    return roads


def _dkim(domain: Domain) -> list[Evidence]:
    """SES doesn't tell an own key (BYODKIM), whose selector is the token."""
    if domain.own_dkim_key:
        return [Evidence(Question(f"{t}._domainkey.{domain.name}", "TXT"), has_dkim_key) for t in domain.dkim_tokens]
    records = [record for record in domain.records if record.key.startswith("dkim-")]
    return [Evidence(question_for(record), is_alias_to(record.value)) for record in records]


def _look_at(wanted: Mapping[Domain, Sequence[Question]]) -> dict[Question, Seen]:
    """Ask for the names and their siblings, of all domains together."""
    if not wanted:
        return {}
    label = f"_inbound-admin-{secrets.token_hex(8)}"
    beside = {q: sibling_of(q, label) for d, some in wanted.items() for q in some if has_sibling(q, d.parsed)}
    asked = {d: [*some, *(beside[q] for q in some if q in beside)] for d, some in wanted.items()}
    public = nameservers_services.query_resolvers([q for some in asked.values() for q in some])
    host = _answers_of_hosts(asked)
    return {
        question: Seen(
            public.get(question, []),
            public.get(beside[question], []) if question in beside else [],
            host.get((domain, question), []),
            host.get((domain, beside[question]), []) if question in beside else [],
            has_sibling=question in beside,
        )
        for domain, some in wanted.items()
        for question in some
    }


def _answers_of_hosts(asked: Mapping[Domain, Sequence[Question]]) -> dict[tuple[Domain, Question], list[Answer]]:
    by_question: dict[Question, list[Answer]] = {}
    zones = dict.fromkeys((domain.hosted.zone, question) for domain, some in asked.items() for question in some)
    for answer in nameservers_services.query_nameservers_raw(zones):
        by_question.setdefault(answer.question, []).append(answer)
    return {
        (domain, question): answers_for_zone(by_question.get(question, []), domain.parsed)
        for domain, some in asked.items()
        for question in some
    }
