"""Emails the records to the person who manages a domain's DNS."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Status
from pydantic import Field

from accounts.api_keys.api import call_router, caller, writes
from domains.domain_list.api import domain_of
from domains.records_mail import services
from domains.sharing.api import ShareLinkOut, link_out
from inbound_admin.lib.api.values import In, Text

router = call_router("Domains")


class MailRecordsWanted(In):
    to: Annotated[Text, Field(max_length=320)] = Field(description="One email address")
    host: Annotated[Text, Field(max_length=40)] = Field(
        "", description="The key of the DNS host whose field names are used. Detected from the nameservers if left out"
    )


@router.post("/v2/domains/{domain_id}/mail-records", **writes(ShareLinkOut, status=201), summary="Email the records")
def mail_records(request: HttpRequest, domain_id: str, asked: MailRecordsWanted) -> Status[ShareLinkOut]:
    """To a colleague or DNS administrator: what is still to publish, as text, with a link that ticks it off.

    422 `NOTHING_TO_PUBLISH` where all is there; 429 for too many, or the same again within minutes; 503
    `MAIL_NOT_SENT`, with the link made, where the mail server did not take it.
    """
    link = services.mail_records(
        domain=domain_of(request, domain_id),
        to=asked.to,
        host=asked.host,
        actor=caller(request),
        site_url=request.build_absolute_uri("/"),
    )
    return Status(201, link_out(request, link))
