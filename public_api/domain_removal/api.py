"""Published API operation to delete a domain."""

from django.http import HttpRequest
from pydantic import Field

from accounts.api_keys.api import caller, writes
from domains.api import domain_of
from domains.models.domains import Domain
from inbound_admin.lib.api.schemas import Out
from operations.domain_removal import services as domain_removal_services
from operations.domain_removal.services import RequestedRemoval
from public_api.domains.api import router

REJECTED = " The MX record of {name} still points here, so SES rejects its mail. Point it elsewhere."
NOT_YET = (
    "{domain} is being deleted. Its receipt rules are removed first, then its SES identity. "
    "Until then the domain stays in your list and shows progress."
)


class DeletedResources(Out):
    """What has been deleted so far. The worker deletes the rest, receipt rules first."""

    domain: str
    email_addresses: int = Field(description="Addresses that this call removed")
    dns_records: int = Field(description="Records that you can now remove at your DNS host")
    blocked_emails: int = Field(description="Always 0")
    ses_identity: bool = Field(description="Whether the SES identity is already deleted")
    ses_receipt_rules: bool = Field(description="Whether no receipt rule contains it")


class DomainDeletedOut(Out):
    success: bool = True
    message: str
    deleted_resources: DeletedResources


@router.delete("/v2/domains/{domain_id}", **writes(DomainDeletedOut, proven=True), summary="Delete a domain")
def delete_domain(request: HttpRequest, domain_id: str) -> DomainDeletedOut:
    """Delete a domain with its addresses: receipt rules first, then the SES identity.

    Returns immediately; `deletedResources` says what is deleted so far. Repeat the call to see progress; the domain
    returns 404 when everything is deleted. While its MX points here, SES rejects its mail from then on; `message`
    says so. 409 `HAS_SUB_DOMAINS` while it has subdomains that aren't being deleted.
    """
    domain = domain_of(request, domain_id)
    leads = domain.mx_here
    asked = domain_removal_services.request_removal(domain=domain, typed_name=domain.name, actor=caller(request))
    rules_are_clear = asked.is_gone or Domain.objects.filter(pk=domain.pk, routes_removed_at__isnull=False).exists()
    return DomainDeletedOut(
        success=True,
        message=said(domain, asked) + (REJECTED.format(name=leads[0]) if leads else ""),
        deleted_resources=DeletedResources(
            domain=domain.name,
            email_addresses=asked.addresses,
            dns_records=asked.records,
            blocked_emails=0,
            ses_identity=asked.is_gone,
            ses_receipt_rules=rules_are_clear,
        ),
    )


def said(domain: Domain, asked: RequestedRemoval) -> str:
    return f"{domain} deleted." if asked.is_gone else NOT_YET.format(domain=domain)
