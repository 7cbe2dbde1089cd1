"""Whether a tenant may send, layer by layer, and the one word that follows.

SES has several switches, each with an owner of its own (SESv2: ReputationEntity's CustomerManagedStatus,
AwsSesManagedStatus and SendingStatusAggregate; GetAccount; a configuration set's SendingOptions). Values that we do not
know are kept and shown as they came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Policy(StrEnum):
    """SES's reputation policies: on which findings SES pauses a tenant by itself."""

    STANDARD = "standard"
    STRICT = "strict"
    NONE = "none"


class Status(StrEnum):
    """SESv2's SendingStatus, of one side or of both together; Amazon may answer others."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    REINSTATED = "REINSTATED"


class Standing(StrEnum):
    """The derived status. PAUSING and RESUMING last until SES's aggregate says that it is so."""

    ACTIVE = "active"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


class LayerName(StrEnum):
    """Where sending can be off, the widest first."""

    ACCOUNT = "account"
    AMAZON = "amazon"
    STAFF = "staff"
    CONFIGURATION_SET = "configuration_set"
    IDENTITY = "identity"


SENDING = (Status.ENABLED, Status.REINSTATED)
SIDE = tuple[str, str, datetime | None]  # SES's StatusRecord: status, cause, since
# ses.md E: the impacts of open findings on which each policy pauses.
PAUSES_ON: Mapping[str, tuple[str, ...]] = {
    Policy.STANDARD: ("HIGH",),
    Policy.STRICT: ("HIGH", "LOW"),
    Policy.NONE: (),
}

BY_AMAZON = "Amazon alone: open a case with AWS Support."
BY_STAFF = "Our Trust & Safety team."
BY_OPERATOR = "An operator, at the AWS console."
BY_OWNER = "The customer, by publishing the records of the domain."


@dataclass(frozen=True)
class Layer:
    """One place where sending can be off; `allows` None is "not known"."""

    name: LayerName
    status: str
    cause: str
    since: datetime | None
    lifted_by: str
    allows: bool | None


@dataclass(frozen=True)
class Facts:
    """What was read of each layer; "" and None where Amazon did not say."""

    account: str
    account_sends: bool | None
    account_since: datetime | None
    amazon: SIDE
    staff: SIDE
    paused_by_us: bool
    configuration_set: str
    set_sends: bool | None
    identities: int
    identities_ready: int
    identities_known: bool


def layers(facts: Facts) -> tuple[Layer, ...]:
    """The widest first. A status that we do not know is shown as it came, and neither allows nor forbids."""
    return (_account(facts), _amazon(facts), _staff(facts), _configuration_set(facts), _identities(facts))


def derive(*, wants_pause: bool, under_way: bool, staff: str, amazon: str, aggregate: str) -> Standing:
    """The one word. A pause or its end that we asked for is not called so before SES's aggregate says it."""
    if amazon == Status.DISABLED:
        return Standing.SUSPENDED
    if under_way and not is_settled(wants_pause=wants_pause, staff=staff, amazon=amazon, aggregate=aggregate):
        return Standing.PAUSING if wants_pause else Standing.RESUMING
    if aggregate == Status.DISABLED:
        return Standing.PAUSED
    return Standing.ACTIVE if aggregate in SENDING else Standing.UNKNOWN


def is_settled(*, wants_pause: bool, staff: str, amazon: str, aggregate: str) -> bool:
    """Whether what was read proves the pause or its end. An end is as far as it can be while Amazon suspends."""
    if wants_pause:
        return staff == Status.DISABLED and aggregate == Status.DISABLED
    return staff in SENDING and (aggregate in SENDING or amazon == Status.DISABLED)


def status_to_resume(*, policy: str, impact: str, cause: str) -> Status:
    """REINSTATED where findings would pause it again at once, or where it was not our call that paused it.

    SES writes a cause when its policy paused; UpdateReputationEntityCustomerManagedStatus takes none.
    """
    if impact in PAUSES_ON.get(policy, ()) or cause:
        return Status.REINSTATED
    return Status.ENABLED


def _account(facts: Facts) -> Layer:
    allows = facts.account_sends
    if facts.account == "SHUTDOWN":
        allows = False
    cause = {
        "PROBATION": "Amazon reviews our whole account: it sends, and Amazon watches its rates.",
        "SHUTDOWN": "Amazon has stopped the sending of our whole account.",
    }.get(facts.account, "")
    if not cause and allows is False:
        cause = "The sending of our whole account is switched off."
    return Layer(LayerName.ACCOUNT, facts.account, cause, facts.account_since, BY_AMAZON, allows)


def _amazon(facts: Facts) -> Layer:
    status, cause, since = facts.amazon
    return Layer(LayerName.AMAZON, status, cause, since, BY_AMAZON, _allows(status))


def _staff(facts: Facts) -> Layer:
    status, cause, since = facts.staff
    if not cause and status == Status.DISABLED:
        cause = "Our staff paused it." if facts.paused_by_us else "It was paused at Amazon, and not from here."
    if not cause and status == Status.REINSTATED:
        cause = "It may send although findings are open."
    return Layer(LayerName.STAFF, status, cause, since, BY_STAFF, _allows(status))


def _configuration_set(facts: Facts) -> Layer:
    sends = facts.set_sends
    status = "" if sends is None else (Status.ENABLED if sends else Status.DISABLED)
    cause = f"Sending with {facts.configuration_set} is switched off at Amazon." if sends is False else ""
    return Layer(LayerName.CONFIGURATION_SET, status, cause, None, BY_OPERATOR, sends)


def _identities(facts: Facts) -> Layer:
    """SES sends for a tenant from a verified identity that is associated with it."""
    every, ready = facts.identities, facts.identities_ready
    status = f"{ready} of {every}"
    allows = True if ready and facts.identities_known else (None if ready else False)
    cause = ""
    if not every:
        cause = "No domain belongs to it yet."
    elif ready < every:
        cause = "Not every domain is associated and verified."
    return Layer(LayerName.IDENTITY, status, cause, None, BY_OWNER, allows)


def _allows(status: str) -> bool | None:
    if status in SENDING:
        return True
    return False if status == Status.DISABLED else None
