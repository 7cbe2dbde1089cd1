"""A cause: the code of what is wrong, and what a sentence about it needs. Found here, put into words in `wording`."""

from dataclasses import dataclass, replace
from datetime import datetime

from domains.core.diagnosis.observations import Amazon, History, Observations
from domains.core.names import DomainName
from domains.core.providers import GENERIC, Provider
from domains.core.records import Facts, Record


@dataclass(frozen=True)
class Case:
    """All that is known of the domain at this moment; `provider` is in whose words the steps are told."""

    facts: Facts
    seen: Observations
    amazon: Amazon
    history: History
    now: datetime
    provider: Provider = GENERIC

    @property
    def domain(self) -> DomainName:
        """With the zone that answers for it, which may be a delegated part of the registered one."""
        return replace(self.facts.domain, zone=self.seen.zone or self.facts.domain.zone)


@dataclass(frozen=True)
class Cause:
    """`found` is what answered, `at` a name or server that matters, `data` goes to the finding as it is."""

    code: str
    record: Record | None = None
    found: tuple[str, ...] = ()
    at: str = ""
    data: tuple[tuple[str, str], ...] = ()
    until: datetime | None = None
