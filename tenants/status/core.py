"""Derives whether a tenant may send, and words the result for staff. Pure.

SES has several switches, each with its own owner (SESv2: ReputationEntity's CustomerManagedStatus, AwsSesManagedStatus
and SendingStatusAggregate; GetAccount; a configuration set's SendingOptions). `layers` lists them, `derive` returns one
status. Unknown values are kept and shown unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Policy(StrEnum):
    """SES's reputation policies: on which findings SES pauses a tenant automatically."""

    STANDARD = "standard"
    STRICT = "strict"
    NONE = "none"


class SendingStatus(StrEnum):
    """SESv2 SendingStatus of one side, or of both together. SES may return other values."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    REINSTATED = "REINSTATED"


class TenantStatus(StrEnum):
    """The derived status. PAUSING and RESUMING last until a read made after the request confirms it.

    UNDONE: somebody ended our pause in SES, so mail is sent. We still want the pause, until staff decide.
    """

    ACTIVE = "active"
    PAUSING = "pausing"
    PAUSED = "paused"
    UNDONE = "undone"
    RESUMING = "resuming"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


class LayerName(StrEnum):
    """Layers that can stop sending, widest first."""

    ACCOUNT = "account"
    AMAZON = "amazon"
    STAFF = "staff"
    CONFIGURATION_SET = "configuration_set"
    IDENTITY = "identity"


UNCONFIRMED = " requested by our team. SES hasn’t confirmed it yet."
OURS = "Paused by our team."
UNDONE = "Paused by our team, but somebody ended the pause in SES."
SENDING = (SendingStatus.ENABLED, SendingStatus.REINSTATED)
SIDE = tuple[str, str, datetime | None]  # SES's StatusRecord: status, cause, since

BY_AMAZON = "Only AWS can lift it: open a case with AWS Support."
SHUTDOWN, PROBATION = "SHUTDOWN", "PROBATION"  # SESv2 GetAccount: EnforcementStatus
OF_ACCOUNT = {
    PROBATION: "AWS is reviewing our account. It can send; AWS watches its rates.",
    SHUTDOWN: "AWS has stopped sending for our account.",
}
BY_STAFF = "Our Trust & Safety team."
BY_OPERATOR = "An operator, in the AWS console."
BY_RESTORE = "An operator, under Drift: a restore creates it again."
BY_OWNER = "The customer, by publishing the domain’s DNS records."


@dataclass(frozen=True)
class Layer:
    """One layer that can stop sending. `allows` None: unknown."""

    name: LayerName
    status: str
    cause: str
    since: datetime | None
    lifted_by: str
    allows: bool | None
    read_at: datetime | None = None  # of the account, which is read apart from the tenant
    problem: str = ""  # why a later read failed


@dataclass(frozen=True)
class StatusFacts:
    """What was read of each layer. "" and None: SES didn't say. `identities`: the domains that it should have."""

    account: str
    account_sends: bool | None
    account_since: datetime | None
    amazon: SIDE
    staff: SIDE
    paused_by_us: bool
    configuration_set: str
    set_sends: bool | None
    identities: int
    identities_ready: int  # associated and verified
    identities_unknown: int  # associated, and SES hasn't said whether they are verified
    is_under_way: bool = False  # SES hasn't confirmed the requested pause or resume
    set_is_gone: bool = False  # SES doesn't have the configuration set
    account_read_at: datetime | None = None
    account_problem: str = ""


def layers(facts: StatusFacts) -> tuple[Layer, ...]:
    """Return the layers, widest first. An unknown status is shown unchanged, and neither allows nor forbids."""
    return (_account(facts), _amazon(facts), _staff(facts), _configuration_set(facts), _identities(facts))


def derive(*, wants_pause: bool, under_way: bool, amazon: str, aggregate: str) -> TenantStatus:
    """Return the derived status.

    `under_way`: a pause or resume that no read since the request has confirmed. The values of an earlier read never
    confirm it, even if they are those that we want: SES may have others since.
    """
    if amazon == SendingStatus.DISABLED:
        return TenantStatus.SUSPENDED
    if under_way:
        return TenantStatus.PAUSING if wants_pause else TenantStatus.RESUMING
    if aggregate == SendingStatus.DISABLED:
        return TenantStatus.PAUSED
    if aggregate not in SENDING:
        return TenantStatus.UNKNOWN
    return TenantStatus.UNDONE if wants_pause else TenantStatus.ACTIVE


def is_settled(*, wants_pause: bool, staff: str, amazon: str, aggregate: str) -> bool:
    """Return whether the read status confirms the pause or resume. A resume counts although AWS suspends the tenant."""
    if wants_pause:
        return staff == SendingStatus.DISABLED and aggregate == SendingStatus.DISABLED
    return staff in SENDING and (aggregate in SENDING or amazon == SendingStatus.DISABLED)


def is_by_policy(cause: str) -> bool:
    """Return whether SES names its reputation policy as the cause of a pause. Without it, the cause is unknown."""
    return "reputation policy" in cause.lower()


class PausedBy(StrEnum):
    """Who paused a tenant. OUTSIDE: somebody in the SES console, or another program with our credentials."""

    STAFF = "staff"
    POLICY = "policy"
    OUTSIDE = "outside"


PAUSED_BY: Mapping[str, str] = {
    PausedBy.STAFF: "by our team",
    PausedBy.POLICY: "by the SES reputation policy",
    PausedBy.OUTSIDE: "in SES, outside this system",
}


def paused_by(cause: str, *, by_us: bool) -> PausedBy:
    """Return who paused it. SES names its policy in the cause."""
    if by_us:
        return PausedBy.STAFF
    return PausedBy.POLICY if is_by_policy(cause) else PausedBy.OUTSIDE


def _account(facts: StatusFacts) -> Layer:
    allows = facts.account_sends
    if facts.account == SHUTDOWN:
        allows = False
    cause = OF_ACCOUNT.get(facts.account, "")
    if not cause and allows is False:
        cause = "Sending is disabled for our account."
    read = (facts.account_read_at, facts.account_problem)
    return Layer(LayerName.ACCOUNT, facts.account, cause, facts.account_since, BY_AMAZON, allows, *read)


def _amazon(facts: StatusFacts) -> Layer:
    status, cause, since = facts.amazon
    return Layer(LayerName.AMAZON, status, cause, since, BY_AMAZON, _allows(status))


def _staff(facts: StatusFacts) -> Layer:
    """While a request of ours waits, a status as we want it may be from before the request: then it is unknown."""
    status, cause, since = facts.staff
    allows = _allows(status)
    if facts.is_under_way:
        cause = f"{'Pause' if facts.paused_by_us else 'Resume'}{UNCONFIRMED}"
        allows = allows if allows is facts.paused_by_us else None
    elif facts.paused_by_us and status in SENDING:
        cause = UNDONE
    elif status == SendingStatus.DISABLED and facts.paused_by_us:
        cause = OURS
    if not cause and status == SendingStatus.REINSTATED:
        cause = "Reinstated: can send although findings are open."
    return Layer(LayerName.STAFF, status, cause, since, BY_STAFF, allows)


def _configuration_set(facts: StatusFacts) -> Layer:
    sends, named = facts.set_sends, facts.configuration_set
    status = "" if sends is None else (SendingStatus.ENABLED if sends else SendingStatus.DISABLED)
    cause, by = (f"Sending with {named} is disabled in SES." if sends is False else ""), BY_OPERATOR
    if facts.set_is_gone:
        again = " It is being created again." if sends is None else ""
        cause, by = f"{named} no longer exists in SES.{again}", BY_RESTORE
    return Layer(LayerName.CONFIGURATION_SET, status, cause, None, by, sends)


def _identities(facts: StatusFacts) -> Layer:
    """SES sends for a tenant only from a verified identity that is associated with it."""
    every, ready = facts.identities, facts.identities_ready
    allows = True if ready else (None if facts.identities_unknown else False)
    cause = "" if every else "No domain is associated yet."
    if ready + facts.identities_unknown < every:
        cause = "Not all domains are associated and verified."
    elif ready < every:
        cause = "Not all domains’ verification status is known."
    return Layer(LayerName.IDENTITY, f"{ready} of {every}", cause, None, BY_OWNER, allows)


def _allows(status: str) -> bool | None:
    return True if status in SENDING else False if status == SendingStatus.DISABLED else None


STANDING_WORDS: Mapping[str, str] = {
    TenantStatus.ACTIVE: "Enabled",
    TenantStatus.PAUSING: "Pausing",
    TenantStatus.PAUSED: "Paused",
    TenantStatus.UNDONE: "Pause undone in SES",
    TenantStatus.RESUMING: "Resuming",
    TenantStatus.SUSPENDED: "Suspended by AWS",
    TenantStatus.UNKNOWN: "Unknown",
}
STANDINGS: Mapping[str, str] = {
    TenantStatus.ACTIVE: "Sending is enabled.",
    TenantStatus.PAUSING: "Pausing. Mail may still be sent until SES confirms the pause.",
    TenantStatus.PAUSED: "Sending is paused (confirmed by SES).",
    TenantStatus.UNDONE: "The pause was undone in SES. Mail is sent.",
    TenantStatus.RESUMING: "Resuming. No mail is sent until SES confirms it.",
    TenantStatus.SUSPENDED: "Suspended by AWS. No mail is sent.",
    TenantStatus.UNKNOWN: "Sending status unknown.",
}
STAGES: Mapping[str, str] = {
    "creating": "Creating the tenant in SES. This takes a few seconds.",
    "deleting": "Deleting in SES: first the associations, then the tenant.",
}
WITHOUT_ITS_NAME: Mapping[str, str] = {  # then a pause stops nothing
    TenantStatus.PAUSING: "Pausing in SES for mail that names this tenant. This customer’s sends don’t name it "
    "yet, so their mail still leaves.",
    TenantStatus.RESUMING: "Resuming in SES. This customer’s sends don’t name the tenant yet: their mail leaves.",
    TenantStatus.PAUSED: "Paused in SES for mail that names this tenant. This customer’s sends don’t name it "
    "yet, so their mail still leaves. Migrate the customer to stop it.",
    TenantStatus.SUSPENDED: "Suspended by AWS. This customer’s sends don’t name the tenant yet: their mail leaves.",
}


ACCOUNT_STOPPED = "Sending is stopped for our whole AWS account. No customer’s mail is sent."


def sentence_of(stage: str, standing: str, *, names_tenant: bool, account_stopped: bool) -> str:
    """Return a sentence; an unknown status is shown unchanged. `names_tenant`: whether the customer's sends name it.

    `account_stopped`: SES sends for nobody, which is said first, with what is true of the tenant itself.
    """
    if account_stopped:
        own = "" if standing == TenantStatus.ACTIVE and stage not in STAGES else STAGES.get(stage) or _off(standing)
        return f"{ACCOUNT_STOPPED} {own}".strip()
    if stage not in STAGES and not names_tenant and standing in WITHOUT_ITS_NAME:
        return WITHOUT_ITS_NAME[standing]
    return STAGES.get(stage) or STANDINGS.get(standing, f"Status: {standing}.")


def _off(standing: str) -> str:
    return f"Status of this tenant: {STANDING_WORDS.get(standing, standing)}."


# Each layer: its name, and its effect if it allows sending, forbids it, or is unknown.
LAYERS: Mapping[str, tuple[str, str, str, str]] = {
    LayerName.ACCOUNT: (
        "AWS account",
        "Sending is enabled for our account.",
        "Sending is disabled for our account and every customer.",
        "The account’s sending status has not been read yet.",
    ),
    LayerName.AMAZON: (
        "AWS",
        "AWS allows this tenant to send.",
        "AWS has suspended this tenant.",
        "The AWS status is unknown.",
    ),
    LayerName.STAFF: ("Staff", "Not paused by our team.", "Paused on our side.", "Our status in SES is unknown."),
    LayerName.CONFIGURATION_SET: (
        "Configuration set",
        "Sending is enabled for the configuration set.",
        "Nothing can be sent with the configuration set.",
        "The configuration set’s sending status has not been read yet.",
    ),
    LayerName.IDENTITY: (
        "Domains",
        "At least one verified domain is associated.",
        "No verified domain is associated, so this tenant can’t send.",
        "Verification status of the domains is unknown.",
    ),
}


@dataclass(frozen=True)
class ShownLayer(Layer):
    """A layer as the page shows it. `lifted_by` is set only if it stops sending."""

    title: str = ""
    sentence: str = ""


def shown(layer: Layer) -> ShownLayer:
    title, allowed, forbidden, unknown = LAYERS[layer.name]
    sentence = unknown if layer.allows is None else allowed if layer.allows else forbidden
    if layer.name == LayerName.STAFF and layer.allows is False and layer.cause != OURS:
        sentence = f"Paused {PAUSED_BY[paused_by(layer.cause, by_us=False)]}."
    by = "" if layer.lifted_by == BY_AMAZON else "Can be resolved by: "
    told = {"lifted_by": f"{by}{layer.lifted_by}" if layer.allows is False else ""}
    if layer.cause.endswith((UNCONFIRMED, UNDONE)):  # neither "Not paused" nor "Paused" beside it
        told, sentence = {"lifted_by": "", "cause": ""}, layer.cause
    return ShownLayer(**(vars(layer) | told), title=title, sentence=sentence)
