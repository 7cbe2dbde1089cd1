"""Asks the nameservers of domains what conflicts with their correct records, and which of them disagree.

All nameservers are asked of a domain that isn't verified yet, has a known conflict, or is checked by a person. Of the
others two are asked, other ones each day, so that one with an old zone is found within a few days.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domains.checking.core.judgement import Judgement, State
from domains.conflicts.core import RecordConflict, conflict_questions, with_conflict
from domains.models.domains import Domain
from domains.nameservers import services as nameservers_services
from domains.nameservers.services import AnswersByQuestion


@dataclass(frozen=True)
class ConflictsSeen:
    """`known`: the conflicts that earlier checks found, by domain and record. `servers`: of zones, None if unknown."""

    answers: AnswersByQuestion
    known: Mapping[str, Mapping[str, RecordConflict]]
    servers: Mapping[str, frozenset[str] | None]
    now: datetime

    def judge(self, domain: Domain, judgements: Sequence[Judgement]) -> list[Judgement]:
        """Return the judgements of the domain's records with their conflicts."""
        known, servers = self.known.get(domain.pk, {}), self.servers.get(domain.hosted.zone)
        return [
            with_conflict(
                record, each, self.answers, domain.name, now=self.now, known=known.get(record.key), servers=servers
            )
            for record, each in zip(domain.records, judgements, strict=True)
        ]


def query_conflicts(
    domains: Sequence[Domain],
    judged: Mapping[str, Sequence[Judgement]],
    stored: Mapping[tuple[str, str], Mapping[str, Any]],
    *,
    every: bool,
    now: datetime,
) -> ConflictsSeen:
    """Ask the nameservers of domains that would be verified, and of those with a known conflict.

    `judged` by DNS alone. `stored`: the known conflicts, by domain and record. `every`: ask all nameservers of all.
    """
    known: dict[str, dict[str, RecordConflict]] = {}
    for (pk, key), kept in stored.items():
        known.setdefault(pk, {})[key] = RecordConflict.stored(kept)
    wanted = [
        (domain.hosted.zone, question)
        for domain in domains
        for question in conflict_questions(domain.records, judged[domain.pk], known.get(domain.pk, {}))
    ]
    unsettled = {d.hosted.zone for d in domains if every or d.pk in known or d.state != State.VERIFIED}
    settled = {zone for zone, _ in wanted} - unsettled
    answers: AnswersByQuestion = {}
    for answer in nameservers_services.query_nameservers_raw(wanted, few=settled, today=now.date()):
        if answer.authoritative:
            answers.setdefault(answer.question, []).append(answer)
    servers = nameservers_services.nameservers_of(sorted({d.hosted.zone for d in domains if d.pk in known}))
    return ConflictsSeen(answers, known, servers, now)
