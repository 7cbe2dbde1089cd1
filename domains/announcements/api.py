"""Whether the owner of the API key is notified when a domain is verified."""

from datetime import datetime

from django.http import HttpRequest
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from domains.announcements import services
from domains.domain_list.api import domain_of
from domains.models.domains import Domain
from inbound_admin.lib.api.schemas import In, Out

router = call_router("Domains")


class VerifiedNoticeOut(Out):
    domain_id: str
    tell_when_verified: bool = Field(description="Whether the owner of the API key is notified")
    told_at: datetime | None


class VerifiedNoticeWanted(In):
    tell_when_verified: bool


@router.get(
    "/v2/domains/{domain_id}/verified-notice", **reads(VerifiedNoticeOut), summary="Get the verification notice"
)
def get_verified_notice(request: HttpRequest, domain_id: str) -> VerifiedNoticeOut:
    """Return whether you are notified once when this domain is verified.

    It applies to the person who owns the API key.
    """
    return _out(request, domain_of(request, domain_id))


@router.put(
    "/v2/domains/{domain_id}/verified-notice",
    **writes(VerifiedNoticeOut),
    summary="Turn the verification notice on or off",
)
def set_verified_notice(request: HttpRequest, domain_id: str, asked: VerifiedNoticeWanted) -> VerifiedNoticeOut:
    """Choose whether you are notified once when this domain is verified.

    By email, and by your own webhooks as `alert.raised`. 422 `VERIFIED_ALREADY` if the domain is verified.
    """
    domain = domain_of(request, domain_id)
    services.set_notice(domain=domain, person=caller(request), wanted=asked.tell_when_verified)
    return _out(request, domain)


def _out(request: HttpRequest, domain: Domain) -> VerifiedNoticeOut:
    found = services.notice_choice(caller(request), domain)
    return VerifiedNoticeOut(domain_id=domain.pk, tell_when_verified=found.is_on, told_at=found.told_at)
