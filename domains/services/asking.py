"""Questions within a budget: so many packets, so many seconds, none twice. What is over it says so."""

import time
from collections.abc import Callable, Sequence

from domains.core.diagnosis import clean
from domains.core.observing import Answer, Query, Status
from domains.gateway import dns

MOST_QUERIES = 60
RESERVE = 3  # of them, for answers that are too long for a datagram and are asked for again over TCP
SECONDS = 10.0
SILENCE = "no answer within"  # as the gateway says it


class Asker:
    """One diagnosis' questions. `clock` counts seconds."""

    def __init__(
        self, *, timeout: float, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._timeout, self._clock = timeout, clock
        self._ends = clock() + seconds
        self._known: dict[Query, Answer] = {}
        self._heard: set[str] = set()
        self.asked = 0
        self.transcript: list[str] = []

    @property
    def left(self) -> int:
        """How many questions are still allowed."""
        return max(MOST_QUERIES - RESERVE - self.asked, 0)

    async def ask(self, queries: Sequence[Query]) -> list[Answer]:
        """In order; the first ones count where the budget does not allow all."""
        new = [query for query in dict.fromkeys(queries) if query not in self._known]
        sent, over = self._allowed(new)
        await self._send(sent)
        lost = [query for query in sent if query.at in self._heard and self._known[query].error.startswith(SILENCE)]
        await self._send(self._allowed(lost)[0])
        return [
            self._known.get(query) or _not_asked(query) for query in queries if query in self._known or query in over
        ]

    def _allowed(self, queries: list[Query]) -> tuple[list[Query], list[Query]]:
        """What the budget still has room for, and the rest."""
        most = self.left if self._seconds > 0 else 0
        return queries[:most], queries[most:]

    @property
    def _seconds(self) -> float:
        return min(self._timeout, self._ends - self._clock())

    async def _send(self, queries: Sequence[Query]) -> None:
        """A packet that was lost on the way to somebody who answers is sent once more, so answers may be replaced."""
        self.asked += len(queries)
        for query, answer in zip(queries, await self._answers(queries, self._seconds), strict=True):
            self._known[query] = answer
            self.transcript.append(_line(query, answer))
            if answer.status is not Status.FAILED:
                self._heard.add(query.at)

    async def _answers(self, queries: Sequence[Query], seconds: float) -> list[Answer]:
        """`ask_each` answers server by server: put back into the order of the questions."""
        if not queries:
            return []
        found = {(answer.question, answer.resolver): answer for answer in await dns.ask_each(queries, timeout=seconds)}
        return [found[query.question, query.who] for query in queries]


def _not_asked(query: Query) -> Answer:
    return Answer(query.question, query.who, Status.FAILED, error="not asked: the look was long enough already")


def _line(query: Query, answer: Answer) -> str:
    """As a person with dig would have asked, and what came."""
    flags = ("" if query.recursive else " +norecurse") + (" +cdflag" if query.unchecked else "")
    asked = f"dig @{query.who} {query.question.name} {query.question.type}{flags}"
    said = ", ".join(clean.values(answer.values)) or clean.text(answer.error) or answer.status.replace("_", " ")
    ttl = "" if answer.ttl is None else f" (ttl {answer.ttl})"
    return f"{asked} → {said}{ttl}"
