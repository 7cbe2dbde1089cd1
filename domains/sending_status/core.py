"""Judges whether a domain can send: first the domain itself, then its customer's tenant. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from domains.checking.core.judgement import NextActor, Overall, State, most_urgent
from domains.identity.core import Stage
from tenants.customer_notices.core import NOBODY_SENDS, customer_words
from tenants.lifecycle.core import REJECTED, TenantStage
from tenants.status.core import TenantStatus

CANT = "This domain can’t send yet: {why}"
NOT_READY: Mapping[str, str] = {
    Stage.CLAIM: "ownership isn’t proven. Publish the ownership record first.",
    Stage.STARTING: "it’s being set up in Amazon SES.",
}
HELD_BY_ANOTHER = "another account has proven ownership of it."
NOT_VERIFIED = "Amazon SES hasn’t verified it. Publish its DKIM records first."
NO_IDENTITY = "Amazon SES no longer has it. Restart its verification first."
MAIL_FROM_REJECTS = (
    "Amazon SES rejects all mail from {domain} because its MAIL FROM domain ({mail_from}) isn't verified."
)
MAIL_FROM_WAY_OUT = "Publish the MAIL FROM records, or choose “Use the default MAIL FROM domain” under Settings."
MAIL_FROM_UNKNOWN = (
    "We don’t know whether Amazon SES has verified the MAIL FROM domain ({mail_from}). Until it has, it rejects all "
    "mail from {domain}. We’ll check again automatically."
)
OWN_KEY_LOST = (
    "Amazon SES can't find your own DKIM key (BYODKIM) at {name}, so it doesn't sign mail. Publish its TXT record "
    "again, or contact support."
)

# Word, tone and icon for each tenant status other than ACTIVE.
SENDING_WORDS: Mapping[str, tuple[str, str, str]] = {
    TenantStatus.PAUSING: ("Pausing", "info", "signal"),
    TenantStatus.PAUSED: ("Paused", "warn", "pause-circle"),
    TenantStatus.UNDONE: ("Paused by our team", "warn", "exclamation-triangle"),
    TenantStatus.RESUMING: ("Resuming", "info", "signal"),
    TenantStatus.SUSPENDED: ("Suspended by AWS", "bad", "no-symbol"),
}


class SendingState(StrEnum):
    """OFF: the customer's sending is paused, suspended, pausing or resuming."""

    CAN = "enabled"
    CANNOT_YET = "cannot_yet"
    ENDING = "deleting"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class SendingFacts:
    """`is_verified` is None if unknown. `standing` is the tenant's status, "" without one. While `tenant_stage` is not
    READY, mail is sent as before.
    """

    domain: str
    stage: str
    is_verified: bool | None
    standing: str = ""
    tenant_stage: str = TenantStage.READY
    is_gone: bool = False  # SES no longer has its identity
    is_held_by_another: bool = False
    is_rejected: bool = False  # SES has no longer what the sends name
    account_stopped: bool = False  # SES sends for none of our customers
    mail_from: str = ""  # SES rejects all mail without it
    mail_from_is_verified: bool | None = True


@dataclass(frozen=True)
class DomainSending:
    state: SendingState
    word: str
    tone: str
    icon: str
    sentence: str

    @property
    def is_of_the_domain(self) -> bool:
        """Return True if the domain itself is why nothing is sent."""
        return self.state in (SendingState.CANNOT_YET, SendingState.ENDING)


def judge_sending(facts: SendingFacts) -> DomainSending:
    if facts.stage == Stage.DELETING:
        sentence = f"{facts.domain} is being deleted. It can’t send after that."
        return DomainSending(SendingState.ENDING, "Being deleted", "info", "trash", sentence)
    unverified = NO_IDENTITY if facts.is_gone else NOT_VERIFIED
    why = HELD_BY_ANOTHER if facts.is_held_by_another else NOT_READY.get(facts.stage, "")
    why = why or (unverified if facts.is_verified is False else "")
    if why:
        sentence = CANT.format(why=why)
        return DomainSending(SendingState.CANNOT_YET, "Can’t send yet", "todo", "exclamation-circle", sentence)
    if facts.is_verified is None:
        sentence = "We couldn’t read from Amazon SES whether this domain is verified. We’ll check again automatically."
        return DomainSending(SendingState.UNKNOWN, "Unknown", "mute", "question-mark-circle", sentence)
    of_tenant = _by_tenant(facts)
    is_stopped = of_tenant.state is SendingState.OFF  # which is known, so what isn't doesn't hide it
    if not facts.mail_from or facts.mail_from_is_verified or (facts.mail_from_is_verified is None and is_stopped):
        return of_tenant
    return _by_mail_from(facts)


def _by_mail_from(facts: SendingFacts) -> DomainSending:
    if facts.mail_from_is_verified is None:
        sentence = MAIL_FROM_UNKNOWN.format(domain=facts.domain, mail_from=facts.mail_from)
        return DomainSending(SendingState.UNKNOWN, "Unknown", "mute", "question-mark-circle", sentence)
    rejects = MAIL_FROM_REJECTS.format(domain=facts.domain, mail_from=facts.mail_from)
    return DomainSending(SendingState.CANNOT_YET, "Rejected", "bad", "no-symbol", f"{rejects} {MAIL_FROM_WAY_OUT}")


def _by_tenant(facts: SendingFacts) -> DomainSending:
    if facts.is_rejected:
        return DomainSending(SendingState.OFF, "Rejected", "bad", "no-symbol", REJECTED)
    if facts.account_stopped:
        return DomainSending(SendingState.OFF, "Stopped by Amazon SES", "bad", "no-symbol", NOBODY_SENDS)
    said = customer_words(facts.tenant_stage, facts.standing, account_stopped=False) if facts.standing else ""
    if not facts.standing or facts.tenant_stage != TenantStage.READY or facts.standing == TenantStatus.ACTIVE:
        as_before = f"Mail from {facts.domain} is sent as before." if not facts.standing else said
        return DomainSending(SendingState.CAN, "Enabled", "good", "check-circle", as_before)
    word, tone, icon = SENDING_WORDS.get(facts.standing, ("Unknown", "mute", "question-mark-circle"))
    state = SendingState.UNKNOWN if tone == "mute" else SendingState.OFF
    return DomainSending(state, word, tone, icon, said)


def with_sending(result: Overall, domain: str, mail_from: str, own_key: str) -> Overall:
    """Put first that SES rejects the domain's mail, or doesn't sign it. No record that we check shows it.

    `mail_from`: the MAIL FROM domain because of which SES rejects it; `own_key`: the name of the key's record. Or "".
    """
    said = [MAIL_FROM_REJECTS.format(domain=domain, mail_from=mail_from)] if mail_from else []
    if own_key:
        said.append(OWN_KEY_LOST.format(name=own_key))
        sentence = "" if result.state is State.VERIFIED else result.sentence
        state = most_urgent([result.state, State.AT_RISK])
        result = replace(result, state=state, next_actor=NextActor.YOU, sentence=sentence)
    return replace(result, sentence=" ".join([*said, result.sentence]).strip())
