"""Tenants in words for people: where one stands, what a policy does, what is told of open findings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tenants.core.standing import Layer, LayerName, Policy, Standing


@dataclass(frozen=True)
class PolicyWords:
    title: str
    meaning: str


# The thresholds are Amazon's (developer guide, reputation policies; ses.md E); they hold over a representative volume.
POLICIES: Mapping[str, PolicyWords] = {
    Policy.STANDARD: PolicyWords(
        "Standard",
        "Amazon pauses the tenant by itself on a finding of high impact: above 15% bounces or 1% complaints.",
    ),
    Policy.STRICT: PolicyWords(
        "Strict",
        "Amazon pauses the tenant by itself on any finding: already above 10% bounces or 0.5% complaints.",
    ),
    Policy.NONE: PolicyWords(
        "None", "Findings pause nothing by themselves. In severe cases Amazon may suspend the tenant all the same."
    ),
}
STANDINGS: Mapping[str, str] = {
    Standing.ACTIVE: "It may send: nobody has switched it off.",
    Standing.PAUSING: "It is being paused. Until Amazon has confirmed that, mail may still leave.",
    Standing.PAUSED: "Paused: Amazon has confirmed that it sends nothing.",
    Standing.RESUMING: "It is being resumed. Until Amazon has confirmed that, it sends nothing.",
    Standing.SUSPENDED: "Suspended by Amazon: it sends nothing.",
    Standing.UNKNOWN: "It is not known whether it may send.",
}
STAGES: Mapping[str, str] = {
    "creating": "It is being created at Amazon. That takes a few seconds; this page goes on by itself.",
    "deleting": "It is being deleted at Amazon: first what is associated, then the tenant.",
}


def sentence_of(stage: str, standing: str) -> str:
    """A standing without words of its own is shown as it came."""
    return STAGES.get(stage) or STANDINGS.get(standing, f"It is {standing}.")


def open_findings(high: int, low: int) -> str:
    """What a change of policy may do at once; empty without open findings."""
    if not high and not low:
        return ""
    found = [f"{number} of {impact}" for number, impact in ((high, "high"), (low, "low")) if number]
    return f"Findings are open: {' and '.join(found)} impact. A policy that pauses on them pauses the tenant at once."


# Each layer: its name, and what it does when it allows sending, forbids it, or is not known.
LAYERS: Mapping[str, tuple[str, str, str, str]] = {
    LayerName.ACCOUNT: (
        "Our whole account",
        "Amazon lets our account send.",
        "Amazon keeps our whole account from sending, every customer’s mail with it.",
        "Whether Amazon lets our account send was not read yet.",
    ),
    LayerName.AMAZON: (
        "Amazon",
        "Amazon lets this tenant send.",
        "Amazon keeps this tenant from sending.",
        "Amazon’s own status of it is not known.",
    ),
    LayerName.STAFF: (
        "Staff",
        "Our side lets it send.",
        "Our side keeps it from sending.",
        "Our side’s status at Amazon is not known.",
    ),
    LayerName.CONFIGURATION_SET: (
        "Configuration set",
        "Its configuration set may send.",
        "Its configuration set may not send.",
        "Whether its configuration set may send was not read yet.",
    ),
    LayerName.IDENTITY: (
        "Domains",
        "It has a verified domain to send from.",
        "It has no verified domain that is associated, so it cannot send.",
        "Whether its domains are verified is not known.",
    ),
}


@dataclass(frozen=True)
class ShownLayer:
    """A layer as the page shows it; `lifted_by` only where there is something to lift."""

    name: str
    title: str
    sentence: str
    status: str
    cause: str
    since: datetime | None
    lifted_by: str
    allows: bool | None


def shown(layer: Layer) -> ShownLayer:
    title, allowed, forbidden, unknown = LAYERS[layer.name]
    sentence = unknown if layer.allows is None else allowed if layer.allows else forbidden
    lifted_by = f"May be lifted by: {layer.lifted_by}" if layer.allows is False else ""
    return ShownLayer(layer.name, title, sentence, layer.status, layer.cause, layer.since, lifted_by, layer.allows)


FOR_CUSTOMERS: Mapping[str, str] = {
    Standing.ACTIVE: "Mail may be sent.",
    Standing.PAUSING: "Sending is being paused.",
    Standing.PAUSED: "Sending is paused.",
    Standing.RESUMING: "Sending is being resumed.",
    Standing.SUSPENDED: "Amazon has suspended sending.",
}


def for_customer(stage: str, standing: str) -> str:
    """Where a customer's own sending stands, in their words."""
    if stage != "ready":
        return "Sending under a reputation of your own is being made ready. Until then mail is sent as before."
    return FOR_CUSTOMERS.get(standing, "Whether mail may be sent is not known yet. We are asking Amazon.")
