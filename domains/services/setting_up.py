"""A domain's identity is made or adopted at Amazon: at most four calls, each harmless when repeated.

Every line stores what Amazon answered before the next call, so a process that dies anywhere is carried on from there.
"""

from django.db import transaction
from django.utils import timezone

from changes import services as changes
from domains.core.checking import SesStatus
from domains.core.claims import ClaimReason
from domains.core.identities import Identity
from domains.gateway import ses
from domains.models import Domain, OnMxFailure, Stage
from domains.services import claiming
from domains.services.queue import check_soon
from domains.services.subjects import subject
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsProblem


def set_up(*, domain_id: str) -> None:
    """Carry the set-up on from where it is. Raises AwsProblem, which is also stored for the page."""
    domain = Domain.objects.filter(pk=domain_id, stage=Stage.STARTING).first()
    if domain is None:
        return
    with aws.recording() as request_ids:
        try:
            if _identity(domain) and _token(domain) and _mail_from(domain):
                _finish(domain, request_ids)
        except AwsProblem as problem:
            _store(domain, stage_problem=str(problem))
            raise


def _identity(domain: Domain) -> bool:
    """False when the identity turned out to be somebody's already: then ownership must be proven first."""
    if domain.dkim_tokens or domain.adopted:
        return True
    try:
        created = ses.create_identity(domain.name, ours=domain.id)
    except AwsConflict:
        return _found(domain, ses.get_identity(domain.name))
    _store_identity(domain, created, adopted=False)
    return True


def _found(domain: Domain, identity: Identity) -> bool:
    ours = (ses.OURS, domain.id) in identity.tags  # our own first attempt, whose answer was lost
    if not ours and not domain.claim_proven_at:
        claiming.require(domain, ClaimReason.IDENTITY_EXISTS)
        return False
    _store_identity(domain, identity, adopted=not ours)
    return True


def _store_identity(domain: Domain, identity: Identity, *, adopted: bool) -> None:
    """Of an adopted identity MAIL FROM and signing are taken as they are; changing them is a step of its own."""
    fields: dict[str, object] = {
        "dkim_tokens": list(identity.dkim_tokens),
        "dkim_zone": identity.dkim_zone,
        "adopted": adopted,
    }
    if adopted:
        behaviour = OnMxFailure.REJECT if identity.rejects_on_mx_failure else OnMxFailure.USE_DEFAULT
        fields |= {
            "ses_mail_from": identity.mail_from,
            "mail_from_label": identity.mail_from.removesuffix(f".{domain.name}"),
            "ses_dkim_signing": identity.dkim_signing,
            "dkim_signing": identity.dkim_signing,
            "ses_on_mx_failure": behaviour,
            "on_mx_failure": behaviour,
        }
    _store(domain, **fields)


def _token(domain: Domain) -> bool:
    """VerifyDomainIdentity may start a verification again, so of an adopted identity the token is only read."""
    if domain.verification_token:
        return True
    if domain.adopted:
        _, token = ses.get_verification([domain.name]).get(domain.name, (SesStatus.UNKNOWN, ""))
    else:
        token = ses.start_verification(domain.name)
    _store(domain, verification_token=token)
    return True


def _mail_from(domain: Domain) -> bool:
    if domain.adopted or domain.ses_mail_from or not domain.mail_from_label:
        return True
    reject = domain.on_mx_failure == OnMxFailure.REJECT
    ses.set_mail_from(domain.name, domain.mail_from, reject_on_mx_failure=reject)
    _store(domain, ses_mail_from=domain.mail_from, ses_on_mx_failure=domain.on_mx_failure)
    return True


@transaction.atomic
def _finish(domain: Domain, request_ids: list[str]) -> None:
    """Only one of two workers that raced here finds the stage unfinished, so the change log has it once."""
    now = timezone.now()
    moved = Domain.objects.filter(pk=domain.pk, stage=Stage.STARTING).update(
        stage=Stage.READY, stage_problem="", next_check_at=now
    )
    if not moved:
        return
    domain.stage = Stage.READY
    what = "domain.adopted" if domain.adopted else "domain.set_up"
    after = {"identity": domain.name, "mail_from": domain.ses_mail_from, "dkim_zone": domain.dkim_zone}
    changes.record(what, about=subject(domain), actor=None, after=after, aws_request_ids=request_ids)
    check_soon()


def _store(domain: Domain, **fields: object) -> None:
    for name, value in fields.items():
        setattr(domain, name, value)
    domain.save(update_fields=list(fields))
