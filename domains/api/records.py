"""The DNS records of a domain."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from domains.api.fields import StoredRecordOut, stored_records
from domains.models import Domain
from domains.selectors import finding
from domains.selectors.published import checks_of
from inbound_admin.lib.api import Out
from tenants.api import call_router, caller, reads

router = call_router("Domains")


class RecordsOut(Out):
    domain_id: str
    domain: str
    records: list[StoredRecordOut]


def domain_of(request: HttpRequest, domain_id: str) -> Domain:
    """Another customer's is 404, as if it did not exist."""
    return get_object_or_404(finding.domains_for(caller(request)), pk=domain_id)


@router.get("/v2/domains/{domain_id}/dns-records", **reads(RecordsOut), summary="The records that a domain needs")
def list_dns_records(request: HttpRequest, domain_id: str) -> RecordsOut:
    """From our rows: neither DNS nor Amazon is asked. While the ownership is open, the proof alone is wanted."""
    domain = domain_of(request, domain_id)
    checks = checks_of([domain])[domain.pk]
    return RecordsOut(domain_id=domain.pk, domain=domain.name, records=stored_records(domain, checks))
