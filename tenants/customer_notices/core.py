"""What a customer reads about their sending: the status, a banner, and the email that says the same. Pure.

A banner gives the reason, what still works and what to do, no staff note. Nothing is described as done that SES hasn't
confirmed, and nobody reads that mail is sent while SES has stopped sending for our account.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from tenants.status.core import TenantStatus


class InboundMail(StrEnum):
    """Whether a pause stops the customer's inbound mail. STOPPING and RESTORING last until SES's rules are so."""

    ON = "on"
    STOPPING = "stopping"
    STOPPED = "stopped"
    RESTORING = "restoring"


RECEIVING_WORDS: Mapping[str, str] = {  # for staff
    InboundMail.ON: "Continues",
    InboundMail.STOPPING: "Being stopped. SES may still accept mail.",
    InboundMail.STOPPED: "Stopped too",
    InboundMail.RESTORING: "Being restored. SES may still reject mail.",
}
NOBODY_SENDS = "Amazon SES, which delivers your mail, doesn’t send for our service at present. No mail is sent."
FOR_CUSTOMERS: Mapping[str, str] = {
    TenantStatus.ACTIVE: "Sending is enabled.",
    TenantStatus.PAUSING: "Sending is being paused.",
    TenantStatus.PAUSED: "Sending is paused.",
    TenantStatus.UNDONE: "Sending was paused by our team. Some mail may still be sent.",
    TenantStatus.RESUMING: "Sending is being resumed.",
    TenantStatus.SUSPENDED: "Amazon SES has suspended sending.",
}


def customer_words(stage: str, standing: str, *, account_stopped: bool) -> str:
    """Return the customer's sending status in words for customers."""
    if account_stopped:
        return NOBODY_SENDS
    if stage != "ready":
        return "Your own sending reputation is being set up. Mail is sent as before until it’s ready."
    return FOR_CUSTOMERS.get(standing, "Sending status unknown. We’re checking with Amazon SES.")


# By the reason of a pause: what happened, and what to do.
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
GOES_ON = "You can still use this site, and inbound mail isn't affected."
_CONTACT = "Contact support to resume sending once the cause is fixed."
_PAUSED, _PAUSING = "We paused your sending", "We’re pausing your sending"
_NOT_YET = "Some mail may still be sent until the pause is confirmed."
_UNDONE = "Some mail may still be sent: the pause isn’t in effect in Amazon SES."
PAUSED_IN_SES = "Your sending is paused in Amazon SES, which delivers your mail. Our team has been notified."
_BY_AMAZON = "Amazon SES, which delivers your mail, suspended your sending because of problems reported with it."
_RECEIVING: Mapping[str, str] = {
    InboundMail.STOPPING: "We’re stopping your inbound mail too. Until Amazon SES confirms it, mail may still arrive.",
    InboundMail.STOPPED: "Mail to your addresses isn’t delivered to you; its senders may get an error message.",
    InboundMail.RESTORING: "We’re turning your inbound mail on again. Until SES confirms it, mail may be rejected.",
}
_OFF: dict[str, tuple[str, str, str]] = {
    TenantStatus.PAUSING: (
        "Sending for {name} is being paused",
        f"Our team is pausing your sending. {_NOT_YET}",
        _CONTACT,
    ),
    TenantStatus.PAUSED: ("Sending for {name} is paused", TOLD["other"], _CONTACT),
    TenantStatus.UNDONE: ("Sending for {name} was paused by our team", TOLD["other"], _CONTACT),
    TenantStatus.RESUMING: (
        "Sending for {name} is being resumed",
        "Your sending was paused and is being turned on again.",
        "Nothing. Sending resumes automatically when Amazon SES confirms it.",
    ),
    TenantStatus.SUSPENDED: (
        "Amazon SES has suspended sending for {name}",
        _BY_AMAZON,
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


@dataclass(frozen=True)
class CustomerNotice:
    """What the words depend on. `told`: what staff wrote to the customer.

    `by_us`: our team wants the pause; else the policy or somebody in SES paused it. `is_confirmed`: SES has confirmed
    what our team requested last. `names_tenant` False: the customer's sends don't name the tenant, so a pause stops at
    most the receiving. `account_stopped`: SES sends for none of our customers.
    """

    name: str
    standing: str
    told: str = ""
    by_us: bool = True
    is_confirmed: bool = True
    receiving: InboundMail = InboundMail.ON
    names_tenant: bool = True
    account_stopped: bool = False


def banner_of(notice: CustomerNotice) -> Banner | None:
    """Return the banner; None while sending and receiving are on, or the status is unknown."""
    is_off = notice.standing in _OFF and notice.names_tenant
    if notice.account_stopped and (not is_off or notice.standing == TenantStatus.RESUMING):
        return _account_banner(notice)
    if not is_off:
        return _receiving_banner(notice) if notice.receiving is not InboundMail.ON else None
    title, _, to_do = _OFF[notice.standing]
    told = f"{_reason(notice)} {NOBODY_SENDS if notice.account_stopped else ''}".strip()
    tones = {TenantStatus.RESUMING: "info", TenantStatus.SUSPENDED: "bad"}
    tone = tones.get(TenantStatus(notice.standing), "warn")
    return Banner(title.format(name=notice.name), told, _goes_on(notice.receiving), to_do, tone)


def _reason(notice: CustomerNotice) -> str:
    """Return why nothing is sent. What staff wrote is always part of it, also while AWS suspends the tenant."""
    standing, told = notice.standing, notice.told.strip()
    if standing == TenantStatus.PAUSING or not notice.is_confirmed:
        told = told.replace(_PAUSED, _PAUSING, 1)
    if standing == TenantStatus.SUSPENDED:
        return f"{_BY_AMAZON}\n\n{told}".strip()
    if standing == TenantStatus.PAUSING and told:
        return f"{told} {_NOT_YET}"
    if standing == TenantStatus.UNDONE:
        return f"{told or TOLD['other']} {_UNDONE}"
    if standing == TenantStatus.PAUSED and not notice.by_us:
        return PAUSED_IN_SES
    return told or _OFF[standing][1]


def _goes_on(receiving: InboundMail) -> str:
    return f"You can still use this site. {_RECEIVING[receiving]}" if receiving in _RECEIVING else GOES_ON


def _account_banner(notice: CustomerNotice) -> Banner:
    return Banner(
        title=f"No mail is sent for {notice.name}",
        told=NOBODY_SENDS,
        goes_on=_goes_on(notice.receiving),
        to_do="Nothing. Our team has been notified.",
        tone="bad",
    )


_RECEIVING_TITLES: Mapping[str, tuple[str, str]] = {  # and how the reason of a pause begins
    InboundMail.STOPPING: ("Receiving for {name} is being stopped", "We’re stopping your inbound mail"),
    InboundMail.STOPPED: ("Receiving for {name} is stopped", "We stopped receiving your mail"),
}


def _receiving_banner(notice: CustomerNotice) -> Banner:
    """Return the banner of a customer whose own mail isn't stopped by the tenant."""
    goes_on = f"You can still use this site{'' if notice.account_stopped else ', and your own mail is still sent'}."
    if notice.receiving is InboundMail.RESTORING:
        title = f"Receiving for {notice.name} is being turned on again"
        to_do = "Nothing. This message disappears when Amazon SES confirms it."
        return Banner(title, _RECEIVING[InboundMail.RESTORING], goes_on, to_do, "info")
    title, begins = _RECEIVING_TITLES[notice.receiving]
    return Banner(
        title=title.format(name=notice.name),
        told=(notice.told.strip() or TOLD["other"]).replace(_PAUSED, begins, 1),
        goes_on=f"{goes_on} {_RECEIVING[notice.receiving]}",
        to_do="Contact support to receive mail again once the cause is fixed.",
        tone="warn",
    )


def owner_email(what: str, notice: CustomerNotice) -> tuple[str, str] | None:
    """Return subject and text; None if nothing has changed for the customer, since its sends don't name the tenant.

    `what`: RESUMED or a status that stops sending, which replaces that of the notice. Raises ValueError for another.
    """
    stops = notice.receiving in (InboundMail.STOPPING, InboundMail.STOPPED)
    if not notice.names_tenant and not (stops and what in _OFF):
        return None
    if what == RESUMED:
        return _resumed_email(notice)
    if what not in _OFF:
        raise ValueError(f"no mail for {what}")
    banner = banner_of(replace(notice, standing=what))
    if banner is None:
        return None
    return banner.title, f"{banner.told}\n\nWhat to do: {banner.to_do}\n\n{banner.goes_on}\n"


def _resumed_email(notice: CustomerNotice) -> tuple[str, str]:
    """Say that mail can be sent only if SES sends for our account, and that inbound mail is back only if it is."""
    name = notice.name
    receiving = _RECEIVING.get(notice.receiving, "")
    if notice.account_stopped:
        text = f"We ended the pause of your sending. {NOBODY_SENDS} Our team has been notified."
        return f"The pause of sending for {name} has ended", f"{text} {receiving}".strip() + "\n"
    text = f"{name} can send mail again. {receiving}".strip()
    return f"Sending for {name} is enabled again", f"{text} You don’t need to do anything.\n"


def is_current(what: str, standing: str) -> bool:
    """Return whether the email is still true; one that waited too long must not report an outdated status."""
    return standing == (TenantStatus.ACTIVE if what == RESUMED else what)
