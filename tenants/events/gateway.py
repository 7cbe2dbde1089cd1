"""Fetches SNS's signing certificates over HTTPS and confirms subscriptions.

The caller has checked that the URL leads to SNS (`core.check_urls`). As with every call to AWS, the setting
AWS_ENDPOINT_URL overrides the endpoint.
"""

from http import HTTPStatus
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.conf import settings

from inbound_admin.lib import slow_work
from inbound_admin.lib.aws import NO_SANDBOX
from inbound_admin.lib.errors import AwsProblem, AwsUnreachable

SECONDS = 5
MOST_BYTES = 20_000
CONFIRMING = "confirm the subscription to SES events"


class _NoRedirects(HTTPRedirectHandler):
    """Refuses redirects, since the target of a redirect was not checked."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_opener = build_opener(_NoRedirects)


def fetch_certificate(url: str) -> bytes:
    """Return the certificate as PEM. Raises AwsProblem; AwsUnreachable if there is no answer."""
    return _get(url, "fetch the SNS certificate")


def confirm_subscription(url: str) -> None:
    """Confirm to SNS that the topic may send to us. Repeatable. Raises AwsProblem."""
    answer = _get(url, CONFIRMING)
    if b"<SubscriptionArn>" not in answer:
        raise AwsProblem(f"We could not {CONFIRMING}: the answer of SNS contains no subscription.")


def _get(url: str, doing: str) -> bytes:
    """Fetch the URL. Also raises TooManyAtOnce; SNS then retries."""
    try:
        with slow_work.slot(), _opener.open(Request(_where(url)), timeout=SECONDS) as answer:  # noqa: S310  # checked by the caller
            return bytes(answer.read(MOST_BYTES))
    except HTTPError as refusal:
        kind = AwsUnreachable if refusal.code >= HTTPStatus.INTERNAL_SERVER_ERROR else AwsProblem
        raise kind(f"We couldn't {doing}: SNS answered {refusal.code}.") from refusal
    except (URLError, OSError) as problem:
        raise AwsUnreachable(f"We couldn't {doing}: SNS did not respond.") from problem


def _where(url: str) -> str:
    if settings.SANDBOX and not settings.AWS_ENDPOINT_URL:
        raise AwsUnreachable(NO_SANDBOX)
    if not settings.AWS_ENDPOINT_URL:
        return url
    parts = urlsplit(url)
    return f"{settings.AWS_ENDPOINT_URL.rstrip('/')}{parts.path}?{parts.query}"
