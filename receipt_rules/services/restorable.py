"""Which recipients of an earlier state may be rolled back: those whose name is still the same customer's."""

from functools import cached_property

from domains.models import Domain
from receipt_rules.core.recipients import domain_of
from receipt_rules.core.rules import RuleSet
from receipt_rules.models import Snapshot
from receipt_rules.selectors.owning import Holders


class Restorable:
    """Of a snapshot and its content, against who holds each name now."""

    def __init__(self, snapshot: Snapshot, then: RuleSet, now: Holders) -> None:
        self._snapshot = snapshot
        self._named = {domain_of(recipient) for rule in then.rules for recipient in rule.recipient_set}
        self._now = now

    def changed_hands(self, recipient: str) -> bool:
        """Whether rules named its name then, and another customer holds it now."""
        name = domain_of(recipient)
        holder = self._now.customer_of(name)
        return bool(holder) and name in self._named and not self._was(name, holder)

    def may_return(self, recipient: str) -> bool:
        """Whether the customer who holds its name now held it then."""
        return bool(self._now.customer_of(domain_of(recipient))) and not self.changed_hands(recipient)

    def is_nobodys(self, recipient: str) -> bool:
        """Whether no customer held its name then or holds it now: a rule of somebody else's served it."""
        name = domain_of(recipient)
        return not (self._now.customer_of(name) or (self._snapshot.holders or {}).get(name))

    def _was(self, name: str, holder: str) -> bool:
        """A snapshot from before holders were kept counts for domains that are older than it."""
        if self._snapshot.holders is None:
            return self._now.nearest(name) not in self._younger
        return bool(self._snapshot.holders.get(name) == holder)

    @cached_property
    def _younger(self) -> frozenset[str]:
        return frozenset(Domain.objects.filter(created_at__gt=self._snapshot.at).values_list("name", flat=True))
