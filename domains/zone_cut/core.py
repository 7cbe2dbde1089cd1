"""In which zone a domain's records are kept: the cut that DNS shows, at the domain or above it. Pure.

The list of public suffixes tells where a zone may begin. A subdomain can be delegated as a zone of its own, and then
its DNS host asks for names relative to that one.
"""

from collections.abc import Iterable

from domains.dns.core import Answer, LookupStatus, Question
from domains.names.core import DomainName


def cut_questions(domain: DomainName) -> tuple[Question, ...]:
    """Who answers for the domain and for each name between it and the registrable one. None for a registrable name."""
    return tuple(Question(name, "NS") for name in (domain.ascii, *domain.parents) if name != domain.zone)


def cut_of(domain: DomainName, answers: Iterable[Answer]) -> str | None:
    """The nearest zone below the registrable one, "" where there is none, None where nobody told."""
    asked = {question.name for question in cut_questions(domain)}
    own = [answer for answer in answers if answer.question.name in asked and answer.question.type == "NS"]
    cuts = {cut for answer in own if (cut := _shown(answer)) and _is_inside(cut, domain)}
    if cuts:
        return max(cuts, key=len)
    told = {answer.question.name for answer in own if answer.status is not LookupStatus.FAILED}
    return "" if told >= asked else None


def _shown(answer: Answer) -> str:
    """A name with nameservers of its own is a cut, and so is where a server of the zone above refers us to."""
    if answer.status is LookupStatus.FOUND and answer.values and not answer.aliases:
        return answer.question.name
    return answer.cut


def _is_inside(cut: str, domain: DomainName) -> bool:
    """A referral counts only downward, and only where the domain lies."""
    return cut.endswith(f".{domain.zone}") and (domain.ascii == cut or domain.ascii.endswith(f".{cut}"))
