"""Finds the zone that contains a domain's records: the zone cut in DNS, at the domain or above it. Pure.

The public suffix list says where a zone may begin. A subdomain can be delegated as a zone of its own, and then its DNS
host expects names relative to that zone.
"""

import re
from collections.abc import Iterable

from domains.dns.core import Answer, LookupStatus, Question
from domains.names.core import DomainName

# Nameservers of domains that were not renewed, or that a registry suspended.
_PARKED = re.compile(r"expir|pendingrenewal|renewyourname|suspended|onhold|registrar-?hold|redemption", re.IGNORECASE)


def parked_servers(servers: Iterable[str]) -> tuple[str, ...]:
    """Return the nameservers to which a registrar moves a domain that was not renewed, or is on hold."""
    return tuple(name for name in servers if _PARKED.search(name))


def cut_questions(domain: DomainName) -> tuple[Question, ...]:
    """Return NS questions for the domain and the names between it and the registrable one; none for that itself."""
    return tuple(Question(name, "NS") for name in (domain.ascii, *domain.parents) if name != domain.zone)


def cut_of(domain: DomainName, answers: Iterable[Answer]) -> str | None:
    """Return the nearest zone below the registrable one, "" if there is none, None if the lookups failed."""
    names = {question.name for question in cut_questions(domain)}
    own = [answer for answer in answers if answer.question.name in names and answer.question.type == "NS"]
    if cuts := names.intersection(map(_shown, own)):
        return max(cuts, key=len)
    answered = {answer.question.name for answer in own if answer.status is not LookupStatus.FAILED}
    return "" if answered >= names else None


def _shown(answer: Answer) -> str:
    """Return the cut that an answer shows: a name with NS records, or the target of a referral."""
    if answer.status is LookupStatus.FOUND and answer.values and not answer.aliases:
        return answer.question.name
    return answer.cut
