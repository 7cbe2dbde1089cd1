"""The events sent to webhooks, with a description of each."""

from collections.abc import Iterable

RAISED, RECOVERED, TEST = "alert.raised", "alert.recovered", "webhook.test"
EVENTS = {
    "domain.verified": "A domain is verified: all required records are in place",
    "domain.at_risk": "A verified domain has a problem",
    "record.mismatch": "A verified record is missing or changed",
    "record.recovered": "A record is verified again",
    "rule.drift": "Receipt rules in SES were changed outside this system",
    "tenant.paused": "Sending is paused, confirmed by SES",
    "tenant.suspended": "Sending is suspended by AWS",
    "tenant.resumed": "Sending resumed",
    "quota.80": "An AWS quota is at least 80% used",
    RAISED: "An alert opened",
    RECOVERED: "An alert was resolved",
}
OF_STAFF = frozenset({"rule.drift", "quota.80"})  # they concern every customer, so no customer's target gets them


def words_for(event: str) -> str:
    """Return the description of an event, or its name if it has none."""
    if event == TEST:
        return "A test event"
    return EVENTS.get(event, event)


def events_for(*, staff: bool) -> tuple[str, ...]:
    """Return the events that a staff target or a customer's target can choose."""
    return tuple(event for event in EVENTS if staff or event not in OF_STAFF)


def is_wanted(event: str, chosen: Iterable[str]) -> bool:
    """Whether a target with these chosen events gets the event. No choice means all events."""
    wanted = set(chosen)
    return not wanted or event in wanted
