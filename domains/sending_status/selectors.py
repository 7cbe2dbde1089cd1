"""Whether a domain can send, for its pages, support cases and the API."""

from dataclasses import replace

from domains.domain_list.core import UNVERIFIED
from domains.models.domains import Domain
from domains.sending_status.core import DomainSending, SendingFacts, judge_sending
from tenants.lifecycle.selectors import account_is_stopped, rejects_sends, tenant_of
from tenants.models.tenants import Tenant


def sending_of(domain: Domain) -> DomainSending:
    """Return the sending status. The caller has checked that the viewer may see the domain."""
    return sending_in(domain, tenant_of(domain.customer))


def sending_in(domain: Domain, tenant: Tenant | None) -> DomainSending:
    """Return the sending status with the customer's tenant, which the caller has read."""
    is_known = domain.is_verified or domain.identity_status in UNVERIFIED
    is_verified = domain.is_verified if is_known else None
    facts = SendingFacts(
        domain.name,
        domain.stage,
        is_verified,
        is_gone=domain.is_gone,
        is_held_by_another=domain.is_held_by_another,
        mail_from=domain.mail_from_to_send,
        mail_from_is_verified=domain.mail_from_is_verified,
        account_stopped=account_is_stopped() if tenant is None else tenant.account_stopped,
    )
    if tenant is not None:
        is_rejected = rejects_sends(tenant, domain.name)
        facts = replace(facts, standing=tenant.mail_standing, tenant_stage=tenant.stage, is_rejected=is_rejected)
    return judge_sending(facts)
