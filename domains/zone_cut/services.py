"""Finds the zone of each domain at the parent zone's nameservers and stores it.

The resolvers are asked only if those nameservers cannot be: a resolver that is asked too early caches the absence of
the domain's records too.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.utils import timezone

from domains.dns.core import Answer, LookupStatus, Question
from domains.models.domains import Domain
from domains.nameservers import services as nameservers_services
from domains.zone_cut.core import cut_of, cut_questions
from inbound_admin.lib.freshness import not_newer

DEEPEST = 3  # nested zone cuts


def update_zones(domains: Sequence[Domain]) -> None:
    """Update the zone of each subdomain. A failed lookup changes nothing, nor does one older than what is stored."""
    asked_at = timezone.now()
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
    if found:
        _store(found, asked_at)


def _store(found: Mapping[Domain, str], asked_at: datetime) -> None:
    rows = Domain.objects.filter(pk__in=[domain.pk for domain in found])
    fresh = rows.filter(not_newer("zone_at", asked_at))
    stored = dict(rows.values_list("pk", "zone"))
    changed = [domain for domain, cut in found.items() if stored.get(domain.pk) != cut]
    for domain in changed:
        if fresh.filter(pk=domain.pk).update(zone=found[domain], zone_at=asked_at):
            stored[domain.pk] = found[domain]
    fresh.exclude(pk__in=[domain.pk for domain in changed]).update(zone_at=asked_at)
    for domain in found:
        domain.zone = stored.get(domain.pk, domain.zone)


def _ns_answers(questions: Iterable[tuple[str, Question]]) -> list[Answer]:
    wanted = list(questions)
    answers = nameservers_services.query_nameservers_raw(wanted) if wanted else []
    heard = {a.question for a in answers if a.cut or (a.authoritative and a.status is not LookupStatus.FAILED)}
    silent = [question for _, question in wanted if question not in heard]
    found = nameservers_services.query_resolvers(silent).values() if silent else ()
    by_resolvers = (answer for some in found for answer in some)
    return [*(a for a in answers if a.question in heard), *by_resolvers]
