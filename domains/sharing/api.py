"""API operations on share links, for people without an account who manage a domain's DNS."""

from datetime import datetime
from typing import Annotated, Literal

from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from ninja import Query, Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, reads, writes
from domains.api import domain_of
from domains.models.sharing import ShareLink
from domains.sharing import services
from domains.sharing.selectors import links_of, token_of
from inbound_admin.lib.api.schemas import Blank, In, Out, Page, Paged, Text, page_of

router = call_router("Domains")


class VisitOut(Out):
    """A visit by one network and browser. Nothing else is known about the visitor."""

    network: str
    browser: str
    first_at: datetime
    last_at: datetime
    views: int
    checks: int


class ShareLinkOut(Out):
    id: str
    domain_id: str
    meant_for: str
    state: Literal["open", "revoked", "expired"]
    url: str = Field(description="Anyone with the URL can view the records. Keep it private")
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    mailed_to: Blank = Field(description="The address we emailed the records to")
    mailed_at: datetime | None
    visits: list[VisitOut] = Field(description="The last 10 visits")


class ShareLinkWanted(In):
    meant_for: Annotated[Text, Field(max_length=100)] = ""
    days: Annotated[int, Field(ge=1, le=services.LONGEST_DAYS)] | None = None


@router.get("/v2/domains/{domain_id}/share-links", **reads(Page[ShareLinkOut]), summary="List share links")
def list_share_links(request: HttpRequest, domain_id: str, query: Annotated[Paged, Query()]) -> Page[ShareLinkOut]:
    """Return the share links of a domain and who opened them, newest first.

    Anyone with the URL of an open link can view the domain's records.
    """
    rows, pagination = page_of(links_of(domain_of(request, domain_id)), query)
    return Page[ShareLinkOut](data=[link_out(request, row) for row in rows], pagination=pagination)


@router.post("/v2/domains/{domain_id}/share-links", **writes(ShareLinkOut, status=201), summary="Create a share link")
def create_share_link(
    request: HttpRequest, domain_id: str, asked: ShareLinkWanted | None = None
) -> Status[ShareLinkOut]:
    """Create a link to the domain's records for somebody without an account.

    It shows which records are still missing. It expires after `days`; `meantFor` is a note for you. 422 `NOT_READY`
    while the records are being created.
    """
    wanted = asked or ShareLinkWanted.model_validate({})
    domain = domain_of(request, domain_id)
    link = services.create(domain=domain, actor=caller(request), meant_for=wanted.meant_for, days=wanted.days)
    return Status(201, link_out(request, link))


@router.delete("/v2/domains/{domain_id}/share-links/{link_id}", **writes(ShareLinkOut), summary="Revoke a share link")
def revoke_share_link(request: HttpRequest, domain_id: str, link_id: str) -> ShareLinkOut:
    """Revoke a link, which then opens nothing.

    Revoking it again changes nothing.
    """
    links = links_of(domain_of(request, domain_id))
    services.revoke(link=get_object_or_404(links, pk=link_id), actor=caller(request))
    return link_out(request, get_object_or_404(links.all(), pk=link_id))


def link_out(request: HttpRequest, link: ShareLink) -> ShareLinkOut:
    return ShareLinkOut.of(
        link,
        state=link.state(timezone.now()).value,
        url=request.build_absolute_uri(reverse("domains:shared", args=(token_of(link),))),
        visits=[VisitOut.of(each, network=each.address) for each in link.visits.all()[:10]],
    )


class MailRecordsWanted(In):
    to: Annotated[Text, Field(max_length=320)] = Field(description="One email address")
    host: Annotated[Text, Field(max_length=40)] = Field(
        "", description="The key of the DNS host whose field names are used. Detected from the nameservers if left out"
    )


@router.post(
    "/v2/domains/{domain_id}/mail-records", **writes(ShareLinkOut, status=201), summary="Email the DNS records"
)
def mail_records(request: HttpRequest, domain_id: str, asked: MailRecordsWanted) -> Status[ShareLinkOut]:
    """Email the records that are still to publish, with a share link, to the person who manages the DNS.

    422 `NOTHING_TO_PUBLISH` if all records are published, 422 `COULD_NOT_CHECK` if the others couldn't be checked and
    were published when last found, 422 `ADDRESS` if `to` isn't one email address. 429
    `MAILED_JUST_NOW` for the same email again within minutes, or if too many were sent. 503 `MAIL_NOT_SENT` if the
    mail server refused it; the link exists then.
    """
    link = services.mail_records(
        domain=domain_of(request, domain_id),
        to=asked.to,
        host=asked.host,
        actor=caller(request),
        site_url=settings.SITE_URL or request.build_absolute_uri("/"),
    )
    return Status(201, link_out(request, link))
