"""One board for all differences: whose each is carries its decision out."""

from typing import Any

from operations.core import identity_drift, rule_drift
from operations.core.differences import Decision
from operations.models import Difference
from operations.services import drifting, drifting_identities, drifting_rules
from tenants.models import Customer, User


def ask_to_look() -> None:
    """At everything, at the shared pace."""
    drifting.ask_to_look()
    drifting_identities.ask_to_look()
    drifting_rules.ask_to_look()


def decide(
    *, difference: Difference, decision: Decision, because: str, actor: User, customer: Customer | None = None
) -> None:
    """Raises Refused, AwsProblem. `customer`: whose something that nobody knows becomes."""
    words: dict[str, Any] = {"difference": difference, "because": because, "actor": actor}
    match decision, difference.area:
        case Decision.ADOPT, rule_drift.AREA:
            drifting_rules.adopt(**words)
        case Decision.RESTORE, rule_drift.AREA:
            drifting_rules.restore(**words)
        case Decision.IGNORE, rule_drift.AREA:
            drifting_rules.ignore(**words)
        case Decision.ADOPT, identity_drift.AREA:
            drifting_identities.adopt(**words, customer=customer)
        case Decision.RESTORE, identity_drift.AREA:
            drifting_identities.restore(**words)
        case Decision.IGNORE, identity_drift.AREA:
            drifting_identities.ignore(**words)
        case Decision.ADOPT, _:
            drifting.adopt(**words, customer=customer)
        case Decision.RESTORE, _:
            drifting.restore(**words)
        case _:
            drifting.ignore(**words)
