"""What is told to webhooks: every event by its name, in words for people."""

from collections.abc import Iterable

RAISED, RECOVERED, TEST = "alert.raised", "alert.recovered", "webhook.test"
EVENTS = {
    "domain.verified": "A domain is verified: all that is required is in place",
    "domain.at_risk": "A verified domain is not as it has to be any more",
    "record.mismatch": "A record that was right is missing or changed",
    "record.recovered": "A record is right again",
    "rule.drift": "The receipt rules at Amazon are not as we left them",
    "tenant.paused": "Sending was paused by our staff, and Amazon has confirmed it",
    "tenant.suspended": "Sending was stopped by Amazon",
    "tenant.resumed": "Sending goes on",
    "quota.80": "A quota of Amazon is used to 80 % or more",
    RAISED: "An alert was raised",
    RECOVERED: "What an alert was about is right again",
}
OF_STAFF = frozenset({"rule.drift", "quota.80"})  # they concern everybody at once, so no customer's target gets them


def words_for(event: str) -> str:
    """An event without words of its own is shown by its name."""
    if event == TEST:
        return "A test: nothing has happened"
    return EVENTS.get(event, event)


def events_for(*, staff: bool) -> tuple[str, ...]:
    """What a target of staff, or of a customer, can choose from."""
    return tuple(event for event in EVENTS if staff or event not in OF_STAFF)


def is_wanted(event: str, chosen: Iterable[str]) -> bool:
    """Whether a target that chose these gets the event; none chosen is all."""
    wanted = set(chosen)
    return not wanted or event in wanted
