"""Derives whether a tenant may send, and words the result for staff, for customers and for emails. Pure.

SES has several switches, each with its own owner (SESv2: ReputationEntity's CustomerManagedStatus, AwsSesManagedStatus
and SendingStatusAggregate; GetAccount; a configuration set's SendingOptions). `layers` lists them, `derive` returns one
status. Unknown values are kept and shown unchanged.

A customer's banner, and the email that says the same, give the reason, what still works and what to do, no staff note.
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
    """The derived status. PAUSING and RESUMING last until SES's aggregate confirms it."""

    ACTIVE = "active"
    PAUSING = "pausing"
    PAUSED = "paused"
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


UNCONFIRMED = " requested by our team. SES hasn’t applied it yet."
UNDONE = "Paused by our team, but somebody ended the pause in SES."
SENDING = (SendingStatus.ENABLED, SendingStatus.REINSTATED)
SIDE = tuple[str, str, datetime | None]  # SES's StatusRecord: status, cause, since

BY_AMAZON = "Only AWS can lift it: open a case with AWS Support."
_OF_ACCOUNT = {
    "PROBATION": "AWS is reviewing our account. It can send; AWS watches its rates.",
    "SHUTDOWN": "AWS has stopped sending for our account.",
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


def layers(facts: StatusFacts) -> tuple[Layer, ...]:
    """Return the layers, widest first. An unknown status is shown unchanged, and neither allows nor forbids."""
    return (_account(facts), _amazon(facts), _staff(facts), _configuration_set(facts), _identities(facts))


def derive(*, wants_pause: bool, under_way: bool, staff: str, amazon: str, aggregate: str) -> TenantStatus:
    """Return the derived status. A requested pause or resume counts only when SES's aggregate confirms it."""
    if amazon == SendingStatus.DISABLED:
        return TenantStatus.SUSPENDED
    if under_way and not is_settled(wants_pause=wants_pause, staff=staff, amazon=amazon, aggregate=aggregate):
        return TenantStatus.PAUSING if wants_pause else TenantStatus.RESUMING
    if aggregate == SendingStatus.DISABLED:
        return TenantStatus.PAUSED
    if aggregate not in SENDING:
        return TenantStatus.UNKNOWN
    return TenantStatus.PAUSING if wants_pause else TenantStatus.ACTIVE  # undone in SES, but not by us


def is_settled(*, wants_pause: bool, staff: str, amazon: str, aggregate: str) -> bool:
    """Return whether the read status confirms the pause or resume. A resume counts although AWS suspends the tenant."""
    if wants_pause:
        return staff == SendingStatus.DISABLED and aggregate == SendingStatus.DISABLED
    return staff in SENDING and (aggregate in SENDING or amazon == SendingStatus.DISABLED)


def is_by_policy(cause: str) -> bool:
    """Return whether SES names its reputation policy as the cause of a pause. Without it, the cause is unknown."""
    return "reputation policy" in cause.lower()


def _account(facts: StatusFacts) -> Layer:
    allows = False if facts.account == "SHUTDOWN" else facts.account_sends
    cause = _OF_ACCOUNT.get(facts.account) or ("Sending is disabled for our account." if allows is False else "")
    return Layer(LayerName.ACCOUNT, facts.account, cause, facts.account_since, BY_AMAZON, allows)


def _amazon(facts: StatusFacts) -> Layer:
    status, cause, since = facts.amazon
    return Layer(LayerName.AMAZON, status, cause, since, BY_AMAZON, _allows(status))


def _staff(facts: StatusFacts) -> Layer:
    status, cause, since = facts.staff
    if facts.is_under_way and facts.paused_by_us is not (status == SendingStatus.DISABLED):
        cause = f"{'Pause' if facts.paused_by_us else 'Resume'}{UNCONFIRMED}"
    elif facts.paused_by_us and status in SENDING:
        cause = UNDONE
    elif status == SendingStatus.DISABLED and facts.paused_by_us:
        cause = "Paused by our team."
    elif status == SendingStatus.DISABLED and not cause:
        cause = "Paused in SES, not from here."
    if not cause and status == SendingStatus.REINSTATED:
        cause = "Reinstated: can send although findings are open."
    return Layer(LayerName.STAFF, status, cause, since, BY_STAFF, _allows(status))


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
    TenantStatus.RESUMING: "Resuming",
    TenantStatus.SUSPENDED: "Suspended by AWS",
    TenantStatus.UNKNOWN: "Unknown",
}
STANDINGS: Mapping[str, str] = {
    TenantStatus.ACTIVE: "Sending is enabled.",
    TenantStatus.PAUSING: "Pausing. Mail may still be sent until SES confirms the pause.",
    TenantStatus.PAUSED: "Sending is paused (confirmed by SES).",
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


def sentence_of(stage: str, standing: str, *, names_tenant: bool) -> str:
    """Return a sentence; an unknown status is shown unchanged. `names_tenant`: whether the customer's sends name it."""
    if stage not in STAGES and not names_tenant and standing in WITHOUT_ITS_NAME:
        return WITHOUT_ITS_NAME[standing]
    return STAGES.get(stage) or STANDINGS.get(standing, f"Status: {standing}.")


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

    title: str
    sentence: str


def shown(layer: Layer) -> ShownLayer:
    title, allowed, forbidden, unknown = LAYERS[layer.name]
    sentence = unknown if layer.allows is None else allowed if layer.allows else forbidden
    if layer.name == LayerName.STAFF and layer.allows is False and is_by_policy(layer.cause):
        sentence = "Paused by the SES reputation policy."
    by = "" if layer.lifted_by == BY_AMAZON else "Can be resolved by: "
    told = {"lifted_by": f"{by}{layer.lifted_by}" if layer.allows is False else ""}
    if layer.cause.endswith((UNCONFIRMED, UNDONE)):  # neither "Not paused" nor "Paused" beside it
        told, sentence = {"lifted_by": "", "cause": ""}, layer.cause
    return ShownLayer(**(vars(layer) | told), title=title, sentence=sentence)


FOR_CUSTOMERS: Mapping[str, str] = {
    TenantStatus.ACTIVE: "Sending is enabled.",
    TenantStatus.PAUSING: "Sending is being paused.",
    TenantStatus.PAUSED: "Sending is paused.",
    TenantStatus.RESUMING: "Sending is being resumed.",
    TenantStatus.SUSPENDED: "Amazon SES has suspended sending.",
}


def customer_words(stage: str, standing: str) -> str:
    """Return the customer's sending status in words for customers."""
    if stage != "ready":
        return "Your own sending reputation is being set up. Mail is sent as before until it’s ready."
    return FOR_CUSTOMERS.get(standing, "Sending status unknown. We’re checking with Amazon SES.")


# What a customer reads about a pause, by its reason: what happened, and what to do.
TOLD: Mapping[str, str] = {
    "spam": "We paused your sending because recipients report unwanted mail from you. Stop that mailing, "
    "remove everyone who didn’t sign up, and tell us how you collect addresses.",
    "phishing": "We paused your sending because mail from you resembles phishing or fraud. Find out who sent it, "
    "change all passwords and API keys, and tell us what you found.",
    "bounces": "We paused your sending because too many of your messages bounce. Remove addresses that don’t exist "
    "from your lists, and tell us when that is done.",
    "complaints": "We paused your sending because too many recipients mark your mail as spam. Send only to people who "
    "asked for it, add a clear unsubscribe link, and tell us when that is done.",
    "compromised": "We paused your sending because someone else seems to be using your account. Change all "
    "passwords and API keys, check your servers, and tell us when that is done.",
    "payment": "We paused your sending because a payment is overdue. Pay it, or tell us if you already have.",
    "legal": "We paused your sending because of a legal request. Contact support to learn what we can share.",
    "other": "We paused your sending. Contact support for details and next steps.",
}


def customer_text_for(reason: str) -> str:
    return TOLD.get(reason, TOLD["other"])


RESUMED = "resumed"
_CONTACT = "Contact support to resume sending once the cause is fixed."
GOES_ON = "You can still use this site, and inbound mail isn't affected."
_PAUSED, _PAUSING = "We paused your sending", "We’re pausing your sending"
_NOT_YET = "Some mail may still be sent until the pause is confirmed."
_NOT_DELIVERED = "Mail to your addresses isn’t delivered to you; its senders may get an error message."
STOPPED_TOO = f"You can still use this site. {_NOT_DELIVERED}"
_OFF: dict[str, tuple[str, str, str]] = {
    TenantStatus.PAUSING: (
        "Sending for {name} is being paused",
        f"Our team is pausing your sending. {_NOT_YET}",
        _CONTACT,
    ),
    TenantStatus.PAUSED: ("Sending for {name} is paused", TOLD["other"], _CONTACT),
    TenantStatus.RESUMING: (
        "Sending for {name} is being resumed",
        "Your sending was paused and is being turned on again.",
        "Nothing. Sending resumes automatically when Amazon SES confirms it.",
    ),
    TenantStatus.SUSPENDED: (
        "Amazon SES has suspended sending for {name}",
        "Amazon SES, which delivers your mail, suspended your sending because of problems reported with it.",
        "Contact support. Only Amazon can lift a suspension; we’ll ask for you.",
    ),
}


@dataclass(frozen=True)
class Banner:
    """`tone`: severity. `told`: what staff wrote to the customer."""

    title: str
    told: str
    goes_on: str
    to_do: str
    tone: str


def banner_of(
    name: str, standing: str, told: str, *, stops_receiving: bool = False, names_tenant: bool = True
) -> Banner | None:
    """Return the banner; None while sending is on or the status is unknown.

    `names_tenant` False: the customer's sends don't name the tenant, so a pause stops at most the receiving.
    """
    if standing not in _OFF:
        return None
    if not names_tenant:
        return _receiving_banner(name, told) if stops_receiving else None
    title, because, to_do = _OFF[TenantStatus(standing)]
    reason = told.strip()
    if standing == TenantStatus.PAUSING and reason:
        reason = f"{reason.replace(_PAUSED, _PAUSING, 1)} {_NOT_YET}"
    return Banner(
        title=title.format(name=name),
        told=because if standing == TenantStatus.SUSPENDED else reason or because,
        goes_on=STOPPED_TOO if stops_receiving else GOES_ON,
        to_do=to_do,
        tone="info" if standing == TenantStatus.RESUMING else "bad" if standing == TenantStatus.SUSPENDED else "warn",
    )


def _receiving_banner(name: str, told: str) -> Banner:
    return Banner(
        title=f"Receiving for {name} is stopped",
        told=(told.strip() or TOLD["other"]).replace(_PAUSED, "We stopped receiving your mail", 1),
        goes_on=f"You can still use this site, and your own mail is still sent. {_NOT_DELIVERED}",
        to_do="Contact support to receive mail again once the cause is fixed.",
        tone="warn",
    )


def owner_email(
    what: str, *, customer: str, told: str, stops_receiving: bool, names_tenant: bool = True
) -> tuple[str, str] | None:
    """Return subject and text; None if nothing has changed for the customer, since its sends don't name the tenant.

    `what`: RESUMED or a status that stops sending. Raises ValueError for another.
    """
    if not names_tenant and not (stops_receiving and what in _OFF):
        return None
    if what == RESUMED:
        text = f"{customer} can send mail again. You don’t need to do anything.\n"
        return f"Sending for {customer} is enabled again", text
    banner = banner_of(customer, what, told, stops_receiving=stops_receiving, names_tenant=names_tenant)
    if banner is None:
        raise ValueError(f"no mail for {what}")
    return banner.title, f"{banner.told}\n\nWhat to do: {banner.to_do}\n\n{banner.goes_on}\n"


def is_current(what: str, standing: str) -> bool:
    """Return whether the email is still true; one that waited too long must not report an outdated status."""
    return standing == (TenantStatus.ACTIVE if what == RESUMED else what)
