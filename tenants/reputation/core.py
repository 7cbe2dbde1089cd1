"""Words for SES's recommendations (ListRecommendations), and the risk score of a tenant. Pure.

A recommendation of an unknown type is shown as SES returned it. The score is one number to sort by, with the reasons
that make it up.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from inbound_admin.lib.tables import read_rows
from tenants.metrics.core import RATES, TENANT_LIMITS, Measure, pauses_above
from tenants.status.core import Policy, SendingStatus

FIXED = "FIXED"
HIGH, LOW = "HIGH", "LOW"


@dataclass(frozen=True)
class FoundRecommendation:
    """A recommendation. `resource` is the ARN of its subject; the other values are SES's own."""

    resource: str
    kind: str
    impact: str
    status: str
    text: str
    opened_at: datetime
    changed_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Return whether it is open. An unknown status counts as open, to be on the safe side."""
        return self.status != FIXED


@dataclass(frozen=True)
class RecommendationWords:
    kind: str
    title: str
    means: str
    todo: str


WORDS = read_rows(Path(__file__).with_name("recommendations.toml"), RecommendationWords)


def words_for(kind: str) -> RecommendationWords:
    """Return the words for a type. An unknown type keeps SES's name."""
    unknown = RecommendationWords(
        kind,
        f"SES finding {kind}",
        "This type of finding is new in SES and not described here yet.",
        "Read the SES description, and search the SES documentation for this type.",
    )
    return WORDS.get(kind, unknown)


SUSPENDED, HIGH_OPEN, LOW_OPEN, LOW_THAT_PAUSES, REINSTATED, UNKNOWN_STATUS = 1000, 500, 150, 350, 100, 50
PAUSED_WITHOUT_RATES = 100  # nobody knows how its next message behaves
NEAR_THE_LIMIT = 300  # points at the rate above which sending is paused; beyond it they don't grow
EACH_FURTHER, MOST_FURTHER = 20, 5


@dataclass(frozen=True)
class Picture:
    """State of a tenant: SES's values for statuses, fractions for rates, None for no data."""

    policy: str
    amazon_status: str
    aggregate: str
    open_high: int = 0
    open_low: int = 0
    bounce: float | None = None
    complaint: float | None = None


@dataclass(frozen=True)
class Reason:
    points: int
    sentence: str


@dataclass(frozen=True)
class Risk:
    points: int
    reasons: tuple[Reason, ...]  # the one with the most points first


def risk_of(picture: Picture) -> Risk:
    """Return the sum of all reasons' points. A paused tenant keeps its reasons: they count once it is resumed."""
    reasons = tuple(
        sorted((*_of_statuses(picture), *_of_findings(picture), *_of_rates(picture)), key=lambda each: -each.points)
    )
    return Risk(sum(reason.points for reason in reasons), reasons)


def _of_statuses(picture: Picture) -> list[Reason]:
    found = []
    if picture.amazon_status == SendingStatus.DISABLED:
        found.append(Reason(SUSPENDED, "Suspended by AWS."))
    elif picture.amazon_status not in ("", *SendingStatus):
        found.append(Reason(UNKNOWN_STATUS, f"Unknown SES status: {picture.amazon_status}."))
    if picture.aggregate == SendingStatus.REINSTATED:
        found.append(Reason(REINSTATED, "Reinstated: sends although its findings would pause it."))
    elif _is_paused(picture) and picture.bounce is None and picture.complaint is None:
        found.append(Reason(PAUSED_WITHOUT_RATES, "Paused: it sends nothing, so there are no current rates."))
    return found


def _is_paused(picture: Picture) -> bool:
    return picture.aggregate == SendingStatus.DISABLED != picture.amazon_status


def _of_findings(picture: Picture) -> list[Reason]:
    low = LOW_THAT_PAUSES if picture.policy == Policy.STRICT else LOW_OPEN
    counted = ((picture.open_high, HIGH_OPEN, "high"), (picture.open_low, low, "low"))
    return [_of_count(number, points, impact) for number, points, impact in counted if number]


def _of_count(number: int, points: int, impact: str) -> Reason:
    more = min(number - 1, MOST_FURTHER) * EACH_FURTHER
    return Reason(points + more, f"{number} open {impact}-impact finding{'s' if number > 1 else ''}.")


def _of_rates(picture: Picture) -> list[Reason]:
    rates = {Measure.BOUNCE: picture.bounce, Measure.COMPLAINT: picture.complaint}
    return [reason for measure in RATES if (reason := _of_rate(measure, rates[measure], picture.policy))]


def _of_rate(measure: Measure, rate: float | None, policy: str) -> Reason | None:
    """Return the reason for a rate. A policy that never pauses uses the standard's limit: AWS may still step in."""
    if rate is None:
        return None
    limit = pauses_above(policy, measure) or TENANT_LIMITS[measure].high
    points = round(min(rate / limit, 1) * NEAR_THE_LIMIT)
    limited = f", above the pause limit of {limit:.1%}." if rate > limit else f". The pause limit is {limit:.1%}."
    sentence = f"The {measure.value} rate is {rate:.2%}{limited}"
    return Reason(points, sentence) if points else None
