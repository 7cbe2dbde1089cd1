"""Finds the zone of each domain at the parent zone's nameservers and stores it.

The resolvers are asked only if those nameservers cannot be: a resolver that is asked too early caches the absence of
the domain's records too.
"""

from collections.abc import Iterable, Sequence

from domains.dns import services as dns_services
from domains.dns.core import Answer, LookupStatus, Question
from domains.models.domains import Domain
from domains.nameservers import services as nameservers_services
from domains.zone_cut.core import cut_of, cut_questions

DEEPEST = 3  # nested zone cuts


def update_zones(domains: Sequence[Domain]) -> None:
    """Update the zone of each subdomain. A failed lookup changes nothing."""
    waiting = {domain: domain.parsed for domain in domains if cut_questions(domain.parsed)}
    found: dict[Domain, str] = {}
    for _ in range(DEEPEST):
        answers = _ns_answers(
            (found.get(domain) or name.zone, question)
            for domain, name in waiting.items()
            for question in cut_questions(name)
        )
        seen = {domain: cut for domain, name in waiting.items() if (cut := cut_of(name, answers)) is not None}
        waiting = {d: waiting[d] for d, cut in seen.items() if len(cut) > len(found.get(d, "")) and cut != d.name}
        found |= {domain: cut for domain, cut in seen.items() if cut or domain not in found}
    for domain, cut in found.items():
        if cut != domain.zone:
            domain.zone = cut
            Domain.objects.filter(pk=domain.pk).update(zone=cut)


def _ns_answers(questions: Iterable[tuple[str, Question]]) -> list[Answer]:
    wanted = list(questions)
    answers = nameservers_services.query_nameservers_raw(wanted) if wanted else []
    heard = {a.question for a in answers if a.cut or (a.authoritative and a.status is not LookupStatus.FAILED)}
    silent = [question for _, question in wanted if question not in heard]
    return [*(a for a in answers if a.question in heard), *(dns_services.look_up(silent) if silent else ())]
