"""Sets up a domain's SES identity, and keeps it in its customer's tenant.

- Setup creates or adopts the identity in at most four calls, each idempotent. AWS's answer is stored before the next
call, so after a crash the setup continues from there. A step returns False if the setup must stop: ownership must be
proven first, or the domain is being deleted.
- Tenant: `Domain.tenant` is the desired tenant. The tenants app makes the association in its own job. A domain of a
customer without a tenant has none. A domain that is older than its customer's use of the tenant is moved by a
migration, or when something else about it changes.
- `list_ses_identities` lists all identities that SES has, email addresses too.
"""

from collections.abc import Sequence
from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from audit import services as audit_services
from domains.checking.core.judgement import SesStatus, State
from domains.deletion import services as deletion_services
from domains.domain_list import selectors as domain_list_selectors
from domains.domain_list.core import UNVERIFIED
from domains.domain_list.selectors import domain_subject
from domains.identity import gateway
from domains.identity.core import Identity
from domains.jobs import queue_checks, queue_configuration, queue_set_up
from domains.models.domains import Domain, Stage
from domains.ownership.core import ClaimReason
from domains.ownership_claims import services as ownership_claims_services
from domains.ownership_claims.services import EarlierRecordsUnknown
from domains.sub_identities import services as sub_identities_services
from inbound_admin.lib import aws
from inbound_admin.lib.errors import AwsBusy, AwsConflict, AwsMissing, AwsProblem, AwsUnreachable
from tenants.lifecycle.selectors import tenant_of
from tenants.models.tenants import Tenant
from tenants.resources import services as resources_services


def assign_tenant(domain: Domain, *, just_made: bool) -> None:
    """Request the tenant association of an existing identity. If we just created the identity, no
    other tenant has it.
    """
    tenant = domain.tenant or _sending_tenant(domain)
    if tenant is not None:
        resources_services.move(arn=aws.identity_arn(domain.name), to=tenant, just_made=just_made)


def assign_tenant_if_sending(domain: Domain) -> None:
    """Assign the tenant if the customer's sends already name it, because something else changes
    too. Raises AwsProblem.
    """
    if domain.tenant_id is None and _sending_tenant(domain) is not None:
        assign_tenant(domain, just_made=False)


def _sending_tenant(domain: Domain) -> Tenant | None:
    """Return the tenant that the customer's sends already name, and store it at the domain."""
    tenant = tenant_of(domain.customer)
    if tenant is None or tenant.sends_since is None:
        return None
    with transaction.atomic():
        if Domain.objects.filter(pk=domain.pk, tenant=None).exclude(stage=Stage.DELETING).update(tenant=tenant):
            after = {"tenant": tenant.name}
            audit_services.record(
                "domain.joined_tenant", about=domain_subject(domain), actor=None, after=after, for_staff=True
            )
    domain.tenant = tenant
    return tenant


def identity_arn_for(domain: Domain, to: Tenant | None) -> str:
    """Return the ARN, before the transaction that moves the domain; "" if no tenant is involved. Raises AwsProblem."""
    return aws.identity_arn(domain.name) if domain.tenant_id or to else ""


def move_to_tenant(domain: Domain, arn: str, to: Tenant | None) -> None:
    """Move the identity from the old customer's tenant to the new one's, in the transaction of a transfer."""
    domain.tenant = to
    if arn and domain.stage == Stage.READY:
        resources_services.move(arn=arn, to=to)
    elif arn:
        resources_services.move(arn=arn, to=None)  # the setup associates it once the identity exists


def record_verified(domains: Sequence[Domain]) -> None:
    """Pass SES's verification statuses on to the tenants app. Unknown statuses change nothing."""
    for verified, statuses in ((True, (SesStatus.SUCCESS,)), (False, UNVERIFIED)):
        names = [d.name for d in domains if d.tenant_id and not d.ses_problem and d.identity_status in statuses]
        if names:
            resources_services.record_verified(names=names, verified=verified)


RETRY_SECONDS = 60


def set_up(*, domain_id: str) -> None:
    """Continue the setup from its last step. Raises AwsProblem, which is also stored for the page."""
    domain = domain_list_selectors.domains_in_region().filter(pk=domain_id, stage=Stage.STARTING).first()
    if domain is None:
        return
    with aws.recording() as request_ids:
        try:
            if all(step(domain) for step in (_ownership, _identity, _ownership, _token, _mail_from, _tenant)):
                _finish(domain, request_ids)
        except EarlierRecordsUnknown as problem:
            if _store(domain, stage_problem=str(problem)):
                queue_set_up(domain, in_seconds=RETRY_SECONDS)
        except AwsProblem as problem:
            _store(domain, stage_problem=str(problem))
            raise


def _identity(domain: Domain) -> bool:
    """An identity that already exists is adopted only by the customer who holds the name."""
    if domain.dkim_tokens or domain.adopted:
        return True
    try:
        created = gateway.create_identity(domain.name, domain_id=domain.id)
    except AwsConflict:
        found = gateway.get_identity(domain.name)
        if not (domain.claim_proven_at and _is_of_displaced_row(domain, found)):
            return _use_existing(domain, found)
        deletion_services.delete_identity(domain)
        created = gateway.create_identity(domain.name, domain_id=domain.id)
    return _store_identity(domain, created, adopted=False)


def _is_of_displaced_row(domain: Domain, identity: Identity) -> bool:
    """Return True if it was created for a row that this one's proof displaced: its settings and tenants must not be
    adopted.
    """
    made_for = next((value for key, value in identity.tags if key == gateway.DOMAIN_TAG), domain.pk)
    return made_for != domain.pk and Domain.objects.filter(pk=made_for, name=domain.name).exists()


def _use_existing(domain: Domain, identity: Identity) -> bool:
    ours = (gateway.DOMAIN_TAG, domain.id) in identity.tags  # created by our first attempt, whose answer was lost
    if not ours and not (domain.claim_proven_at or domain.proven_at):
        ownership_claims_services.require_proof(domain, ClaimReason.IDENTITY_EXISTS)
        return False
    if not ours and identity.identity_status is SesStatus.FAILED:
        gateway.start_verification(domain.name)
    if identity.dkim_status is SesStatus.FAILED and identity.dkim_tokens and not identity.has_external_keys:
        gateway.start_dkim(domain.name)
    return _store_identity(domain, identity, adopted=not ours)


def _store_identity(domain: Domain, identity: Identity, *, adopted: bool) -> bool:
    """MAIL FROM and signing of an adopted identity become the desired ones, but no request that SES doesn't have yet is
    lost.
    """
    fields = {**identity.columns, "adopted": adopted}
    if adopted:
        fields["former_dkim_key"] = identity.own_dkim_key and (domain.former_dkim_key or not domain.own_dkim_key)
    if adopted and not (domain.last_ses_check and domain.has_unsent_settings):
        fields |= identity.desired
    return _store(domain, **fields)


def _ownership(domain: Domain) -> bool:
    """Records of an earlier setup do not prove who asks now. A domain that was set up before has its own.

    Checked twice: before anything is created, and again when SES's keys are known, since old DKIM records name them.
    """
    if (
        domain.proven_at
        or domain.state != State.NOT_CHECKED
        or not ownership_claims_services.has_earlier_records(domain)
    ):
        return True
    if domain.dkim_tokens and not _delete_new_identity(domain):
        return False
    ownership_claims_services.require_proof(domain, ClaimReason.RECORDS_ANSWER)
    return False


def _delete_new_identity(domain: Domain) -> bool:
    """Delete the identity that we just created: the old records would verify it without a proof."""
    with suppress(AwsMissing):  # deleted by an earlier attempt whose answer was lost
        gateway.delete_identity(domain.name)
    return _store(domain, dkim_tokens=[], dkim_zone="")


def _token(domain: Domain) -> bool:
    """VerifyDomainIdentity can restart a verification, so the token of an adopted identity is only read."""
    if domain.verification_token:
        return True
    if domain.adopted:
        _, token = gateway.get_verification([domain.name]).get(domain.name, (SesStatus.UNKNOWN, ""))
    else:
        token = gateway.start_verification(domain.name)
    return _store(domain, verification_token=token)


def _mail_from(domain: Domain) -> bool:
    """Set MAIL FROM if it differs. Setting the same name restarts a failed verification."""
    wanted, current = domain.mail_from, domain.ses_mail_from
    same = wanted == current and (not wanted or domain.on_mx_failure == domain.ses_on_mx_failure)
    if same and domain.mail_from_status != SesStatus.FAILED:
        return True
    try:
        gateway.set_mail_from(domain.name, wanted, reject_on_mx_failure=domain.rejects_on_mx_failure)
    except (AwsBusy, AwsUnreachable):
        raise
    except AwsProblem:
        return True  # refused: the other records are still shown, and the settings job reports why
    return _store(
        domain, ses_mail_from=wanted, ses_on_mx_failure=domain.on_mx_failure, mail_from_status=SesStatus.UNKNOWN
    )


def _tenant(domain: Domain) -> bool:
    """Only store the request: the tenants app's job makes the call."""
    assign_tenant(domain, just_made=not domain.adopted)
    return True


@transaction.atomic
def _finish(domain: Domain, request_ids: list[str]) -> None:
    """Only one of two concurrent workers finds the stage unfinished, so the change log has one entry."""
    if not _store(domain, stage=Stage.READY, stage_problem="", next_check_at=timezone.now()):
        return
    what = "domain.adopted" if domain.adopted else "domain.set_up"
    after = {"identity": domain.name, "mail_from": domain.ses_mail_from, "dkim_zone": domain.dkim_zone}
    audit_services.record(what, about=domain_subject(domain), actor=None, after=after, aws_request_ids=request_ids)
    queue_checks()
    domain.refresh_from_db()
    if domain.is_configuring:
        queue_configuration(domain)


def _store(domain: Domain, **fields: object) -> bool:
    """Return False and store nothing if the domain is no longer being set up: deleted, or finished
    by another worker.
    """
    for name, value in fields.items():
        setattr(domain, name, value)
    return bool(Domain.objects.filter(pk=domain.pk, stage=Stage.STARTING).update(**fields))


def read_sub_identities() -> None:
    """List SES's identities, and store those below domains. Raises AwsProblem."""
    sub_identities_services.store(list_ses_identities())


def list_ses_identities() -> dict[str, SesStatus]:
    """Return every identity of the region, domain or address, with its status, one call per thousand.

    Raises AwsProblem, since in half a list the others would look deleted.
    """
    found, token = gateway.list_identities()
    while token:
        page, token = gateway.list_identities(token)
        found |= page
    return found
