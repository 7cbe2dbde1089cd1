"""Reads identities in SES, managed or not, and resolves drift by changing either our row or SES."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts.models.people import User
from audit import services as audit_services
from domains.adoption.services import batches
from domains.checking.core.judgement import SesStatus
from domains.domain_list.selectors import domain_subject
from domains.identity import gateway as identity_gateway
from domains.identity.core import NO_DKIM, NO_MAIL_FROM
from domains.jobs import queue_configuration
from domains.models.domains import WISH, Domain, Stage
from domains.models.record_checks import RecordCheck
from domains.ownership.core import ClaimReason
from domains.ownership.services import CLEARED
from domains.ownership_claims import services as ownership_claims_services
from inbound_admin.lib.errors import Refused

Values = Mapping[str, object]
GONE = "The domain is no longer set up. Reload the page."


@dataclass(frozen=True)
class RemoteSettings:
    """The settings of an identity that can be changed in the SES console."""

    mail_from: str
    rejects: bool
    signs: bool
    dkim_tokens: tuple[str, ...] = ()


def settings_of(names: Sequence[str]) -> dict[str, RemoteSettings]:
    """Read the settings with two calls per hundred names. Raises AwsProblem for all."""
    found: dict[str, RemoteSettings] = {}
    for some in batches(names):
        dkim, mail_from = identity_gateway.get_dkim(some), identity_gateway.get_mail_from(some)
        for name in some:
            if name in dkim or name in mail_from:  # otherwise it was just deleted
                remote = mail_from.get(name, NO_MAIL_FROM)
                own = dkim.get(name, NO_DKIM)
                found[name] = RemoteSettings(remote.name, remote.rejects_on_mx_failure, own.signing, own.tokens)
    return found


def existing_names(names: Sequence[str]) -> frozenset[str]:
    """Return the names that SES has, one call per hundred. Raises AwsProblem."""
    return frozenset(name for some in batches(names) for name in identity_gateway.get_verification(some))


@transaction.atomic
def accept_mail_from(*, domain: Domain, mail_from: str, rejects: bool, actor: User, because: str) -> None:
    """Make SES's MAIL FROM domain the desired one. Raises Refused."""
    locked = _ready(domain)
    before = {"mail_from": locked.mail_from, "on_mx_failure": locked.on_mx_failure}
    behaviour = Domain.OnMxFailure.REJECT if rejects else Domain.OnMxFailure.USE_DEFAULT
    if mail_from != locked.ses_mail_from:
        locked.mail_from_status = SesStatus.UNKNOWN
    locked.mail_from_label, locked.ses_mail_from = mail_from.removesuffix(f".{locked.name}"), mail_from
    locked.on_mx_failure = locked.ses_on_mx_failure = behaviour
    locked.next_check_at = timezone.now()
    fields = ("mail_from_label", "ses_mail_from", "on_mx_failure", "ses_on_mx_failure")
    locked.save(update_fields=(*fields, "mail_from_status", "next_check_at"))
    RecordCheck.objects.filter(domain=locked, key__startswith="mail-from-").delete()
    after = {"mail_from": mail_from, "on_mx_failure": behaviour.value}
    _record("domain.mail_from", locked, actor, because, before, after)


@transaction.atomic
def accept_dkim_signing(*, domain: Domain, signs: bool, actor: User, because: str) -> None:
    """Make SES's DKIM signing switch the desired one. Raises Refused."""
    locked = _ready(domain)
    before = {"dkim_signing": locked.dkim_signing}
    locked.dkim_signing = locked.ses_dkim_signing = signs
    locked.save(update_fields=("dkim_signing", "ses_dkim_signing"))
    _record("domain.dkim_signing", locked, actor, because, before, {"dkim_signing": signs})


@transaction.atomic
def reapply_settings(*, domain: Domain, seen: RemoteSettings, actor: User, because: str) -> None:
    """Apply our settings to SES again: store what SES has, and the worker corrects the difference. Raises Refused."""
    locked = _ready(domain)
    locked.ses_mail_from, locked.ses_dkim_signing = seen.mail_from, seen.signs
    locked.ses_on_mx_failure = Domain.OnMxFailure.REJECT if seen.rejects else Domain.OnMxFailure.USE_DEFAULT
    locked.set_wish(actor, because)
    locked.save(update_fields=("ses_mail_from", "ses_dkim_signing", "ses_on_mx_failure", *WISH))
    if locked.is_configuring:
        queue_configuration(locked)


@transaction.atomic
def return_to_claim(*, domain: Domain) -> None:
    """Turn the domain into a claim, since SES has no identity. Ownership must be proven again first. Raises Refused."""
    locked = _ready(domain)
    Domain.objects.filter(pk=locked.pk).update(stage=Stage.STARTING, **CLEARED)
    RecordCheck.objects.filter(domain=locked).delete()
    locked.refresh_from_db()
    ownership_claims_services.require_proof(locked, ClaimReason.GONE)


def _ready(domain: Domain) -> Domain:
    locked = Domain.objects.select_for_update().filter(pk=domain.pk, stage=Stage.READY).first()
    if locked is None:
        raise Refused(GONE, code="GONE")
    return locked


def _record(what: str, domain: Domain, actor: User, because: str, before: Values, after: Values) -> None:
    audit_services.record(what, about=domain_subject(domain), actor=actor, because=because, before=before, after=after)
