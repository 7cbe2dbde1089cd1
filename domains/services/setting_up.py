"""A domain's identity is made or adopted at Amazon: at most four calls, each harmless when repeated.

Its association with the customer's SES tenant is one more, and the tenant's own job.

Every line stores what Amazon answered before the next call, so a process that dies anywhere is carried on from there.
A step answers False where the setting up does not go on: the ownership must be proven, or the domain is being deleted.
"""

from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from changes import services as changes
from domains.core.checking import SesStatus, State
from domains.core.claims import ClaimReason
from domains.core.identities import Identity
from domains.gateway import ses
from domains.models import Domain, OnMxFailure, Stage
from domains.selectors import finding
from domains.services import claiming, deleting, earlier_records, tenancy
from domains.services.earlier_records import CouldNotTell
from domains.services.queue import check_soon, configure_soon, set_up_later
from domains.services.subjects import subject
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsConflict, AwsMissing, AwsProblem

LOOK_AGAIN_SECONDS = 60


def set_up(*, domain_id: str) -> None:
    """Carry the set-up on from where it is. Raises AwsProblem, which is also stored for the page."""
    domain = finding.here().filter(pk=domain_id, stage=Stage.STARTING).first()
    if domain is None:
        return
    with aws.recording() as request_ids:
        try:
            if all(step(domain) for step in (_ownership, _identity, _ownership, _token, _mail_from, _tenant)):
                _finish(domain, request_ids)
        except CouldNotTell as problem:
            if _store(domain, stage_problem=str(problem)):
                set_up_later(domain, seconds=LOOK_AGAIN_SECONDS)
        except AwsProblem as problem:
            _store(domain, stage_problem=str(problem))
            raise


def _identity(domain: Domain) -> bool:
    """When the identity turns out to be there already, it is adopted only on a proven claim."""
    if domain.dkim_tokens or domain.adopted:
        return True
    try:
        created = ses.create_identity(domain.name, ours=domain.id)
    except AwsConflict:
        found = ses.get_identity(domain.name)
        if not (domain.claim_proven_at and _is_losers(domain, found)):
            return _found(domain, found)
        deleting.delete_identity(domain)
        created = ses.create_identity(domain.name, ours=domain.id)
    return _store_identity(domain, created, adopted=False)


def _is_losers(domain: Domain, identity: Identity) -> bool:
    """It was made for a row that gave way to this one's proof: its settings and tenants are not ours to take over."""
    made_for = next((value for key, value in identity.tags if key == ses.OURS), domain.pk)
    return made_for != domain.pk and Domain.objects.filter(pk=made_for, name=domain.name).exists()


def _found(domain: Domain, identity: Identity) -> bool:
    ours = (ses.OURS, domain.id) in identity.tags  # our own first attempt, whose answer was lost
    if not ours and not domain.claim_proven_at:
        claiming.require(domain, ClaimReason.IDENTITY_EXISTS)
        return False
    if not ours and identity.identity_status is SesStatus.FAILED:
        ses.start_verification(domain.name)
    if identity.dkim_status is SesStatus.FAILED and identity.dkim_zone:
        ses.start_dkim(domain.name)
    return _store_identity(domain, identity, adopted=not ours)


def _store_identity(domain: Domain, identity: Identity, *, adopted: bool) -> bool:
    """Of an adopted identity MAIL FROM and signing are taken as they are; changing them is a step of its own."""
    behaviour = OnMxFailure.REJECT if identity.rejects_on_mx_failure else OnMxFailure.USE_DEFAULT
    fields: dict[str, object] = {
        "dkim_tokens": list(identity.dkim_tokens),
        "dkim_zone": identity.dkim_zone,
        "own_dkim_key": identity.own_dkim_key,
        "adopted": adopted,
        "ses_mail_from": identity.mail_from,
        "ses_dkim_signing": identity.dkim_signing,
        "ses_on_mx_failure": behaviour,
        "identity_status": identity.identity_status,
        "dkim_status": identity.dkim_status,
        "mail_from_status": identity.mail_from_status,
    }
    if adopted:
        fields |= {
            "mail_from_label": identity.mail_from.removesuffix(f".{domain.name}"),
            "dkim_signing": identity.dkim_signing,
            "on_mx_failure": behaviour,
        }
    return _store(domain, **fields)


def _ownership(domain: Domain) -> bool:
    """Records of an earlier set-up prove nothing of who asks now. A domain that was set up before has its own.

    Asked twice: before anything is made, and again when Amazon's keys are known, since old DKIM records name them.
    """
    if domain.proven_at or domain.state != State.NOT_CHECKED or not earlier_records.answer_for(domain):
        return True
    if domain.dkim_tokens and not _unmake(domain):
        return False
    claiming.require(domain, ClaimReason.RECORDS_ANSWER)
    return False


def _unmake(domain: Domain) -> bool:
    """The identity that we have just made goes, or the old records would verify it without a proof."""
    with suppress(AwsMissing):  # an attempt before, whose answer was lost
        ses.delete_identity(domain.name)
    return _store(domain, dkim_tokens=[], dkim_zone="")


def _token(domain: Domain) -> bool:
    """VerifyDomainIdentity may start a verification again, so of an adopted identity the token is only read."""
    if domain.verification_token:
        return True
    if domain.adopted:
        _, token = ses.get_verification([domain.name]).get(domain.name, (SesStatus.UNKNOWN, ""))
    else:
        token = ses.start_verification(domain.name)
    return _store(domain, verification_token=token)


def _mail_from(domain: Domain) -> bool:
    """Told when it differs; the same name again, where Amazon had given up, makes it look again."""
    wanted, told = domain.mail_from, domain.ses_mail_from
    same = wanted == told and (not wanted or domain.on_mx_failure == domain.ses_on_mx_failure)
    if same and domain.mail_from_status != SesStatus.FAILED:
        return True
    reject = domain.on_mx_failure == OnMxFailure.REJECT
    ses.set_mail_from(domain.name, wanted, reject_on_mx_failure=reject)
    return _store(
        domain, ses_mail_from=wanted, ses_on_mx_failure=domain.on_mx_failure, mail_from_status=SesStatus.UNKNOWN
    )


def _tenant(domain: Domain) -> bool:
    """A wish alone: the tenant's own job makes the call."""
    tenancy.join(domain, just_made=not domain.adopted)
    return True


@transaction.atomic
def _finish(domain: Domain, request_ids: list[str]) -> None:
    """Only one of two workers that raced here finds the stage unfinished, so the change log has it once."""
    if not _store(domain, stage=Stage.READY, stage_problem="", next_check_at=timezone.now()):
        return
    what = "domain.adopted" if domain.adopted else "domain.set_up"
    after = {"identity": domain.name, "mail_from": domain.ses_mail_from, "dkim_zone": domain.dkim_zone}
    changes.record(what, about=subject(domain), actor=None, after=after, aws_request_ids=request_ids)
    check_soon()
    domain.refresh_from_db()
    if domain.is_configuring:
        configure_soon(domain)


def _store(domain: Domain, **fields: object) -> bool:
    """False, and nothing stored, when the domain is no longer being set up: deleted meanwhile, or done by another."""
    for name, value in fields.items():
        setattr(domain, name, value)
    return bool(Domain.objects.filter(pk=domain.pk, stage=Stage.STARTING).update(**fields))
