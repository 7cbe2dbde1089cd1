"""Words for SES's recommendations (ListRecommendations), and the risk score of a tenant. Pure.

A recommendation of an unknown type is shown as SES returned it. The score is one number to sort by, with the reasons
that make it up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tenants.metrics.core import RATES, TENANT_LIMITS, Measure, pauses_above
from tenants.status.core import Policy, SendingStatus

FIXED = "FIXED"
HIGH, LOW = "HIGH", "LOW"


@dataclass(frozen=True)
class FoundRecommendation:
    """One recommendation; `resource` is the ARN of what it is about, the other words are SES's own."""

    resource: str
    kind: str
    impact: str
    status: str
    text: str
    opened_at: datetime
    changed_at: datetime | None

    @property
    def is_open(self) -> bool:
        """A status that we do not know counts as open: better looked at in vain than overlooked."""
        return self.status != FIXED


@dataclass(frozen=True)
class RecommendationWords:
    title: str
    means: str
    todo: str


WORDS: Mapping[str, RecommendationWords] = {
    "BOUNCE": RecommendationWords(
        "Too many messages bounce",
        "Many of the addresses that are written to do not exist. Mailbox providers take that for a bought or old list.",
        "Stop sending to addresses that bounced, remove old ones from the lists, and find out where the bad ones came "
        "from. The rate falls by itself as good mail is sent.",
    ),
    "COMPLAINT": RecommendationWords(
        "Too many recipients complain",
        "Recipients press “this is spam” more often than Amazon accepts.",
        "Send only to people who asked for it, take whoever complains off the lists at once, and make it easy to "
        "unsubscribe, with one click.",
    ),
    "FEEDBACK_3P": RecommendationWords(
        "Somebody else reported the mail",
        "An organisation that watches for unwanted mail, or a mailbox provider, told Amazon about mail of this tenant.",
        "Look at what was sent lately and to whom. If an account was taken over, pause the tenant first.",
    ),
    "IP_LISTING": RecommendationWords(
        "An address that sends is on a block list",
        "A public list of senders to be refused names an IP address from which this mail goes out.",
        "Ask Amazon's support, which removes shared addresses itself; for dedicated ones follow the list's own way "
        "off it, once the cause is gone.",
    ),
    "DKIM": RecommendationWords(
        "Mail is not signed as it should be (DKIM)",
        "The signature is missing, or its records are not in the DNS, so receivers cannot tell that the mail is real.",
        "Open the domain's records and publish the three DKIM records that are shown there.",
    ),
    "SPF": RecommendationWords(
        "The return address is not authorised (SPF)",
        "The SPF record of the return address (MAIL FROM) is missing or does not name Amazon.",
        "Open the domain's records and publish the records of the return address.",
    ),
    "DMARC": RecommendationWords(
        "The domain says nothing about forged mail (DMARC)",
        "Without a DMARC record large providers refuse or sort out mail that is sent to many.",
        "Open the domain's records and publish the DMARC record that is shown there.",
    ),
    "BIMI": RecommendationWords(
        "The logo cannot be shown (BIMI)",
        "The record that names the logo is missing or not right. It does not affect whether mail arrives.",
        "Publish or mend the BIMI record, or leave it: nothing else depends on it.",
    ),
}


def words_for(kind: str) -> RecommendationWords:
    """A kind that is new to us keeps Amazon's own name."""
    unknown = RecommendationWords(
        f"Amazon's finding {kind}",
        "Amazon has added this kind of finding since our words were written.",
        "Read Amazon's own text where there is one, and look the word up in the documentation of SES.",
    )
    return WORDS.get(kind, unknown)


SUSPENDED, HIGH_OPEN, LOW_OPEN, LOW_THAT_PAUSES, REINSTATED, UNKNOWN_STATUS = 1000, 500, 150, 350, 100, 50
NEAR_THE_LIMIT = 300  # at the rate above which sending is stopped; beyond it no more
EACH_FURTHER, MOST_FURTHER = 20, 5


@dataclass(frozen=True)
class Picture:
    """What is known of a tenant: SES's own words for statuses, fractions for rates, None for no data."""

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
    reasons: tuple[Reason, ...]  # the weightiest first


def risk_of(picture: Picture) -> Risk:
    """The points of all reasons together. A paused tenant keeps its reasons: they count when it is resumed."""
    reasons = tuple(
        sorted((*_of_statuses(picture), *_of_findings(picture), *_of_rates(picture)), key=lambda each: -each.points)
    )
    return Risk(sum(reason.points for reason in reasons), reasons)


def _of_statuses(picture: Picture) -> list[Reason]:
    found = []
    if picture.amazon_status == SendingStatus.DISABLED:
        found.append(Reason(SUSPENDED, "Amazon has suspended it."))
    elif picture.amazon_status not in ("", *SendingStatus):
        found.append(Reason(UNKNOWN_STATUS, f"Amazon's status is {picture.amazon_status}, which we do not know."))
    if picture.aggregate == SendingStatus.REINSTATED:
        found.append(Reason(REINSTATED, "It sends although its findings would pause it: it was reinstated."))
    return found


def _of_findings(picture: Picture) -> list[Reason]:
    low = LOW_THAT_PAUSES if picture.policy == Policy.STRICT else LOW_OPEN
    counted = ((picture.open_high, HIGH_OPEN, "high"), (picture.open_low, low, "low"))
    return [_of_count(number, points, impact) for number, points, impact in counted if number]


def _of_count(number: int, points: int, impact: str) -> Reason:
    more = min(number - 1, MOST_FURTHER) * EACH_FURTHER
    return Reason(points + more, f"{number} open finding{'s' if number > 1 else ''} of {impact} impact.")


def _of_rates(picture: Picture) -> list[Reason]:
    rates = {Measure.BOUNCE: picture.bounce, Measure.COMPLAINT: picture.complaint}
    return [reason for measure in RATES if (reason := _of_rate(measure, rates[measure], picture.policy))]


def _of_rate(measure: Measure, rate: float | None, policy: str) -> Reason | None:
    """A policy that never pauses is measured by the standard's limit: Amazon may still step in by itself."""
    if rate is None:
        return None
    limit = pauses_above(policy, measure) or TENANT_LIMITS[measure].high
    points = round(min(rate / limit, 1) * NEAR_THE_LIMIT)
    side = "above" if rate > limit else "of"
    sentence = f"The {measure.value} rate is {rate:.2%}, {side} the {limit:.1%} at which sending is stopped."
    return Reason(points, sentence) if points else None
