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


def standing_of_challenge(domain: Domain, record: Record) -> Standing:
    """Return whether the challenge's value stands at its own name."""
    evidence = Evidence(question_for(record), has_text(record.value))
    seen = _look_at(domain, [evidence.question])[evidence.question]
    return judge_standing(evidence.is_right, seen, may_be_alias=True)


def proof_by_ses(domain: Domain) -> Standing | None:
    """Return whether the records by which SES verified an unproven domain stand at their own names: its TXT record or
    all DKIM records. None if there is nothing to decide.

    SES follows a CNAME. It was placed for SES, for whatever account, so it says nothing about who asks here.
    """
    roads = _roads(domain) if domain.proven_at is None else []
    if not roads:
        return None
    seen = _look_at(domain, [each.question for road in roads for each in road])
    return any_of([all_of([judge_standing(each.is_right, seen[each.question]) for each in road]) for road in roads])


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


def _look_at(domain: Domain, questions: Sequence[Question]) -> Mapping[Question, Seen]:
    label = f"_inbound-admin-{secrets.token_hex(8)}"
    beside = {q: sibling_of(q, label) for q in questions if has_sibling(q, domain.parsed)}
    asked = [*questions, *beside.values()]
    public = nameservers_services.query_resolvers(asked)
    host: dict[Question, list[Answer]] = {}
    for answer in answers_for_zone(nameservers_services.query_nameservers_raw((domain.hosted.zone, q) for q in asked)):
        host.setdefault(answer.question, []).append(answer)
    return {
        question: Seen(
            public.get(question, []),
            public.get(beside[question], []) if question in beside else [],
            host.get(question, []),
            host.get(beside[question], []) if question in beside else [],
            has_sibling=question in beside,
        )
        for question in questions
    }
