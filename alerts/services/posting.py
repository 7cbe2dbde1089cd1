"""One request to an address that a customer has named, under the same rules as webhooks: for apps above this one."""

from collections.abc import Mapping

from django.conf import settings

from alerts.core.target_urls import BadUrl, parse_target
from alerts.gateway import http
from alerts.gateway.http import NotDelivered, Reply
from inbound_admin.lib import slow_work

__all__ = ["NotDelivered", "Reply", "post"]


def post(url: str, body: str, headers: Mapping[str, str]) -> Reply:
    """Raises NotDelivered where no answer came, or the address may not be reached from here."""
    private = settings.WEBHOOKS_MAY_BE_PRIVATE
    try:
        target = parse_target(url, may_be_private=private)
    except BadUrl as error:
        raise NotDelivered(str(error)) from error
    with slow_work.place():
        return http.post(target, body, headers, seconds=settings.WEBHOOK_TIMEOUT_SECONDS, may_be_private=private)
